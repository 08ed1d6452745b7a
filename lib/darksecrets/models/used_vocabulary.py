"""Training the part of a vocabulary that the training examples use.

Half of MiniLM's weights embed 30,522 pieces of words, of which a small corpus uses a few hundred. The others get no
gradient, and yet an optimizer that sees them spends most of a small batch's time on reading and writing them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from transformers import PreTrainedModel


class UsedEmbedding(nn.Embedding):
    """The rows `used` of an embedding, which answers to the same ids as the whole."""

    def __init__(self, whole: nn.Embedding, used: torch.Tensor) -> None:
        places = torch.zeros(whole.num_embeddings, dtype=torch.long, device=used.device)
        places[used] = torch.arange(len(used), device=used.device)
        padding = None if whole.padding_idx is None else int(places[whole.padding_idx])
        rows = whole.weight.detach()[used]
        super().__init__(len(used), whole.embedding_dim, padding_idx=padding, _weight=rows)
        self.register_buffer("places", places, persistent=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed `ids`, each of which must be among those used."""
        return super().forward(self.places[ids])


@contextmanager
def only_used(model: PreTrainedModel, ids: Iterable[int]) -> Iterator[None]:
    """Let `model` hold the embeddings of `ids` alone while it is trained on them; all others are back at the end.

    The weights are those of a training with all embeddings, but for rounding: what an optimizer does to a row without
    gradient (weight decay) is the same share for every such row, and is read off one that is trained with the others.
    """
    whole = model.get_input_embeddings()
    weight = whole.weight.detach()
    unused = torch.ones(len(weight), dtype=torch.bool, device=weight.device)
    unused[[*set(ids), *([] if whole.padding_idx is None else [whole.padding_idx])]] = False
    if type(whole) is not nn.Embedding or not unused.any():
        yield
        return
    sample = (weight.norm(dim=1) * unused).argmax()  # the largest unused row, so that its share is well known
    used = torch.cat([(~unused).nonzero()[:, 0], sample[None]])
    part = UsedEmbedding(whole, used)
    model.set_input_embeddings(part)
    yield
    trained = part.weight.detach()
    weight[unused] *= trained[-1].norm() / weight[sample].norm()
    weight[used] = trained
    model.set_input_embeddings(whole)
