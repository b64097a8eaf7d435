"""Training recipes by name, each with the paper and section it follows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import Suppress, arg

from kerasnets.errors import UserError, unknown


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained."""

    name: Annotated[str, arg(name="recipe")]
    """Recipe that the values come from that are not given, see `kerasnets recipes`."""
    source: Annotated[str, Suppress] = ""
    """Paper and section that it follows."""
    epochs: int = 20
    """Passes over the training images."""
    batch_size: int = 128
    """Images in a step."""
    optimizer: Literal["sgd", "nesterov", "adam"] = "sgd"
    """Rule of the update; sgd and nesterov have momentum."""
    learning_rate: float = 0.1
    """At its highest, for this batch size."""
    momentum: float = 0.9
    """Of sgd and nesterov."""
    weight_decay: float = 0.0
    """L2 penalty in the gradient, as the papers have it, on kernels alone."""
    schedule: Literal["constant", "step", "cosine"] = "cosine"
    """Course of the learning rate after the warm-up."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Where the step schedule divides by ten, as shares of the steps."""
    warmup_epochs: float = 0.0
    """Epochs in which the learning rate climbs from zero."""
    loss: Literal["cross_entropy", "map"] = "cross_entropy"
    """map is LeNet-5's, cross-entropy with one more class of constant penalty."""
    label_smoothing: float = 0.0
    """Share of the target that goes to all classes alike."""
    augment: Literal["none", "affine", "pad_crop_flip"] = "none"
    """Training transform."""
    validation_fraction: float = 0.1
    """Share of the training images held out where the data set has no validation split."""

    def __post_init__(self) -> None:
        limits = {
            "epochs": (1, None),
            "batch_size": (1, None),
            "learning_rate": (0, None),
            "momentum": (0, 1),
            "weight_decay": (0, None),
            "warmup_epochs": (0, None),
            "label_smoothing": (0, 1),
            "validation_fraction": (0, 1),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value < low or (high is not None and value >= high):
                bound = f"at least {low}" if high is None else f"in [{low}, {high})"
                raise UserError(f"{name} must be {bound}. Received: {value}.")
        if self.loss == "map" and self.label_smoothing:
            raise UserError("label_smoothing goes with the loss cross_entropy. Received: loss=map.")


_RECIPES = (
    Recipe(
        name="lenet1998",
        source=(
            "LeCun et al. 1998, sections II.C and III.A: MAP criterion (equation 9), 20 passes, "
            "affine distortions; Adam stands for their second-order method"
        ),
        epochs=20,
        batch_size=64,
        optimizer="adam",
        learning_rate=3e-3,
        loss="map",
        augment="affine",
    ),
    Recipe(
        name="lenet1998_digits",
        source="As lenet1998, longer, for the 1,212 training digits of scikit-learn",
        epochs=60,
        batch_size=32,
        optimizer="adam",
        learning_rate=3e-3,
        warmup_epochs=1,
        loss="map",
        augment="affine",
    ),
    Recipe(
        name="lenet_modern",
        source="No paper: Adam, cosine decay and small affine distortions",
        epochs=20,
        batch_size=128,
        optimizer="adam",
        learning_rate=3e-3,
        warmup_epochs=0.5,
        augment="affine",
    ),
    Recipe(
        name="digits",
        source="No paper: for small sets of small images, such as scikit-learn's digits",
        epochs=60,
        batch_size=32,
        optimizer="adam",
        learning_rate=3e-3,
        warmup_epochs=1,
        augment="affine",
    ),
    Recipe(
        name="resnet_cifar",
        source=(
            "He et al. 2015, arXiv 1512.03385, section 4.2: 64,000 steps of 128, divided by ten "
            "at 32,000 and 48,000, 5,000 images held out, pad 4, crop, flip"
        ),
        epochs=182,
        batch_size=128,
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="step",
        milestones=(0.5, 0.75),
        augment="pad_crop_flip",
    ),
)
RECIPES = {recipe.name: recipe for recipe in _RECIPES}


def recipe(name: str, **changes) -> Recipe:
    """The recipe called `name`, with some of its values changed.

    Raises:
        UserError: When there is no such recipe or value, or a value is out of range.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    fields = {field.name for field in dataclasses.fields(Recipe)}
    for key in changes:
        if key not in fields:
            raise unknown("value of a recipe", key, fields)
    return dataclasses.replace(RECIPES[name], **changes)
