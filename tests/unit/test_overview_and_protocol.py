"""The tables of Section 3: tasks with their sizes and examples, and the paper's protocol beside a run's."""

import pandas as pd
import pytest

from darksecrets.corpora import glue, overview
from darksecrets.models import checkpoints
from darksecrets.models.recipe import Recipe
from darksecrets.models.setup import Setup
from darksecrets.overview import methodology
from darksecrets.runs import Run
from tests.conftest import LEARNABLE, write_task


@pytest.fixture
def corpus(tmp_path):
    for n_rows, task in enumerate(LEARNABLE, start=20):
        write_task(tmp_path, task, n_rows)
    return str(tmp_path)


class TestTasks:
    def test_one_row_per_task_in_the_order_asked(self, corpus):
        table = overview.tasks(["SST-2", "RTE", "STS-B"], corpus)
        assert table["task"].tolist() == ["SST-2", "RTE", "STS-B"]
        assert table["scored by"].tolist() == ["accuracy", "accuracy", "pearson, spearman"]
        assert table["train rows"].tolist() == table["dev rows"].tolist() == [22, 20, 21]
        assert table["official"].tolist() == ["no", "no", "no"]

    @pytest.mark.parametrize(
        ("official_train", "official_dev", "said"), [(20, 20, "yes"), (21, 20, "in part"), (20, 21, "no")]
    )
    def test_official_means_both_splits(self, corpus, monkeypatch, official_train, official_dev, said):
        task = glue.TASKS["RTE"]
        sizes = {"train_rows": official_train, "dev_rows": official_dev}
        monkeypatch.setitem(glue.TASKS, "RTE", type(task)(**(vars(task) | sizes)))
        assert overview.tasks(["RTE"], corpus)["official"].tolist() == [said]

    def test_the_pocket_corpus_is_never_official(self):
        table = overview.tasks(["RTE", "SST-2"], "pocket:30/20")
        assert table["official"].tolist() == ["no, written by a grammar"] * 2
        assert table[["train rows", "dev rows"]].values.tolist() == [[30, 20]] * 2

    def test_every_task_has_its_question(self):
        assert list(overview.QUESTIONS) == list(glue.TASKS)
        assert all(question.endswith("?") for question in overview.QUESTIONS.values())


class TestExamples:
    def test_label_is_the_tasks_own_word_or_its_score(self, corpus):
        table = overview.examples(["RTE", "STS-B", "SST-2"], corpus).set_index("task")
        for task, words in (("RTE", glue.TASKS["RTE"].labels), ("SST-2", glue.TASKS["SST-2"].labels)):
            (example,) = [e for e in glue.load(task, "dev", corpus).examples if e.first == table.loc[task, "first"]]
            assert table.loc[task, "label"] == words[example.label]
        assert table.loc["STS-B", "label"] in ("0.0", "5.0")

    def test_a_single_sentence_leaves_the_second_empty(self, corpus):
        table = overview.examples(["RTE", "SST-2"], corpus)
        assert table["second"].map(bool).tolist() == [True, False]

    # Each second sentence has 30 characters, and 150 in all are the most that is short.
    @pytest.mark.parametrize(("lengths", "shown"), [((121, 90, 20), 1), ((120, 60, 20), 0), ((200, 170, 160), 0)])
    def test_the_first_short_one_is_shown_else_the_first(self, tmp_path, lengths, shown):
        write_task(tmp_path, "RTE")
        firsts = [f"{place} ".ljust(length, "x") for place, length in zip("012", lengths, strict=True)]
        rows = [f"{place}\t{first}\t{'y' * 30}\tentailment" for place, first in enumerate(firsts)]
        (tmp_path / "RTE" / "dev.tsv").write_text("\n".join(["index\tsentence1\tsentence2\tlabel", *rows]))
        assert overview.examples(["RTE"], str(tmp_path))["first"].item() == firsts[shown]


