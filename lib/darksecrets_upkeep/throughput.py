"""How many tokens a machine trains on and reads in a second, measured on a few steps."""

import time
from collections.abc import Callable

import torch

from darksecrets.models.checkpoints import Checkpoint
from darksecrets.models.edited_attention import use_attention

BATCH, LENGTH = 32, 64  # examples of a step, and tokens of each: GLUE's pairs are about as long
N_STEPS = 3


def measure(checkpoint: Checkpoint, precision: str = "float32") -> dict[str, float]:
    """Return the seconds that a token takes: "training" (a step of AdamW) in `precision`, and "reading" (a pass).

    The median of a few steps, after one that warms up.
    """
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1000, len(checkpoint.tokenizer), (BATCH, LENGTH), generator=generator)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    model = checkpoint.classifier(2)
    use_attention(model, "sdpa" if model._supports_sdpa else "eager")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    labels = ids[:, 0] % 2

    def train() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = model(**inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def read() -> None:
        with torch.inference_mode():
            model(**inputs)

    return {"training": _seconds(train), "reading": _seconds(read)}


def _seconds(step: Callable[[], None]) -> float:
    step()
    spent = []
    for _ in range(N_STEPS):
        started = time.perf_counter()
        step()
        spent.append(time.perf_counter() - started)
    return sorted(spent)[N_STEPS // 2] / (BATCH * LENGTH)
