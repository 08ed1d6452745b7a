"""Own data: files of every kind give the same examples, columns are guessed, and what cannot be used is one line."""

import json

import pandas as pd
import pytest

from darksecrets.corpora.own import examples, language
from darksecrets.corpora.own.columns import Columns
from darksecrets.corpora.own.labels import BY_NAME, BY_NUMBER, BY_TRUTH, SCORES
from darksecrets.corpora.own.table import Table
from darksecrets.errors import InputError
from darksecrets.runs import Store
from tests.own_data import load

NAMES = ("negative", "positive")
# A comma, a quotation mark, a line break and a letter beyond ASCII: each breaks a careless reader.
TEXTS = ["good, really", 'she said "bad"', "two\nlines", "naïve café", *(f"text number {row} here" for row in range(8))]
ROWS = [(text, f"and {row} more words", NAMES[row % 2]) for row, text in enumerate(TEXTS)]
FRAME = pd.DataFrame(ROWS, columns=["sentence1", "sentence2", "label"])
WRITERS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, force_ascii=False),
    "parquet": lambda frame, path: frame.to_parquet(path),
}


def saved(frame, tmp_path, ending="csv"):
    path = tmp_path / f"data.{ending}"
    WRITERS[ending](frame, path)
    return str(path)


def shown(data):
    return [(example.first, example.second, example.label) for example in data.split.examples]


class TestReading:
    @pytest.mark.parametrize("ending", WRITERS)
    def test_every_kind_of_file_gives_the_same_examples(self, tmp_path, ending):
        data = load(saved(FRAME, tmp_path, ending), NAMES)
        assert shown(data) == [(first, second, NAMES.index(label)) for first, second, label in ROWS]
        assert data.columns == Columns("sentence1", "sentence2", "label")
        assert data.guessed == ("text", "second", "label")
        assert data.split.n_available == len(ROWS)
        assert data.split.note == ""

    def test_the_fingerprint_is_of_the_examples_and_not_of_the_file(self, tmp_path):
        one, other = (load(saved(FRAME, tmp_path, ending), NAMES) for ending in ("csv", "parquet"))
        changed = FRAME.assign(sentence2=FRAME["sentence2"].where(FRAME.index > 0, "changed"))
        assert one.split.fingerprint == other.split.fingerprint
        assert load(saved(changed, tmp_path), NAMES).split.fingerprint != one.split.fingerprint
        assert load(saved(FRAME, tmp_path), (*NAMES, "neither")).split.fingerprint != one.split.fingerprint

    def test_semicolons_a_byte_order_mark_and_windows_line_ends_are_read(self, tmp_path):
        lines = ["text;label", *(f"some words, {row};{row % 2}" for row in range(10))]
        (tmp_path / "data.csv").write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
        data = load(str(tmp_path / "data.csv"), NAMES)
        assert shown(data)[3] == ("some words, 3", None, 1)

    def test_a_quotation_mark_in_tsv_may_be_a_character_as_any_other(self, tmp_path):
        lines = ["sentence\tlabel", *(f'"a quote that does not end {row}\t{row % 2}' for row in range(10))]
        (tmp_path / "data.tsv").write_text("\n".join(lines) + "\n")
        assert shown(load(str(tmp_path / "data.tsv"), NAMES))[1] == ('"a quote that does not end 1', None, 1)

    def test_a_text_of_any_length_is_read(self, tmp_path):
        frame = FRAME.assign(sentence1=FRAME["sentence1"].where(FRAME.index > 0, "word " * 40_000))
        assert len(shown(load(saved(frame, tmp_path), NAMES))[0][0]) == 200_000

    def test_a_directory_of_data_files_is_read_by_datasets_with_its_splits(self, tmp_path, monkeypatch):
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
        folder = tmp_path / "mine"
        folder.mkdir()
        for split, part in {"train": FRAME, "test": FRAME[::-1]}.items():
            part.to_json(folder / f"{split}.jsonl", orient="records", lines=True)
        tested, trained = load(str(folder), NAMES), load(str(folder), NAMES, split="train")
        assert tested.source_split == "test"
        assert shown(tested) == shown(trained)[::-1]
        with pytest.raises(InputError, match=r"has no split 'dev'; it has: (train, test|test, train)$"):
            load(str(folder), NAMES, split="dev")

    def test_rows_without_text_or_label_are_left_out_and_counted(self, tmp_path):
        frame = FRAME.copy()
        frame.loc[0, "sentence1"] = "  "
        frame.loc[1, "sentence2"] = None
        frame.loc[[1, 4], "label"] = None
        frame = pd.concat([frame, FRAME.assign(sentence1="again")], ignore_index=True)
        for ending in WRITERS:
            data = load(saved(frame, tmp_path, ending), NAMES)
            assert (data.n_without_text, data.n_without_label, data.n_dropped) == (2, 1, 3), ending
            assert len(data.split.examples) == 2 * len(ROWS) - 3
            assert [example.id for example in data.split.examples][:3] == ["2", "3", "5"]

    def test_a_choice_of_examples_is_seeded_and_keeps_their_order(self, tmp_path):
        path = saved(FRAME, tmp_path)
        whole, some, again = (load(path, NAMES, max_examples=size) for size in (0, 10, 10))
        assert shown(some) == shown(again)
        assert shown(some) == [one for one in shown(whole) if one in shown(some)]
        assert len(shown(some)) == 10


