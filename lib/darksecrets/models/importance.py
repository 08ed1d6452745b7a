"""How important heads are by gradients alone (Michel et al., 2019): one pass forward and back, no head disabled.

Each head's output is multiplied by a gate that is 1. If a loss has a large gradient at a head's gate, closing the gate
a little would change the loss much. Explained in the chapter *Disabling heads and layers*.
"""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from darksecrets.models import attention
from darksecrets.models.attention import Encoded
from darksecrets.models.edited_attention import Attended, edited


def gradient_importance(
    model: PreTrainedModel, tokenizer: Tokenizer, encoded: Sequence[Encoded], labels: Sequence[float]
) -> np.ndarray:
    """Return each example's gradient at each head's gate, without its sign: (example, layer, head).

    `labels` belong to `encoded`: a class each, or a score where the model has one output. A head's importance is the
    mean over examples; comparing heads of different layers, Michel et al. divide by the norm over a layer's heads
    (`normalized`). Raises `InputError` for encoders that cannot be edited.
    """
    n_heads, n_layers = model.config.num_attention_heads, model.config.num_hidden_layers
    label_of = {example.row: label for example, label in zip(encoded, labels, strict=True)}
    place_of = {example.row: place for place, example in enumerate(encoded)}
    importance = np.empty((len(encoded), n_layers, n_heads))
    gates = torch.empty(0)

    def gate(found: Attended) -> None:
        found.context = found.context * gates[:, found.layer, None, :, None]

    with edited(model, gate):
        for batch in attention.batches(encoded, tokenizer):
            gates = torch.ones(len(batch.examples), n_layers, n_heads, device=model.device, requires_grad=True)
            loss = _loss(model(**batch.on(model)).logits, [label_of[row] for row in batch.rows])
            # Summed over a batch: the gradient at an example's gates is that of its own loss.
            (gradient,) = torch.autograd.grad(loss, gates)
            importance[[place_of[row] for row in batch.rows]] = gradient.abs().cpu().numpy()
    return importance


def normalized(importance: np.ndarray) -> np.ndarray:
    """Average `gradient_importance` over examples and divide by each layer's norm: (layer, head)."""
    mean = importance.mean(0)
    norm = np.linalg.norm(mean, axis=-1, keepdims=True)
    return np.divide(mean, norm, out=np.zeros_like(mean), where=norm > 0)


def _loss(logits: torch.Tensor, labels: Sequence[float]) -> torch.Tensor:
    if logits.shape[-1] == 1:
        return torch.nn.functional.mse_loss(logits[:, 0], torch.tensor(labels).to(logits), reduction="sum")
    return torch.nn.functional.cross_entropy(logits, torch.tensor(labels, device=logits.device).long(), reduction="sum")
