"""All tables of what heads attend to: one pass per model and task, kept in the store, with the words of the corpus."""

import numpy as np
import pandas as pd
import pytest

from darksecrets.corpora.annotated_maps import AFTER, BEFORE
from darksecrets.models import attended, attention, per_model
from darksecrets.models.attended import TABLES, Text
from darksecrets.models.feature_attention import FEATURE_COLUMNS
from darksecrets.models.setup import Setup
from tests import pocket
from tests.conftest import write_task

TASKS, SEEDS, N = ("RTE", "SST-2"), (0, 3), 12
KEY = ["task", "checkpoint", "seed"]


@pytest.fixture(scope="module")
def setup(tiny_bert, tmp_path_factory):
    quick = {"epochs": 1, "learning_rate": 1e-2, "batch_size": 8}
    store = tmp_path_factory.mktemp("store")
    return Setup(tiny_bert, "pocket:40/20", TASKS, SEEDS, max_examples=N, **quick, store=store)


@pytest.fixture(scope="module")
def found(setup):
    return attended.measured(setup)


def passes(monkeypatch):
    """Count how often a model runs over a task's examples."""
    counted, real = [], attention.attention_pass

    def count(model, *others, **options):
        counted.append(options["progress"])
        return real(model, *others, **options)

    monkeypatch.setattr(attention, "attention_pass", count)
    return counted


def test_cases_are_the_pre_trained_model_once_and_each_fine_tuned_one(setup, found):
    expected = [(task, BEFORE, 0) for task in TASKS] + [(task, AFTER, seed) for task in TASKS for seed in SEEDS]
    assert [tuple(case) for case in per_model.cases(setup)] == expected
    for name in TABLES:
        table = getattr(found, name)
        cases = table[KEY].astype({"task": str, "checkpoint": str}).drop_duplicates()
        assert list(cases.itertuples(index=False, name=None)) == expected, name


def test_features_have_a_row_per_reading_measure_example_layer_and_head(setup, found):
    table = found.features
    key = [*KEY, "reading", "measure", "example", "layer", "head"]
    assert not table.duplicated(key).any()
    assert len(table) == 6 * 4 * N * 12
    measures = table[["reading", "measure"]].astype(str).drop_duplicates()
    assert sorted(measures.itertuples(index=False, name=None)) == [
        ("paper", "from [CLS]"), ("paper", "norm"), ("paper", "weight"), ("released", "weight")]  # fmt: skip
    ids = {int(example.id) for example in setup.split("RTE", "dev", N).examples}
    assert set(table.loc[table["task"] == "RTE", "example"]) == ids
    assert (table[list(FEATURE_COLUMNS)].dtypes == np.float32).all()
    released = table[table["reading"] == "released"]
    assert released[[name for name in FEATURE_COLUMNS if name != "negation"]].notna().all(axis=None)
    assert released["negation"].isna().any(), "an input without a negation is skipped"
    assert (table[list(FEATURE_COLUMNS)].fillna(0) <= 1 + 1e-6).all(axis=None)
    assert table["sure"].all(), "gold annotation is sure"


def test_a_feature_is_missing_just_where_the_gold_annotation_has_none(setup, found):
    table = found.features.query("reading == 'paper' and measure == 'weight' and layer == 0 and head == 0")
    table = table[(table["task"] == "SST-2") & (table["checkpoint"] == BEFORE)]
    items = pocket.items("SST-2", "dev", 20)
    for row in table.itertuples(index=False):
        for feature in ("noun", "negation", "pronoun", "object"):
            has_it = any(sentence.places(feature) for sentence in items[row.example].sentences)
            assert np.isnan(getattr(row, feature)) != has_it
    assert table["negation"].isna().any()


def test_links_are_those_of_the_gold_annotation(setup, found):
    table = found.links.query("layer == 0 and head == 0")
    table = table[(table["task"] == "RTE") & (table["checkpoint"] == BEFORE)]
    items = pocket.items("RTE", "dev", 20)
    ids = [int(example.id) for example in setup.split("RTE", "dev", N).examples]
    gold = [(number, link.relation, link.distance) for number in ids for sentence in items[number].sentences
            for link in sentence.links if link.relation in attended.RELATIONS]  # fmt: skip
    assert sorted(table[["example", "relation", "distance"]].itertuples(index=False, name=None)) == sorted(gold)
    assert table["to_head_null"].notna().any()


def test_fine_tuning_is_seen_in_every_table(found):
    for name, column in (("features", "noun"), ("links", "to_head"), ("diagonal", "next"), ("released_links", "mean")):
        means = getattr(found, name).groupby([*KEY], observed=True)[column].mean()
        assert means.loc["RTE"].nunique() == 1 + len(SEEDS), name


def test_one_pass_per_model_and_task_and_none_the_second_time(setup, found, monkeypatch, tmp_path):
    counted = passes(monkeypatch)
    again = attended.measured(setup)
    assert counted == []
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(again, name), getattr(found, name))
    alone = Setup(setup.checkpoint, setup.corpus, ("RTE",), (0,), max_examples=N, epochs=1, batch_size=8,
                  learning_rate=1e-2, store=tmp_path)  # fmt: skip
    attended.measured(alone)
    assert sorted(counted) == ["attention in RTE, fine-tuned", "attention in RTE, pre-trained"]


def test_links_of_a_second_sentence_come_after_those_of_the_first(setup):
    item = pocket.items("RTE", "dev", 20)[0]
    example = setup.split("RTE", "dev").examples[0]
    text = Text(attention.encode(setup.load().tokenizer, [example])[0], item.sentences)
    shapes, described = text.links()
    n_words = len(item.first.words)
    assert len(text.words) == n_words + len(item.second.words)
    seconds = [shape for shape in shapes if shape.pairs[0][0] >= n_words]
    assert {shape.link for shape in seconds} == {
        number for number, _ in enumerate(described) if number >= sum(
            link.relation in attended.RELATIONS for link in item.first.links)}  # fmt: skip
    assert all(dependent >= n_words for shape in seconds for _, dependent in shape.pairs)


def test_inputs_that_are_too_long_are_counted(tiny_bert, tmp_path):
    lengths = (10, 126, 127, 198, 199, 400)  # words of one token, beside two special tokens
    rows = [f"{'word ' * (n - 1)}end\t{row % 2}" for row, n in enumerate(lengths)]
    for file in ("train.tsv", "dev.tsv"):
        path = tmp_path / "glue" / "SST-2" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["sentence\tlabel", *rows]) + "\n")
    setup = Setup(tiny_bert, str(tmp_path / "glue"), ("SST-2",), store=tmp_path / "store")
    assert attended.input_lengths(setup).to_dict("records") == [
        {"task": "SST-2", "n_examples": 6, "n_longer": 4, "n_longer_than_released": 2}
    ]


def test_a_corpus_without_annotation_is_parsed(tiny_bert, tmp_path):
    corpus = write_task(tmp_path / "glue", "RTE", 40)
    setup = Setup(tiny_bert, corpus, ("RTE",), max_examples=5, epochs=1, learning_rate=1e-3, store=tmp_path / "store")
    table = attended.measured(setup).features
    means = table.query("reading == 'paper' and measure == 'weight'")[list(FEATURE_COLUMNS)].mean()
    assert means[["noun", "verb", "pronoun", "subject", "punctuation", "[CLS]", "[SEP]"]].notna().all()
    assert (means["[SEP] sum"] > means["[SEP]"]).all()