SENTENCES = [f"some words, number {row}" for row in range(12)]
TABLES = {  # model's names, columns, the guess
    "hashes": (
        NAMES,
        {"key": [f"{row:02}997932d777bf" for row in range(12)], "comment_text": SENTENCES, "toxic": [0, 1] * 6},
        ("comment_text", "", "toxic"),
    ),
    "addresses": (
        NAMES,
        {"link": [f"https://a.org/{row}" for row in range(12)], "headline": SENTENCES, "sarcastic": [0, 1] * 6},
        ("headline", "", "sarcastic"),
    ),
    "dates": (
        NAMES,
        {"created": [f"2015-02-24 11:35:{row:02}" for row in range(12)], "words": SENTENCES, "polarity": [0, 1] * 6},
        ("words", "", "polarity"),
    ),
    "single words that name rows": (
        NAMES,
        {"id": [f"row-{row}" for row in range(12)], "words": ["wort"] * 12, "polarity": [0, 1] * 6},
        ("words", "", "polarity"),
    ),
    "SICK": (
        None,
        {
            "pair_ID": range(1, 13),
            "sentence_A": SENTENCES,
            "sentence_B": SENTENCES[::-1],
            "relatedness_score": [4.5, 3, 1] * 4,
            "entailment_judgment": ["NEUTRAL", "ENTAILMENT"] * 6,
        },
        ("sentence_A", "sentence_B", "relatedness_score"),
    ),
}


