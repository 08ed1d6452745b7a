"""What the paper's own setting would take: the arithmetic, and that a token's time is measured."""

import pandas as pd
import pytest

from darksecrets.corpora.tasks import TASKS
from darksecrets.overview import paper_costs


def test_costs_are_tokens_times_what_a_token_takes():
    lengths = pd.DataFrame(
        [(task, split, 10.0) for task in TASKS for split in ("train", "dev")], columns=["task", "split", "mean_tokens"]
    )
    table = paper_costs.costs(lengths, {"training": 2.0, "reading": 0.5}).set_index("what")
    n_train = sum(task.train_rows for task in TASKS.values())
    row = table.loc["fine-tuning, pre-trained weights"]
    assert row["tokens"] == 10 * n_train * 9
    assert row["hours_processor"] == pytest.approx(row["tokens"] * 2 / 3600)
    assert row["hours_gpu"] == pytest.approx(row["tokens"] * 6 * paper_costs.PARAMETERS / (312e12 * 0.3) / 3600)
    maps = table.loc["maps of all models, and heads disabled"]
    assert maps["tokens"] == 10 * (408 + 1000 + 872 + 1000 + 277 + 1000 + 1000) * 3 * paper_costs.PASSES
    shown = paper_costs.costs_table(table.reset_index())
    assert shown["what"].iloc[-1] == "together"
    assert float(shown["days on this processor"].iloc[-1]) == pytest.approx(
        table["hours_processor"].sum() / 24, abs=0.05
    )


def test_what_a_dry_run_left_is_read_and_its_absence_said(tmp_path):
    for read in (paper_costs.rates, paper_costs.whole):
        assert read(tmp_path) == paper_costs.NOT_RECORDED
    assert paper_costs.find(tmp_path).iloc[0, 0] == paper_costs.dry_run(tmp_path).iloc[0, 0] == paper_costs.NOT_RECORDED
    pd.DataFrame({"page": ["notebooks/01", "notebooks/02"], "seconds": [12.4, 8.1]}).to_csv(
        tmp_path / paper_costs.CHAPTERS, index=False
    )
    assert paper_costs.dry_run(tmp_path).to_numpy().tolist() == [
        ["notebooks/01", "12"],
        ["notebooks/02", "8"],
        ["together", "20"],
    ]
    table = pd.DataFrame(
        {"what": ["a", "b"], "tokens": 1e6, "hours_processor": 36.0, "hours_gpu": 1.5}
        | {"seconds_training": 0.01, "seconds_reading": 0.001}
    )
    table.to_csv(tmp_path / paper_costs.COSTS, index=False)
    assert paper_costs.rates(tmp_path) == "100 tokens a second in training and 1,000 in reading"
    assert paper_costs.whole(tmp_path) == "3 days on this processor, 3 hours on a card"
    assert paper_costs.find(tmp_path)["hours on one graphics card"].tolist() == ["1.5", "1.5", "3.0"]
