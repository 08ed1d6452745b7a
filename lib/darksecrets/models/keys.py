"""What results about models are made from: their keys in the run store, written and read in one place.

Three forms are in use. They say the same, and all stay: another form would be another key, and what was computed under
this one would be computed again.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """One model, and the validation examples that it was given: fingerprints, and None for what plays no part.

    Without `train` the model is as the checkpoint has it; `seed` then decides its random head, where it has one.
    """

    checkpoint: str | None
    initialization: str | None = None
    train: str | None = None
    recipe: Mapping[str, Any] | None = None
    seed: int | None = None
    dev: str | None = None


def trained(origin: Origin) -> dict[str, Any]:
    """Return the form of fine-tuned models, and of what is computed with one training: a name for each part."""
    return {name: value for name, value in origin._asdict().items() if value is not None}


def measured(origin: Origin) -> dict[str, Any]:
    """Return the form of what `per_model` measures, before and after fine-tuning alike."""
    training = [origin.train, origin.recipe, origin.seed] if origin.train else None
    return {"checkpoint": origin.checkpoint, "training": training, "dev": origin.dev}


def predicted(origin: Origin) -> dict[str, Any]:
    """Return the form of predictions, for which an untrained head needs a seed as well."""
    training = [origin.train, origin.recipe] if origin.train else None
    kept = {name: getattr(origin, name) for name in ("checkpoint", "initialization", "seed", "dev")}
    return {**kept, "training": training}


def read(made_from: Mapping[str, Any]) -> Origin:
    """Return what a result was made from, whatever form its record has it in."""
    parts = {name: made_from.get(name) for name in Origin._fields}
    return Origin(**parts | dict(zip(("train", "recipe", "seed"), made_from.get("training") or (), strict=False)))
