"""How far the parser agrees with gold annotation, in all sentences and where it is sure; see also the pocket corpus."""

from dataclasses import replace

import pytest

from darksecrets.corpora.annotation import FEATURES, Link, Sentence, Word
from darksecrets.errors import InputError
from darksecrets.overview import parsing

LEFT = Sentence(
    "Anna said she left.",
    tuple(
        Word(*word)
        for word in (("Anna", 0, 4, "PROPN"), ("said", 5, 9, "VERB"), ("she", 10, 13, "PRON"), ("left", 14, 18, "VERB"))
    ),
    {"subject": (0, 2)},
    (Link("verb-subject", 1, 0), Link("pronoun-antecedent", 2, 0), Link("verb-subject", 3, 2)),
)
UNSURE = replace(LEFT, roles={"subject": (0, 1)}, links=(), sure=False)


def test_sentences_of_which_the_parser_is_not_sure_count_among_all_only():
    table = parsing.agreement_by_certainty([LEFT] * 4, [LEFT, LEFT, LEFT, UNSURE])
    assert table.groupby("kept")["compared"].unique().map(list).to_dict() == {"all": [4], "sure": [3]}
    f1 = table.set_index(["kept", "feature"])["mean"]
    assert f1["all"][["subject", "pronoun-antecedent link"]].tolist() == pytest.approx([7 / 8, 2 * 3 / 7])
    assert f1["sure"][["subject", "pronoun-antecedent link"]].tolist() == [1, 1]
    shown = parsing.ud_table(table).set_index("feature")
    columns = ["precision", "recall", "F1"]
    assert shown.columns.tolist() == ["in gold", *columns, *(f"{name}, sure" for name in columns)]
    row = shown.loc["subject"].tolist()
    assert row[:3] == [8, "87.5", "87.5"]
    assert row[3].startswith("87.5 [")
    assert row[4:] == ["100.0", "100.0", "100.0 [100.0, 100.0]"]
    assert shown.loc["negation"].isna().all()
    of_none = parsing.agreement_by_certainty([LEFT], [UNSURE])
    assert of_none.groupby("kept")["compared"].first().to_dict() == {"all": 1, "sure": 0}
    assert of_none.loc[of_none["kept"] == "sure", "mean"].isna().all()


def test_links_of_pronouns_are_compared_only_where_gold_has_them():
    gold = replace(LEFT, links=LEFT.links[:1])
    features = [*FEATURES, "verb-subject link", "verb-object link"]
    assert parsing.agreement([gold], [LEFT])["feature"].tolist() == [*features, "words"]
    assert parsing.agreement([LEFT], [gold])["feature"].tolist() == [*features, "pronoun-antecedent link", "words"]


TREEBANK = """\
# text = The dog slept .
1\tThe\tthe\tDET\tDT\t_\t2\tdet\t_\t_
2\tdog\tdog\tNOUN\tNN\t_\t3\tnsubj\t_\t_
3\tslept\tsleep\tVERB\tVBD\t_\t0\troot\t_\t_
4\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_

# text = She saw a cat .
1\tShe\tshe\tPRON\tPRP\t_\t2\tnsubj\t_\t_
2\tsaw\tsee\tVERB\tVBD\t_\t0\troot\t_\t_
3\ta\ta\tDET\tDT\t_\t4\tdet\t_\t_
4\tcat\tcat\tNOUN\tNN\t_\t2\t{relation}\t_\t_
5\t.\t.\tPUNCT\t.\t_\t2\tpunct\t_\t_

"""


def against(path, relation):
    path.write_text(TREEBANK.format(relation=relation), encoding="utf-8")
    return parsing.against_file(path).set_index(["kept", "feature"])


def test_the_parser_reads_a_file_and_is_compared_with_its_annotation(tmp_path):
    table = against(tmp_path / "small.conllu", "obj")
    assert set(table.index.get_level_values("kept")) == {"all", "sure"}
    found = table.loc["all"]
    assert found["compared"].eq(2).all()
    counts = {"noun": 2, "verb": 2, "pronoun": 1, "subject": 2, "object": 1, "punctuation": 2, "verb-subject link": 2}
    assert found.loc[list(counts), "gold"].to_dict() == counts
    assert found.loc[list(counts), "mean"].eq(1).all()  # sentences that any parser gets right
    assert found.loc["words", ["gold", "found", "mean"]].tolist() == [9, 9, 1]
    other = against(tmp_path / "other.conllu", "obl").loc["all"]
    assert other.loc["object", ["gold", "found", "mean"]].tolist() == [0, 1, 0]
    assert other.loc["subject", "mean"] == 1


def test_a_file_that_is_no_treebank_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot be read") as caught:
        parsing.against_file(tmp_path / "none.conllu")
    assert "\n" not in str(caught.value)