RECORD = {
    "checkpoint": "some-bert",
    "checkpoint_fingerprint": "0123456789abcdef",
    "n_layers": 5,
    "n_heads": 7,
    "n_parameters": 12_345_678,
    "recipe": vars(Recipe(7e-5, epochs=4, batch_size=24, weight_decay=0.03, warmup=0.3, max_length=96)),
}


class TestProtocol:
    def test_models_describe_the_checkpoint_and_what_was_recorded(self, tiny_bert):
        checkpoint = checkpoints.load(tiny_bert)
        table = methodology.models(checkpoint, RECORD)
        assert table.columns.tolist() == ["", "paper", "reference run", "this run"]
        table = table.set_index("")
        n_parameters = sum(weights.numel() for weights in checkpoint.encoder().parameters())
        sizes = ["layers", "heads per layer", "heads in all", "parameters"]
        assert table.loc[sizes, "paper"].tolist() == ["12", "12", "144", "110 million"]
        assert table.loc[sizes, "reference run"].tolist() == ["5", "7", "35", "12.3 million"]
        assert table.loc[sizes, "this run"].tolist() == ["3", "4", "12", f"{n_parameters / 1e6:.1f} million"]
        assert table.loc[["checkpoint", "fingerprint"], "reference run"].tolist() == ["some-bert", "0123456789ab"]
        assert table.loc["fingerprint", "this run"] == checkpoint.fingerprint[:12]
        partly = {name: value for name, value in RECORD.items() if not name.startswith("n_")}
        known = methodology.models(checkpoint, partly).set_index("")["reference run"].dropna()
        assert known.to_dict() == {"checkpoint": "some-bert", "fingerprint": "0123456789ab"}
        assert methodology.models(checkpoint)["reference run"].isna().all()

    def test_recipes_are_those_of_the_run_and_of_the_record(self, tiny_bert):
        checkpoint = checkpoints.load(tiny_bert)
        recipe = Recipe(3e-4, epochs=5, batch_size=16, weight_decay=0.02, warmup=0.2, max_length=64)
        table = methodology.recipes(checkpoint, recipe, RECORD).set_index("")
        rows = ["batch size", "epochs", "learning rate", "weight decay", "warm-up", "longest input"]
        warmup = "{} of the steps, then linear decay"
        mine = ["16", "5", "0.0003", "0.02", warmup.format("20%"), "64 tokens"]
        theirs = ["24", "4", "7e-05", "0.03", warmup.format("30%"), "96 tokens"]
        assert table.loc[rows, "this run"].tolist() == mine
        assert table.loc[rows, "reference run"].tolist() == theirs
        assert table.loc[["model", "scored on"], "reference run"].tolist() == ["some-bert", "validation sets"]
        default = methodology.recipes(checkpoint, Recipe(5e-5)).set_index("")
        same = ["batch size", "epochs", "weight decay", "scored on"]
        assert default.loc[same, "paper"].tolist() == default.loc[same, "this run"].tolist()
        assert default["reference run"].isna().all()

    def test_a_setups_own_record_fills_every_row(self, tiny_bert, corpus, tmp_path):
        setup = Setup(checkpoint=tiny_bert, corpus=corpus, tasks=["RTE"], learning_rate=1e-3, store=tmp_path / "store")
        record, checkpoint = setup.described(), setup.load()
        for table in (methodology.models(checkpoint, record), methodology.recipes(checkpoint, setup.recipe, record)):
            assert table["reference run"].notna().all()
            assert table["reference run"].tolist()[1:] == table["this run"].tolist()[1:]

    def test_the_record_is_that_of_fine_tunings(self, tmp_path):
        run, table = Run(tmp_path / "run"), pd.DataFrame({"a": [1]})
        run.save("frame_heads", table, frames="some")
        assert methodology.recorded(run) == {}
        run.save("disabling_heads", table, **RECORD)
        assert methodology.recorded(run) == RECORD
        run.save("tuning_scores", table, **RECORD, n_random=1)
        assert methodology.recorded(run) == RECORD | {"n_random": 1}