class TestGuessing:
    @pytest.mark.parametrize(
        ("columns", "guess"),
        [
            (["id", "Review", "Sentiment"], ("Review", "", "Sentiment")),
            (["premise", "hypothesis", "gold_label"], ("premise", "hypothesis", "gold_label")),
            (["hypothesis", "premise", "gold_label"], ("premise", "hypothesis", "gold_label")),
            (["question", "passage", "answer"], ("question", "passage", "answer")),
            (["one", "other", "verdict"], ("one", "other", "verdict")),
            (["verdict", "wording"], ("wording", "", "verdict")),
        ],
    )
    def test_columns_are_told_by_their_names_or_by_what_is_in_them(self, tmp_path, columns, guess):
        words = iter(("a few words", "and some more"))
        labels = ("Sentiment", "gold_label", "answer", "verdict")
        values = {
            name: range(12) if name == "id" else [0, 1] * 6 if name in labels else [next(words)] * 12
            for name in columns
        }
        data = load(saved(pd.DataFrame(values), tmp_path), NAMES)
        assert (data.columns.text, data.columns.second, data.columns.label) == guess

    def test_of_several_texts_the_longest_is_taken(self, tmp_path):
        frame = pd.DataFrame(
            {"a": ["short one"] * 12, "b": ["much longer than that"] * 12, "c": ["in between it"] * 12}
        )
        data = load(saved(frame.assign(label=[0, 1] * 6), tmp_path), NAMES)
        assert data.columns == Columns("b", "", "label")

    @pytest.mark.parametrize(("labels", "columns", "guess"), TABLES.values(), ids=TABLES)
    def test_what_says_nothing_is_no_text_and_what_numbers_rows_no_score(self, tmp_path, labels, columns, guess):
        data = load(saved(pd.DataFrame(columns), tmp_path), labels)
        assert (data.columns.text, data.columns.second, data.columns.label) == guess

    def test_what_is_given_is_not_guessed(self, tmp_path):
        path = saved(FRAME.assign(other=FRAME["label"].iloc[::-1].to_numpy()), tmp_path)
        data = load(path, NAMES, text="sentence2", second="none", label="other")
        assert data.columns == Columns("sentence2", "", "other")
        assert data.guessed == ()
        assert load(path, NAMES, text="sentence1").columns.second == "sentence2"
        assert load(path, NAMES, second="none").columns == Columns("sentence1", "", "label")

    def test_a_column_named_like_a_label_that_does_not_fit_yields_to_one_that_does(self, tmp_path):
        frame = FRAME.assign(score=0.25, sentiment=FRAME["label"]).drop(columns="label")
        assert load(saved(frame, tmp_path), NAMES).columns.label == "sentiment"


class TestLabels:
    @pytest.mark.parametrize(
        ("labels", "values", "classes", "read_as"),
        [
            (NAMES, ["Positive", "NEGATIVE "], [1, 0], BY_NAME),
            (NAMES, [0, 1], [0, 1], f"{BY_NUMBER} (0 is negative, 1 is positive)"),
            (NAMES, [0.0, 1.0], [0, 1], f"{BY_NUMBER} (0 is negative, 1 is positive)"),
            (NAMES, [False, True], [0, 1], f"{BY_TRUTH} (False is negative, True is positive)"),
            (("LABEL_0", "LABEL_1"), [1, 0], [1, 0], BY_NUMBER),
            (("1", "2"), [1, 2], [0, 1], BY_NAME),
            (("LABEL_0", "LABEL_1"), ["LABEL_1", "LABEL_0"], [1, 0], BY_NAME),
            (None, [0.5, -3], [0.5, -3.0], SCORES),
        ],
    )
    @pytest.mark.parametrize("ending", WRITERS)
    def test_names_and_numbers_become_classes(self, tmp_path, labels, values, classes, read_as, ending):
        frame = pd.DataFrame({"text": ["some words"] * 12, "label": values * 6})
        data = load(saved(frame, tmp_path, ending), labels)
        assert [example.label for example in data.split.examples] == classes * 6
        assert data.read_as == read_as
        assert data.split.task.headline == ("pearson" if labels is None else "accuracy")

    def test_a_hundred_classes_are_classes(self, tmp_path):
        names = [f"intent {number}" for number in range(100)]
        frame = pd.DataFrame({"text": [f"words {name}" for name in names], "intent": names})
        data = load(saved(frame, tmp_path), names)
        assert [example.label for example in data.split.examples] == list(range(100))
        assert data.split.task.n_outputs == 100

    def test_names_that_a_data_set_gives_its_numbers_count_before_the_numbers(self):
        rows = [(text, row % 2) for row, text in enumerate(TEN)]
        table = Table("set", ("text", "label"), rows, str, {"label": ("positive", "negative")})
        data = examples.of_table(table, NAMES)
        assert [example.label for example in data.split.examples] == [1, 0] * 6
        assert data.read_as == BY_NAME


