"""A treebank in the form of our annotation: constructions with their mapping, files that are no treebank, and EWT."""

import pytest

from darksecrets.corpora import conllu, linguistics
from darksecrets.corpora.annotation import FEATURES
from darksecrets.errors import InputError
from darksecrets.overview import parsing
from tests.conftest import ROOT

TREEBANK = ROOT.parent / "shared" / "ud" / "en_ewt-ud-dev.conllu"


def write(path, text, *rows):
    """Write one sentence: rows of "number form pos head relation", an unspaced one ending in "+"."""
    lines = [f"# text = {text}"]
    for row in rows:
        number, form, pos, head, relation, *unspaced = row.split()
        tag = "NNP" if pos == "NAME" else "_"
        misc = "SpaceAfter=No" if unspaced else "_"
        lemma = "not" if form == "nt" else form
        pos = "ADJ" if pos == "NAME" else pos
        lines.append("\t".join([number, form, lemma, pos, tag, "_", head, relation, "_", misc]))
    path.write_text("\n".join([*lines, "", ""]), encoding="utf-8")
    return path


# text: rows; features and links as words
SENTENCES = {
    "She didn't go.": (
        [
            *("1 She PRON 4 nsubj", "2-3 didn't _ _ _", "2 did AUX 4 aux", "3 n't PART 4 advmod"),
            *("4 go VERB 0 root +", "5 . PUNCT 4 punct"),
        ],
        {"verb": "did go", "pronoun": "She", "subject": "She", "negation": "n't", "punctuation": "."},
        ["verb-subject go She"],
    ),
    "I dont.": (
        ["1 I PRON 2 nsubj", "2-3 dont _ _ _ +", "2 do VERB 0 root", "3 nt PART 2 advmod", "4 . PUNCT 2 punct"],
        {"verb": "do", "pronoun": "I", "subject": "I", "negation": "nt", "punctuation": "."},
        ["verb-subject do I"],
    ),
    "Ann Lee is happy": (
        ["1 Ann PROPN 4 nsubj", "2 Lee PROPN 1 flat", "3 is AUX 4 cop", "4 happy ADJ 0 root"],
        {"noun": "Ann Lee", "verb": "is", "subject": "Lee"},
        ["verb-subject is Lee"],
    ),
    "The trouble is that Ann left": (
        [
            *("1 The DET 2 det", "2 trouble NOUN 6 nsubj:outer", "3 is AUX 6 cop"),
            *("4 that SCONJ 6 mark", "5 Ann PROPN 6 nsubj", "6 left VERB 0 root"),
        ],
        {"noun": "trouble Ann", "verb": "is left", "subject": "trouble Ann"},
        ["verb-subject is trouble", "verb-subject left Ann"],
    ),
    "The trouble is that Ann is happy": (
        [
            *("1 The DET 2 det", "2 trouble NOUN 7 nsubj:outer", "3 is AUX 7 cop", "4 that SCONJ 7 mark"),
            *("5 Ann PROPN 7 nsubj", "6 is AUX 7 cop", "7 happy ADJ 0 root"),
        ],
        {"noun": "trouble Ann", "verb": "is is", "subject": "trouble Ann"},
        ["verb-subject is trouble", "verb-subject is Ann"],  # each has the copula next to it
    ),
    "There were letters": (
        ["1 There PRON 2 expl", "2 were VERB 0 root", "3 letters NOUN 2 nsubj"],
        {"noun": "letters", "verb": "were", "pronoun": "There"},
        [],
    ),
    "He gave us Supreme power": (
        ["1 He PRON 2 nsubj", "2 gave VERB 0 root", "3 us PRON 2 iobj", "4 Supreme NAME 5 amod", "5 power NOUN 2 obj"],
        {"noun": "Supreme power", "verb": "gave", "pronoun": "He us", "subject": "He", "object": "power"},
        ["verb-subject gave He", "verb-object gave power"],
    ),
    "Him a king": (
        ["1 Him PRON 3 nsubj", "2 a DET 3 det", "3 king NOUN 0 root"],
        {"noun": "king", "pronoun": "Him", "subject": "Him"},
        [],
    ),
    "They eat and we": (
        ["1 They PRON 2 nsubj", "2 eat VERB 0 root", "3 and CCONJ 4 cc", "4 we PRON 2 conj", "4.1 eat VERB _ _"],
        {"verb": "eat", "pronoun": "They we", "subject": "They"},
        ["verb-subject eat They"],
    ),
}


