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
    def test_models_describe_the_checkpoint(self, tiny_bert):
        checkpoint = checkpoints.load(tiny_bert)
        table = methodology.models(checkpoint).set_index("")
        assert table.columns.tolist() == ["paper", "reference run", "this run"]
        assert all(value is None for value in table["reference run"])
        assert table.loc[["layers", "heads per layer", "heads in all"], "paper"].tolist() == ["12", "12", "144"]
        assert table.loc[["layers", "heads per layer", "heads in all"], "this run"].tolist() == ["3", "4", "12"]
        n_parameters = sum(weights.numel() for weights in checkpoint.encoder().parameters())
        assert table.loc["parameters", "this run"] == f"{n_parameters / 1e6:.1f} million"
        assert checkpoint.fingerprint.startswith(table.loc["fingerprint", "this run"])
        assert len(table.loc["fingerprint", "this run"]) == 12

    def test_the_model_of_the_reference_run_is_what_it_recorded(self, tiny_bert):
        table = methodology.models(checkpoints.load(tiny_bert), RECORD).set_index("")
        assert table["reference run"].to_dict() == {
            "checkpoint": "some-bert",
            "layers": "5",
            "heads per layer": "7",
            "heads in all": "35",
            "parameters": "12.3 million",
            "fingerprint": "0123456789ab",
        }
        assert table.loc["layers", "this run"] == "3"

    def test_what_a_run_did_not_record_stays_empty(self, tiny_bert):
        record = {name: value for name, value in RECORD.items() if not name.startswith("n_")}
        table = methodology.models(checkpoints.load(tiny_bert), record).set_index("")["reference run"]
        assert table.dropna().to_dict() == {"checkpoint": "some-bert", "fingerprint": "0123456789ab"}

    def test_a_setups_own_record_fills_every_row(self, tiny_bert, corpus, tmp_path):
        setup = Setup(checkpoint=tiny_bert, corpus=corpus, tasks=["RTE"], learning_rate=1e-3, store=tmp_path / "store")
        record, checkpoint = setup.described(), setup.load()
        for table in (methodology.models(checkpoint, record), methodology.recipes(checkpoint, setup.recipe, record)):
            same = table.iloc[1:]
            assert same["reference run"].tolist() == same["this run"].tolist()
            assert table["reference run"].notna().all()

    def test_the_record_is_that_of_fine_tunings(self, tmp_path):
        run, table = Run(tmp_path / "run"), pd.DataFrame({"a": [1]})
        assert methodology.recorded(run) == {}
        run.save("frame_heads", table, frames="some")
        assert methodology.recorded(run) == {}
        run.save("disabling_heads", table, **RECORD)
        assert methodology.recorded(run) == RECORD
        run.save("tuning_scores", table, **RECORD, n_random=1)
        assert methodology.recorded(run) == RECORD | {"n_random": 1}

    def test_recipes_follow_the_recipe(self, tiny_bert):
        recipe = Recipe(3e-4, epochs=5, batch_size=16, weight_decay=0.02, warmup=0.2, max_length=64)
        table = methodology.recipes(checkpoints.load(tiny_bert), recipe).set_index("")
        expected = {
            "batch size": "16",
            "epochs": "5",
            "learning rate": "0.0003",
            "weight decay": "0.02",
            "warm-up": "20% of the steps, then linear decay",
            "longest input": "64 tokens",
        }
        assert table.loc[list(expected), "this run"].to_dict() == expected
        assert all(value is None for value in table["reference run"])

    def test_the_recipe_of_the_reference_run_is_what_it_recorded(self, tiny_bert):
        table = methodology.recipes(checkpoints.load(tiny_bert), Recipe(5e-5), RECORD).set_index("")
        assert table["reference run"].to_dict() == {
            "model": "some-bert",
            "batch size": "24",
            "epochs": "4",
            "learning rate": "7e-05",
            "weight decay": "0.03",
            "warm-up": "30% of the steps, then linear decay",
            "longest input": "96 tokens",
            "scored on": "validation sets",
        }
        assert table.loc["epochs", "this run"] == "3"

    def test_the_default_recipe_is_the_papers(self, tiny_bert):
        table = methodology.recipes(checkpoints.load(tiny_bert), Recipe(5e-5)).set_index("")
        for row in ("batch size", "epochs", "weight decay", "scored on"):
            assert table.loc[row, "paper"] == table.loc[row, "this run"]
