"""How a model is fine-tuned: the numbers of one training, checked once."""

import math
from dataclasses import dataclass

from darksecrets.errors import InputError
from darksecrets.models import attention, precisions


@dataclass(frozen=True)
class Recipe:
    """How a model is fine-tuned. With the `precision` bfloat16, weights stay float32."""

    learning_rate: float
    epochs: int = 3
    batch_size: int = 32
    weight_decay: float = 0.01
    warmup: float = 0.1  # share of the steps
    max_length: int = attention.MAX_LENGTH
    precision: str = precisions.FLOAT32

    def __post_init__(self) -> None:
        precisions.check(self.precision)
        if not 0 < self.learning_rate < math.inf or self.epochs < 1 or self.batch_size < 1:
            numbers = f"learning rate {self.learning_rate}, epochs {self.epochs} and batch size {self.batch_size}"
            raise InputError(f"{numbers} must all be positive numbers")
