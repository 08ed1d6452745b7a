"""The pocket corpus as the library has it: read like GLUE from what the grammar wrote, by keys that stay; and what its
page shows, on sentences annotated by hand and on the corpus itself.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import vl_convert

import pocketgrammar
from darksecrets.corpora import generated, glue, linguistics
from darksecrets.corpora.annotation import FEATURES, Frame, Link, Sentence, Word
from darksecrets.errors import InputError
from darksecrets.models.setup import Setup
from darksecrets.overview import parsing, pocket_corpus
from darksecrets.overview.pocket_corpus import Item
from darksecrets.runs import Store, fingerprint
from pocketgrammar import corpus as grammar
from pocketgrammar import samples
from tests import pocket

# Results in people's stores have these in their keys. Where a change of the grammar is meant to change what it writes,
# raise its VERSION; where it is not, it has changed it all the same.
FINGERPRINTS = {
    ("MRPC", "train"): "361427313a8e4535",
    ("MRPC", "dev"): "265c651290b5c33d",
    ("STS-B", "train"): "9c2a9e70ee14aa76",
    ("STS-B", "dev"): "7ed1981a6f2ddafc",
    ("SST-2", "train"): "660b65b705646df9",
    ("SST-2", "dev"): "5b8bcedcb4fb8f52",
    ("QQP", "train"): "3f20514bd5e34c51",
    ("QQP", "dev"): "84271dff4b63abca",
    ("RTE", "train"): "216302432b30ce91",
    ("RTE", "dev"): "60c5202c0c12fea9",
    ("QNLI", "train"): "9dd2543a15919577",
    ("QNLI", "dev"): "991aeb3e9be467bb",
    ("MNLI", "train"): "96fa488df145a60d",
    ("MNLI", "dev"): "fdbb264632e0e343",
}
ANNOTATION = {"version": 2, "grammar": "fa5c4f507ff339c901b571850473ffeb8213d19512c8c851cf9db11f187a3519"}
# Of all sentences with their annotation and labels, and of linked sentences.
WRITTEN = "64077a29b6d95e70ce18c6ad3eaf4f4f348a44bbd944e7dc1c0c5d103e05ce72"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


class TestKeys:
    def test_those_of_the_usual_splits_stay_as_they_are(self, store):
        splits = {key: glue.load(*key, "pocket", store=store) for key in FINGERPRINTS}
        assert {key: split.fingerprint[:16] for key, split in splits.items()} == FINGERPRINTS
        assert {(key[1], split.n_available) for key, split in splits.items()} == {("train", 600), ("dev", 200)}

    def test_those_of_annotation_stay_as_long_as_the_grammar_writes_the_same(self):
        assert linguistics.described("pocket") == ANNOTATION
        items = [
            [task, split, item.label, [pocketgrammar.to_dict(one) for one in item.sentences]]
            for task in pocketgrammar.TASKS
            for split in pocketgrammar.SIZES
            for item in pocketgrammar.items(task, split)
        ]
        linked = [
            pocketgrammar.to_dict(one)
            for relation in ("verb-subject", "pronoun-antecedent")
            for distance in range(1, 9)
            for one in pocketgrammar.linked(relation, distance)
        ]
        assert fingerprint([items, linked]) == WRITTEN

    def test_another_version_lexicon_or_numpy_is_another_grammar(self, monkeypatch):
        compute = grammar.fingerprint.__wrapped__
        found = {compute()}
        for owner, name, value in (
            (grammar, "VERSION", "another"),
            (grammar.np, "__version__", "another"),
            (Path, "read_bytes", lambda path: b"other words"),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, value)
                found.add(compute())
        assert len(found) == 4


NOTE = "Texts of the pocket corpus, written by a grammar; scores on them are not scores on GLUE"


class TestReading:
    @pytest.mark.parametrize("name", glue.TASKS)
    def test_rows_are_those_of_the_grammar_and_never_official(self, store, name, monkeypatch):
        monkeypatch.setattr(glue.Task, "official_rows", lambda task, split: 30)
        for split, size in {"train": 50, "dev": 30}.items():
            found = glue.load(name, split, "pocket:50/30/3", store=store)
            assert (found.n_available, found.is_official, found.note) == (size, False, NOTE)
            assert [(one.id, one.first, one.second, one.label) for one in found.examples] == [
                (str(row), item.first.text, item.second and item.second.text, item.label)
                for row, item in enumerate(pocket.items(name, split, size, 3))
            ]

    def test_a_store_keeps_what_was_written_until_the_grammar_changes(self, tmp_path, monkeypatch):
        store, written, write = Store(tmp_path), [], pocketgrammar.write
        monkeypatch.setattr(pocketgrammar, "write", lambda *to, **what: written.append(what) or write(*to, **what))
        for name in ("STS-B", "SST-2"):
            plain, kept, again = (
                glue.load(name, "dev", "pocket:40/30/9", 20, store=one) for one in (None, store, store)
            )
            assert plain == kept == again
        made_from = {"split": "dev", "n_examples": 30, "seed": 9}
        assert written == [{"task": name} | made_from for name in ("STS-B", "STS-B", "SST-2", "SST-2")]
        monkeypatch.setattr(pocketgrammar, "fingerprint", lambda: "another grammar")
        assert glue.load("STS-B", "dev", "pocket:40/30/9", 20, store=store).n_available == 30
        assert len(written) == 5

    def test_without_a_store_nothing_is_left_behind(self):
        code = "from darksecrets.corpora import generated; print(generated.directory('pocket:3/2', 'RTE', 'dev'))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        directory = Path(done.stdout.strip())
        assert directory.parent.name == generated.KIND
        assert not directory.parents[1].exists()

    def test_the_seed_of_the_corpus_changes_the_text_and_that_of_the_choice_the_rows(self, store):
        first, second = (glue.load("QQP", "dev", f"pocket:40/30/{seed}", store=store) for seed in (0, 1))
        assert not {example.first for example in first.examples} & {example.first for example in second.examples}
        chosen = [glue.load("QQP", "dev", "pocket:40/30", 10, seed, store).examples for seed in (0, 1)]
        assert chosen[0] != chosen[1]
        assert set(chosen[0]) | set(chosen[1]) <= set(first.examples)

    def test_names_with_sizes_are_checked_without_files_and_others_are_one_line_that_shows_how(self):
        for corpus in ("pocket", "pocket:1/1", "pocket:2000/500/17"):
            glue.check_corpus(corpus, list(glue.TASKS))
        for corpus in ("pocket:", "pocket:0/5", "pocket:5", "pocket:5/0", "pocket:5/5/", "pocket:-5/5", "pocket:5/5/x"):
            for call in (lambda name: glue.check_corpus(name, ["RTE"]), lambda name: glue.load("RTE", "dev", name)):
                with pytest.raises(
                    InputError, match=f"^corpus '{corpus}': write pocket, or its sizes and a seed, as in"
                ):
                    call(corpus)

    def test_more_rows_than_there_are_is_one_line(self, monkeypatch, store):
        monkeypatch.setattr(grammar, "MOST_TRIES", 0)
        line = "pocket RTE dev: no new example after 0; ask for fewer, or extend lexicon"
        with pytest.raises(InputError, match=line):
            glue.load("RTE", "dev", "pocket:7/7/7", store=store)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory with the corpus pocket:40/30/2."""
    root = tmp_path_factory.mktemp("export") / "mine"
    assert len(generated.export(root, 40, 30, 2)) == 4 * len(glue.TASKS)
    return root


