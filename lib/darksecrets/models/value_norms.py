"""How much a head could add to its output for a unit of attention: the norms of transformed value vectors.

A head's output for a query is the sum over keys of weight times f(x), where f(x) is the key's value vector after the
head's slice of the output projection. A large weight on a key whose f(x) is short moves nothing (Kobayashi et al.,
2020). Explained in the chapter *What heads attend to: linguistic features*.
"""

from types import TracebackType
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

# Families of encoders by the names that end those of the value and the output projection in a layer.
PROJECTIONS = (
    ("attention.self.value", "attention.output.dense"),  # BERT, RoBERTa, ELECTRA
    ("attention.v_lin", "attention.out_lin"),  # DistilBERT
    ("attention.attn.v", "attention.attn.o"),  # MPNet
    ("attention.value", "attention.dense"),  # ALBERT, whose layers are one module that runs several times
)


class ValueNorms:
    """While open (`with`), keeps the norms that belong to the maps of the model's latest run.

    An encoder whose value and output projections are not known by name (`PROJECTIONS`) has none: `are_known` is False.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.n_heads = model.config.num_attention_heads
        self.n_layers = model.config.num_hidden_layers
        self._projections = _projections(model)
        self._handles: list[Any] = []
        self._norms: list[torch.Tensor] = []

    @property
    def are_known(self) -> bool:
        """Whether this encoder's value vectors can be read."""
        return bool(self._projections)

    def __enter__(self) -> "ValueNorms":
        for value, output in self._projections:
            # Of head h: columns h*d to (h+1)*d of the output matrix. |Wv|^2 = v' (W'W) v needs W only once.
            slices = output.weight.detach().unflatten(1, (self.n_heads, -1))  # (hidden, head, d)
            gram = torch.einsum("ohd,ohe->hde", slices, slices)
            self._handles.append(value.register_forward_hook(self._hook(gram)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def take(self) -> torch.Tensor:
        """Return the norms of the run just made, and forget them: (batch, layer, head, key)."""
        norms, self._norms = self._norms[-self.n_layers :], []
        return torch.stack(norms, dim=1)

    def _hook(self, gram: torch.Tensor) -> Any:
        def keep(module: nn.Module, inputs: Any, values: torch.Tensor) -> None:
            of_heads = values.detach().unflatten(-1, (self.n_heads, -1))  # (batch, key, head, d)
            squares = torch.einsum("bkhd,hde,bkhe->bhk", of_heads, gram, of_heads)
            self._norms.append(squares.clamp(min=0).sqrt())

        return keep


def _projections(model: PreTrainedModel) -> list[tuple[nn.Module, nn.Module]]:
    modules = dict(model.base_model.named_modules())
    for value_name, output_name in PROJECTIONS:
        found = [
            (module, modules[name.removesuffix(value_name) + output_name])
            for name, module in modules.items()
            if name.endswith(f".{value_name}") and name.removesuffix(value_name) + output_name in modules
        ]
        if found:
            return found
    return []