@pytest.mark.parametrize("text", SENTENCES)
def test_a_construction_becomes_ours(tmp_path, text):
    rows, features, links = SENTENCES[text]
    (found,) = conllu.read(write(tmp_path / "one.conllu", text, *rows))
    words = [word.text for word in found.words]
    assert found.text == text
    assert [text[word.start : word.end] for word in found.words] == words
    marked = {feature: " ".join(words[place] for place in found.places(feature)) for feature in FEATURES}
    assert marked == dict.fromkeys(FEATURES, "") | features
    assert [f"{link.relation} {words[link.head]} {words[link.dependent]}" for link in found.links] == links


@pytest.mark.parametrize(("relation", "passive"), [("nsubj", False), ("nsubj:pass", True)])
def test_a_link_is_passive_where_its_subject_is(tmp_path, relation, passive):
    rows = [f"1 Letters NOUN 2 {relation}", "2 came VERB 0 root"]
    (found,) = conllu.read(write(tmp_path / "one.conllu", "Letters came", *rows))
    assert [link.passive for link in found.links] == [passive]


class TestMalformed:
    rows = ["1 We PRON 2 nsubj", "2 left VERB 0 root"]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda text: text.replace("# text", "# no text"), "line 1: the sentence has no line '# text ='"),
            (lambda text: text.replace("= We", "= He"), "line 1: the words spell 'We left' and the text is 'He left'"),
            (lambda text: text.replace("\t_\n2", "\n2"), "line 2: expected 10 fields between tabs, found 9"),
            (lambda text: text.replace("\n2\t", "\n3\t"), "line 3: word '3' with the head '0'; expected word 2"),
            (lambda text: text.replace("\t0\t", "\tx\t"), "line 3: word '2' with the head 'x'; expected word 2"),
            (
                lambda text: text.replace("PRON\t_\t_\t2", "PRON\t_\t_\t5"),
                "line 1: a word's head is not in the sentence",
            ),
            (lambda text: "\n", "has no sentence"),
        ],
    )
    def test_the_line_is_named(self, tmp_path, change, message):
        path = write(tmp_path / "one.conllu", "We left", *self.rows)
        before = path.read_text()
        path.write_text(change(before))
        assert path.read_text() != before
        with pytest.raises(InputError, match=message) as caught:
            conllu.read(path)
        assert "\n" not in str(caught.value)

    def test_a_file_that_is_none(self, tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            conllu.read(tmp_path / "none.conllu")
        (tmp_path / "latin").write_bytes(b"\xe9")
        with pytest.raises(InputError, match="cannot be read"):
            conllu.read(tmp_path / "latin")


@pytest.fixture(scope="module")
def treebank():
    if not TREEBANK.is_file():
        pytest.skip(f"UD English EWT is not at {TREEBANK.relative_to(ROOT.parent)} beside the project")
    return conllu.read(TREEBANK)


class TestEwt:
    def test_it_is_read_whole(self, treebank):
        assert len(treebank) == 2001
        assert sum(len(sentence.words) for sentence in treebank) == 25147
        for sentence in treebank:
            assert [sentence.text[word.start : word.end] for word in sentence.words] == [
                word.text for word in sentence.words
            ]

    def test_the_parser_is_mostly_right_and_more_so_where_it_is_sure(self, treebank):
        found = linguistics.annotate([sentence.text for sentence in treebank])
        table = parsing.agreement_by_certainty(treebank, found)
        compared = table.groupby("kept")["compared"].first()
        assert 0.5 < compared["sure"] / compared["all"] < 0.7
        f1 = table.pivot(index="feature", columns="kept", values="mean").loc[[*FEATURES, "verb-subject link"]]
        assert (f1["all"] > 0.85).all()
        assert (f1["sure"] > f1["all"]).all()
        assert (f1["sure"] - f1["all"]).mean() > 0.02