class TestExport:
    @pytest.mark.parametrize("name", glue.TASKS)
    def test_reading_it_gives_the_corpus_and_its_annotation(self, directory, store, name):
        for split in glue.SPLITS:
            written, made = (glue.load(name, split, one, store=store) for one in (str(directory), "pocket:40/30/2"))
            assert (written.examples, written.fingerprint) == (made.examples, made.fingerprint)
        lines = (directory / f"{name}/dev.annotations.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["index"] for line in lines] == list(range(30))
        gold = [item.sentences for item in pocket.items(name, "dev", 30, 2)]
        assert linguistics.annotated(written, str(directory), store) == gold

    def test_nothing_is_overwritten_and_an_empty_directory_will_do(self, directory, tmp_path):
        (tmp_path / "file").write_text("mine")
        (tmp_path / "empty").mkdir()
        for taken, line in (
            (directory, "is not an empty directory: name another one"),
            (tmp_path, "is not an empty directory: name another one"),
            (tmp_path / "file", "is a file; give a directory"),
            (tmp_path / "file/new", "cannot be made, since .file. is a file; give a directory"),
        ):
            before = sorted(tmp_path.rglob("*"))
            with pytest.raises(InputError, match=line):
                generated.export(taken, 2, 2, 0)
            assert sorted(tmp_path.rglob("*")) == before
        generated.export(tmp_path / "empty", 2, 1, 0)
        assert len(glue.load("MNLI", "dev", str(tmp_path / "empty")).examples) == 1

    @pytest.mark.parametrize(
        ("sizes", "complaint"), [((0, 5, 0), "train is 0"), ((5, -1, 0), "dev is -1"), ((5, 5, -1), "seed is -1")]
    )
    def test_wrong_sizes_write_nothing(self, tmp_path, sizes, complaint):
        with pytest.raises(InputError, match=f"{complaint}; it must be at least"):
            generated.export(tmp_path / "new", *sizes)
        assert not (tmp_path / "new").exists()


def sentence(marked, links=(), frames=(), **roles):
    """A sentence from "word/POS word/POS ...": words a space apart."""
    words, start = [], 0
    for text, pos in (word.split("/") for word in marked.split()):
        words.append(Word(text, start, start + len(text), pos))
        start += len(text) + 1
    text = " ".join(word.text for word in words)
    return Sentence(text, tuple(words), roles, tuple(Link(*link) for link in links), tuple(frames))


COOK = sentence(
    "The/DET cook/NOUN saw/VERB her/PRON ./PUNCT",
    links=[("verb-subject", 2, 1), ("verb-object", 2, 3)],
    frames=[Frame("Perception_experience", 2, {"Perceiver": (0, 2), "Phenomenon": (3, 4)})],
    subject=(1,),
    object=(3,),
)
LEFT = sentence("Anna/PROPN did/AUX not/PART leave/VERB", links=[("verb-subject", 3, 0)], subject=(0,), negation=(2,))


class TestChecks:
    def corpus(self):
        red, blue = sentence("The/DET red/ADJ car/NOUN"), sentence("A/DET blue/ADJ Car/NOUN")
        return {
            ("SST-2", "train"): (Item(red, None, 0), Item(blue, None, 1), Item(COOK, None, 1)),
            # The red car again, word for word and with another article; then something new.
            ("SST-2", "dev"): (
                Item(red, None, 0),
                Item(sentence("One/DET car/NOUN Red/ADJ"), None, 1),
                Item(LEFT, None, 1),
            ),
            ("RTE", "train"): (Item(red, COOK, 1), Item(blue, LEFT, 0)),
            # The first has the content words of the first pair, shared out otherwise.
            ("RTE", "dev"): (
                Item(sentence("cook/NOUN red/ADJ"), sentence("saw/VERB car/NOUN"), 1),
                Item(LEFT, LEFT, 0),
            ),
        }

    def test_repetitions_are_counted_in_the_text_in_sentences_and_in_examples(self):
        table = pocket_corpus.checks(self.corpus()).set_index("task")
        assert table.loc["SST-2"].tolist() == [3, 3, 5 / 6, 1, 2, 2, 13]
        assert table.loc["RTE"].tolist() == [2, 2, 6 / 8, 2, 2, 1, 12]
        assert table.columns.tolist() == [
            *("train", "dev", "distinct", "repeated", "same words", "same words in all", "word types")
        ]

    def test_content_words_have_no_function_words_and_small_letters(self):
        assert pocket_corpus.content_words([COOK, LEFT]) == {"cook", "saw", "anna", "leave"}

    def test_word_types_are_without_punctuation_and_of_a_task_or_all(self):
        assert pocket_corpus.word_types({("RTE", "train"): (Item(COOK, LEFT, 0),)}) == {
            *("the", "cook", "saw", "her", "anna", "did", "not", "leave")
        }
        assert len(pocket_corpus.word_types(self.corpus(), "RTE")) == 12

    def test_a_sample_is_spread_evenly_and_never_repeats(self):
        corpus = self.corpus()
        whole = pocket_corpus.sentences(corpus)
        assert len(whole) == 6 + 8
        assert pocket_corpus.sample(corpus, 3) == [whole[0], whole[6], whole[13]]
        assert pocket_corpus.sample(corpus, 500) == whole

    def test_balance_is_the_share_of_labels_beside_glues(self):
        table = pocket_corpus.balance(self.corpus()).set_index(["task", "label"])
        assert table.loc[("SST-2", "positive"), ["train", "dev"]].tolist() == [2 / 3, 2 / 3]
        assert table.loc[("SST-2", "positive"), "difference"] == pytest.approx(2 / 3 - 0.509)
        assert table.loc[("SST-2", "negative"), "difference"] == pytest.approx(0.491 - 1 / 3)
        assert table.loc["RTE"].index.tolist() == ["entailment", "not_entailment"]

    def test_an_stsb_score_belongs_to_the_band_above_it_and_5_to_the_last(self):
        scores = (0.0, 0.9, 1.0, 2.5, 4.0, 5.0)
        assert [pocket_corpus.label_index("STS-B", score) for score in scores] == [0, 0, 1, 2, 4, 4]
        examples = tuple(Item(COOK, LEFT, score) for score in scores)
        table = pocket_corpus.balance({("STS-B", "train"): examples, ("STS-B", "dev"): examples})
        assert table["train"].tolist() == pytest.approx([2 / 6, 1 / 6, 1 / 6, 0, 2 / 6])


@pytest.mark.glue
def test_glues_shares_are_those_of_glue(request):
    directory = request.getfixturevalue("glue")
    for task, expected in pocket_corpus.GLUE_SHARES.items():
        examples = glue.load(task, "train" if task == "STS-B" else "dev", directory).examples
        places = [pocket_corpus.label_index(task, example.label) for example in examples]
        assert np.bincount(places) / len(places) == pytest.approx(expected, abs=6e-4)


class TestDistances:
    def test_neighbours_are_1_apart_and_shares_are_of_the_relation(self):
        far = sentence("He/PRON often/ADV left/VERB", links=[("verb-subject", 2, 0), ("pronoun-antecedent", 0, 2)])
        table = pocket_corpus.distances([COOK, LEFT, far, COOK])
        assert table.values.tolist() == [
            ["verb-subject", 1, 2, 0.5],
            ["verb-subject", 2, 1, 0.25],
            ["verb-subject", 3, 1, 0.25],
            ["verb-object", 1, 2, 1.0],
            ["pronoun-antecedent", 2, 1, 1.0],
        ]
        assert pocket_corpus.distance_finding(table) == "75% of verb-subject links are at most 2 words apart"

    def test_the_chart_has_a_row_of_bars_per_relation_in_the_books_order(self):
        table = pocket_corpus.distances([COOK, LEFT])
        specification = pocket_corpus.distance_chart(table, "A finding").to_dict()
        assert specification["encoding"]["row"]["sort"] == ["verb-subject", "verb-object"]
        (rows,) = specification["datasets"].values()
        assert [(row["relation"], row["distance"], row["n"]) for row in rows] == [
            *[("verb-subject", 1, 1), ("verb-subject", 3, 1), ("verb-object", 1, 1)]
        ]
        drawn = vl_convert.vegalite_to_svg(specification)
        assert float(re.search(r'<svg[^>]* width="([\d.]+)"', drawn).group(1)) <= 400


class TestAgreement:
    def test_annotations_that_are_alike_agree_wholly(self):
        table = parsing.agreement([COOK, LEFT], [COOK, LEFT]).set_index("feature")
        assert table.index.tolist() == [*FEATURES, "verb-subject link", "verb-object link", "words"]
        assert table[["precision", "recall", "mean", "low", "high", "sentences"]].eq(1).all(axis=None)
        assert table["gold"].tolist() == table["found"].tolist() == [2, 3, 1, 2, 1, 1, 1, 2, 1, 9]

    def test_precision_recall_and_f1_count_words_with_the_same_characters(self):
        other = sentence(
            "The/DET cook/VERB saw/NOUN her/PRON ./PUNCT", links=[("verb-subject", 1, 3)], subject=(1, 3), object=()
        )
        table = parsing.agreement([COOK], [other]).set_index("feature")
        assert table.loc["noun", ["gold", "found", "mean"]].tolist() == [1, 1, 0]
        assert table.loc["subject", ["gold", "found", "precision", "recall"]].tolist() == [1, 2, 0.5, 1]
        assert table.loc["subject", "mean"] == pytest.approx(2 / 3)
        assert table.loc["subject", "sentences"] == 0
        assert np.isnan(table.loc["object", "precision"])
        assert table.loc["object", ["recall", "mean"]].tolist() == [0, 0]
        assert table.loc["verb-subject link", "mean"] == 0
        assert table.loc["words", "mean"] == 1
        assert table.loc["negation", ["precision", "recall", "mean", "low", "high", "sentences"]].isna().all()

    def test_a_word_that_is_divided_otherwise_does_not_agree(self):
        gold = sentence("He/PRON did/AUX not/PART", negation=(2,))
        words = (Word("He", 0, 2, "PRON"), Word("did not", 3, 10, "AUX"))
        table = parsing.agreement([gold], [Sentence(gold.text, words, {"negation": (1,)})]).set_index("feature")
        assert table.loc["negation", "mean"] == 0
        assert table.loc["words", ["precision", "recall", "sentences"]].tolist() == [1 / 2, 1 / 3, 0]

    def test_the_interval_is_that_of_a_share_over_sentences(self):
        gold = [COOK] * 400
        wrong = sentence("The/DET cook/NOUN saw/VERB her/PRON ./PUNCT", subject=(0,), object=(3,))
        table = parsing.agreement(gold, [COOK] * 320 + [wrong] * 80).set_index("feature")
        half = 1.96 * np.sqrt(0.8 * 0.2 / 400)
        assert table.loc["subject", ["mean", "low", "high"]].tolist() == pytest.approx(
            [0.8, 0.8 - half, 0.8 + half], abs=0.006
        )
        assert table.loc["subject", "sentences"] == 0.8

    def test_other_texts_are_refused(self):
        with pytest.raises(ValueError, match="same texts"):
            parsing.agreement([COOK], [LEFT])

    def test_disagreements_name_the_word_and_who_marks_it(self):
        other = sentence("Anna/PROPN did/AUX not/PART leave/NOUN", subject=(), negation=(2,))
        table = parsing.disagreements([COOK, LEFT, LEFT], [COOK, other, other], n_each=1)
        assert table.values.tolist() == [
            ["noun", "leave", "parser", LEFT.text],
            ["verb", "leave", "gold", LEFT.text],
            ["subject", "Anna", "gold", LEFT.text],
        ]

    def test_the_table_for_reading_is_in_per_cent_and_a_feature_that_never_occurs_is_empty(self):
        table = parsing.agreement_table(parsing.agreement([COOK] * 3, [COOK] * 3)).set_index("feature")
        assert table.loc["subject"].tolist() == [3, 3, "100.0", "100.0", "100.0", "100.0 [100.0, 100.0]"]
        assert table.loc["negation"].isna().all()


@pytest.fixture(scope="module")
def small(tiny_bert, tmp_path_factory):
    """A small pocket corpus of three tasks, as the page reads it."""
    tasks = ["SST-2", "STS-B", "RTE"]
    return pocket_corpus.read(Setup(tiny_bert, "pocket:60/20", tasks, store=tmp_path_factory.mktemp("store")))


class TestTheCorpusItself:
    def test_it_is_what_the_grammar_writes_in_order(self, small):
        assert {key: tuple(items) for key, items in small.items()} == pocket.corpus(["SST-2", "STS-B", "RTE"], 60, 20)

    def test_nothing_is_repeated_and_labels_are_balanced_like_glues(self, small):
        checks = pocket_corpus.checks(small)
        assert checks[["train", "dev"]].values.tolist() == [[60, 20]] * 3
        assert (checks["distinct"] >= 0.99).all()
        assert (checks["repeated"] == 0).all()
        assert pocket_corpus.balance(small)["difference"].max() < 0.09  # of 20 labels, one is 5 points

    def test_tables_for_reading_have_the_same_rows_in_per_cent(self, small):
        checks, balance = pocket_corpus.checks(small), pocket_corpus.balance(small)
        assert pocket_corpus.check_table(checks)["distinct (%)"].tolist() == [
            f"{100 * x:.1f}" for x in checks["distinct"]
        ]
        shown = pocket_corpus.balance_table(balance)
        assert shown["GLUE"].tolist()[:2] == ["49.1", "50.9"]
        assert shown["largest difference"].astype(float).max() == pytest.approx(
            100 * balance["difference"].max(), abs=0.051
        )

    def test_a_parser_finds_what_the_grammar_says(self, small):
        gold = pocket_corpus.sample(small, 60)
        table = parsing.agreement(gold, linguistics.annotate([one.text for one in gold])).set_index("feature")
        assert table.loc["words", "mean"] > 0.99
        assert (table.loc[["noun", "verb", "subject", "object"], "mean"] > 0.9).all()


class TestSamples:
    def test_one_event_is_said_in_different_ways(self):
        table = samples.wording_table(samples.event())
        assert table["wording"][0] == "plain"
        assert {"passive", "subject cleft", "object cleft"} <= set(table["wording"])
        assert table["sentence"].is_unique
        assert table["wording"].is_unique
        assert table.equals(samples.wording_table(samples.event()))

    def test_each_edit_gives_another_sentence_and_says_what_follows(self):
        event = samples.event()
        plain = samples.wording_table(event)["sentence"][0]
        table = samples.edit_table(event).set_index("edit")
        assert plain not in set(table["sentence"])
        assert table.loc["negated", "the sentence then"] == "cannot be true"
        assert table.loc["place dropped", "the sentence then"] == "follows"
        assert len(table.loc["place dropped", "sentence"]) < len(plain)

    def test_annotation_word_by_word(self):
        table = pocket_corpus.annotation_table(COOK)
        assert table["word"].tolist() == ["The", "cook", "saw", "her", "."]
        assert table["characters"].tolist()[:2] == ["0 to 3", "4 to 8"]
        assert table["role"].tolist() == ["", "subject", "", "object", ""]
        assert table["links"].tolist() == ["", "", "verb-subject: cook, verb-object: her", "", ""]
        assert table["frame"].tolist() == [
            *("Perceiver", "Perceiver", "target of Perception_experience", "Phenomenon", "")
        ]

    def test_the_richest_sentence_has_the_most_kinds_of_annotation(self):
        assert pocket_corpus.rich_sentence([LEFT, COOK, LEFT]) is COOK

    def test_the_first_training_examples_of_every_label(self, small):
        table = pocket_corpus.sample_table(small, n_each=2)
        assert table.groupby("task", sort=False).size().to_dict() == {"SST-2": 4, "STS-B": 10, "RTE": 4}
        positive = [item for item in small["SST-2", "train"] if item.label == 1][:2]
        assert table["first"][2:4].tolist() == [item.first.text for item in positive]
        assert table["label"][:4].tolist() == ["negative", "negative", "positive", "positive"]
        assert table["second"][:4].isna().all()
        scores = table[table["task"] == "STS-B"]["label"].astype(float).astype(int).clip(upper=4)
        assert scores.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]

    @pytest.mark.parametrize("relation", ["verb-subject", "pronoun-antecedent"])
    def test_the_bracketed_words_are_as_far_apart_as_the_row_says(self, relation):
        table = samples.distance_table(relation)
        assert table["distance"].tolist() == list(range(1, 9))
        for row in table.itertuples():
            assert row.sentence.count("[") == row.sentence.count("]") == 2
            words = row.sentence.split()
            places = [place for place, word in enumerate(words) if word.startswith("[")]
            between = sum(word.count(",") for word in words[places[0] : places[1]])  # a comma is a word of its own
            assert places[1] - places[0] + between == row.distance