TEN = [f"some words, {row}" for row in range(12)]
WRONG = {
    "no label column": ({"text": TEN, "when": ["noon"] * 12}, {}, r"has no column that is clearly the label, one of "
                        r"negative, positive: none is; name it, or set classes to what it calls these; it has: 'text'"),
    "no score": ({"number_of": range(12), "tweet": TEN}, {"labels": None}, r"the label, a score: none is; name it;"),
    "several label columns": ({"text": TEN, "a": [0, 1] * 6, "b": [1, 0] * 6}, {}, r"several could be \(a, b\)"),
    "one class only": ({"text": TEN, "label": [1] * 12}, {}, r"^all 12 examples have the label 'positive', so that"),
    "labels of another model": ({"text": TEN, "label": ["pos", "neg"] * 6}, {}, r"line 2: label 'pos' of column "
                                r"'label' is none of the model's 2 classes; accepted are negative, positive, or their"),
    "a label too high": ({"text": TEN, "label": [0, 1, 2] * 4}, {}, r"line 4: label '2' of column 'label' is none"),
    "names and numbers": ({"text": TEN, "label": ["positive", 0] * 6}, {}, r"line 3: label '0' of column 'label' is of "
                          r"the numbers of the model's classes, others are of the model's names; write all alike$"),
    "labels withheld": ({"text": TEN, "label": [-1] * 12}, {}, r"^data.csv has no label in column 'label' of its 12"),
    "a column that is not there": ({"text": TEN, "label": [0, 1] * 6}, {"text": "texts"}, r"text is 'texts', but "
                                   r"data.csv has no such column; did you mean 'text'\? it has: 'text', 'label'$"),
    "one column for two": ({"text": TEN, "label": [0, 1] * 6}, {"text": "label", "label": "label"}, r"must be another"),
    "no text": ({"n": range(12), "label": [0, 1] * 6}, {}, r"^data.csv has no column of text besides the label"),
    "too few": ({"text": TEN[:4], "label": [0, 1] * 2}, {}, r"^data.csv has 4 examples with text and label; at"),
    "all texts missing": ({"text": [None] * 12, "label": [0, 1] * 6}, {"text": "text"}, r"has no text in column 'text"),
    "a split of a file": ({"text": TEN, "label": [0, 1] * 6}, {"split": "test"}, r"is a file and has no splits"),
    "a negative number": ({"text": TEN, "label": [0, 1] * 6}, {"max_examples": -1}, r"^max_examples is -1; give 0"),
}  # fmt: skip
FILES = {
    "data.csv": (b"", r"is empty; it needs a header and labelled rows$"),
    "blank.csv": (b"\n \n", r"the file is empty; it needs a header"),
    "header.csv": (b"text,label\n", r"has no rows; it needs labelled examples$"),
    "data.docx": (b"text\n", r"the ending '.docx' is unknown; accepted are files that end in .csv, .tsv, .txt, .json"),
    "book.xlsx": (b"PK\x03\x04", r"the ending '.xlsx' is unknown; save the sheet as CSV; accepted are"),
    "data.txt": (b"text\n", r"has no rows; it needs labelled examples$"),
    "data": (b"text\n", r"the ending 'none' is unknown"),
    "data.pkl": (b"\x80\x04", r"the ending '.pkl' is unknown"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n\x00\x00", r"^picture.csv is binary, or text in UTF-16 without a byte"),
    "mixed.csv": (
        "text,label\ncafé,1\nthé,1\n".encode() + b"\xe9,1\n",
        r"^mixed.csv, line 4: byte 0xe9 is not UTF-8 as the rest is; mend this line, or name an encoding in format$",
    ),
    "ragged.csv": (
        b"text,label\na,b,1\n",
        r"^ragged.csv, line 2: expected 2 fields as in the header, found 3; mend or",
    ),
    "twice.csv": (b"text,text,label\na,b,1\na,b,0\n", r"^twice.csv has the column 'text' more than once; name each"),
    "values.json": (
        b"[[1, 2],\n[3, 4]]",
        r"^values.json is JSON, but no rows of named columns; write one object a line",
    ),
    "split.json": (b'{"columns": ["a"], "data": [[1, 2]]}', r"^split.json: its columns are not names, or its data not"),
    "packed.csv.gz": (b"\x1f\x8b123", r"^packed.csv.gz cannot be unpacked \(.*\); pack it again$"),
    "broken.jsonl": (b'{"text": "a"}\n{"text"\n', r"^broken.jsonl, line 2: no JSON \(.*\); write one object a line$"),
    "list.jsonl": (b'["a", 1]\n', r"^list.jsonl, line 1: a list; write one object a line$"),
    "broken.parquet": (b"PAR1 and no more", r"^broken.parquet is no Parquet file that can be read"),
}


class TestRefusals:
    @pytest.mark.parametrize(("values", "given", "line"), WRONG.values(), ids=WRONG)
    def test_data_that_cannot_be_used_is_refused_in_one_line(self, tmp_path, values, given, line):
        path = saved(pd.DataFrame(values), tmp_path)
        with pytest.raises(InputError, match=line) as caught:
            load(path, **{"labels": NAMES, **given})
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(("name", "content", "line"), [(name, *case) for name, case in FILES.items()], ids=FILES)
    def test_a_file_that_cannot_be_read_is_refused_in_one_line(self, tmp_path, name, content, line):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=line) as caught:
            load(str(tmp_path / name), NAMES)
        assert "\n" not in str(caught.value)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(InputError, match=r"nowhere.csv': there is no such file; accepted are"):
            load(str(tmp_path / "nowhere.csv"), NAMES)

    def test_scores_that_are_words_are_refused(self, tmp_path):
        path = saved(pd.DataFrame({"text": TEN, "score": ["high"] * 12}), tmp_path)
        with pytest.raises(
            InputError, match=r"line 2: label 'high' is no number such as 2.5, and this model gives a score"
        ):
            load(path, None)

    def test_a_column_of_numbers_is_no_text(self, tmp_path):
        path = saved(pd.DataFrame({"text": range(12), "label": [0, 1] * 6}), tmp_path, "jsonl")
        with pytest.raises(InputError, match=r"line 1: column 'text' has int and not text; name a column of text$"):
            load(path, NAMES, text="text", label="label")


class TestLanguage:
    ENGLISH = ("The play was not what they had hoped for, and it is over.", "Would you play some of the new songs?")
    OTHERS = (
        "Das Stück war nicht, was sie sich erhofft hatten, und nun ist es vorbei.",
        "A peça não foi o que eles esperavam, e o fim veio a seguir sem mais.",
        "Het stuk was niet wat ze ervan hadden verwacht, en nu is het voorbij.",
        "La obra no fue lo que esperaban y ya se ha acabado para siempre.",
        "Stykket var ikke det de hadde håpet på, og nå er det slutt for godt.",
    )

    def test_english_is_told_from_other_languages(self):
        assert all(language.share_of_english([text]) > 2 * language.LEAST for text in self.ENGLISH)
        assert all(language.share_of_english([text]) < language.LEAST / 1.25 for text in self.OTHERS)
        assert language.share_of_english(["", "12 + 3"]) == 0

    @pytest.mark.parametrize(
        ("words", "text", "reason"),
        [
            ("no", ENGLISH[0], "so it was asked."),
            ("guess", OTHERS[0], "0% of the words are common English ones"),
            ("guess", ENGLISH[0], ""),
            ("yes", OTHERS[0], ""),
        ],
    )
    def test_words_are_looked_for_where_they_can_be_found(self, tmp_path, words, text, reason):
        frame = pd.DataFrame({"text": [text] * 12, "label": [0, 1] * 6})
        split = load(saved(frame, tmp_path), NAMES).split
        sentences, why_not = language.annotated(split, Store(tmp_path / "store"), words)
        assert len(sentences) == 12
        assert reason in why_not
        assert bool(reason) == bool(why_not) == (not sentences[0][0].words)
        assert [one.text for one in sentences[0]] == [text]

    def test_another_choice_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"^words is 'maybe'; accepted are guess \(if the texts read as English\)"):
            language.annotated(load(saved(FRAME, tmp_path), NAMES).split, Store(tmp_path / "store"), "maybe")


def test_json_lines_may_lack_a_key(tmp_path):
    rows = [{"text": f"words {row}", "label": NAMES[row % 2]} for row in range(12)]
    del rows[3]["label"]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert load(str(path), NAMES).n_without_label == 1
