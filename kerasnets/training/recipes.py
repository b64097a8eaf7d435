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
    optimizer: Literal["sgd", "nesterov", "rmsprop", "adam"] = "sgd"
    """Rule of the update; all but adam have momentum."""
    learning_rate: float = 0.1
    """At its highest, for this batch size."""
    momentum: float = 0.9
    """Share of the last update that the next one keeps."""
    weight_decay: float = 0.0
    """L2 penalty in the gradient, as the papers have it, on kernels alone."""
    schedule: Literal["constant", "step", "exponential", "cosine"] = "cosine"
    """Course of the learning rate after the warm-up."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Where the step schedule divides by ten, as shares of the steps."""
    decay_rate: float = 0.94
    """What the exponential schedule multiplies by."""
    decay_epochs: float = 2.0
    """How often the exponential schedule does."""
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
            "decay_rate": (0, None),
            "decay_epochs": (0.001, None),
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
    Recipe(
        name="densenet_cifar",
        source=(
            "Huang et al. 2016, arXiv 1608.06993, section 4.2: 300 epochs of 64, Nesterov, divided "
            "by ten at 50 % and 75 %"
        ),
        epochs=300,
        batch_size=64,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="step",
        augment="pad_crop_flip",
    ),
    Recipe(
        name="stochastic_depth",
        source=(
            "Huang et al. 2016, arXiv 1603.09382, section 4: 500 epochs of 128, Nesterov, divided "
            "by ten at 50 % and 75 %"
        ),
        epochs=500,
        batch_size=128,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="step",
        augment="pad_crop_flip",
    ),
    Recipe(
        name="nin2013",
        source=(
            "Lin, Chen, Yan 2013, arXiv 1312.4400, section 4.1, with the numbers of the Caffe "
            "zoo's CIFAR-10 solver: divided by ten at 100,000 of 120,000 steps"
        ),
        epochs=307,
        batch_size=128,
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="step",
        milestones=(0.833, 0.95),
    ),
    Recipe(
        name="alexnet2012",
        source=(
            "Krizhevsky et al. 2012, section 5: 90 epochs of 128, divided by ten three times; "
            "without the random crops and colour noise of section 4.1"
        ),
        epochs=90,
        batch_size=128,
        learning_rate=0.01,
        weight_decay=5e-4,
        schedule="step",
        milestones=(0.3, 0.6, 0.9),
    ),
    Recipe(
        name="vgg2014",
        source=(
            "Simonyan, Zisserman 2014, arXiv 1409.1556, section 3.1: 74 epochs of 256, divided by "
            "ten three times; without its scale jitter and colour shift"
        ),
        epochs=74,
        batch_size=256,
        learning_rate=0.01,
        weight_decay=5e-4,
        schedule="step",
        milestones=(0.3, 0.6, 0.9),
    ),
    Recipe(
        name="googlenet2014",
        source=(
            "Szegedy et al. 2014, arXiv 1409.4842, section 6: 4 % less every 8 epochs; batch and "
            "first rate from the Caffe zoo; without side classifiers and random crops"
        ),
        epochs=60,
        batch_size=32,
        learning_rate=0.01,
        weight_decay=2e-4,
        schedule="exponential",
        decay_rate=0.96,
        decay_epochs=8,
    ),
    Recipe(
        name="inception_v3_2015",
        source=(
            "Szegedy et al. 2015, arXiv 1512.00567, sections 7 and 8: RMSProp with epsilon 1.0, "
            "label smoothing 0.1; without side classifier, clipping and random crops"
        ),
        epochs=100,
        batch_size=32,
        optimizer="rmsprop",
        learning_rate=0.045,
        weight_decay=4e-5,
        schedule="exponential",
        label_smoothing=0.1,
    ),
    Recipe(
        name="resnet2015",
        source=(
            "He et al. 2015, arXiv 1512.03385, section 3.4: 120 epochs of 256, divided by ten; "
            "without its scale and colour augmentation"
        ),
        epochs=120,
        batch_size=256,
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="step",
        milestones=(0.3, 0.6, 0.9),
    ),
    Recipe(
        name="densenet2016",
        source=(
            "Huang et al. 2016, arXiv 1608.06993, section 4.2: 90 epochs of 256, Nesterov, divided "
            "by ten at 30 and 60; without random crops"
        ),
        epochs=90,
        batch_size=256,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="step",
        milestones=(1 / 3, 2 / 3),
    ),
    Recipe(
        name="cosine",
        source="No paper: a start for any network and data set",
        epochs=100,
        batch_size=128,
        optimizer="nesterov",
        learning_rate=0.1,
        weight_decay=5e-5,
        warmup_epochs=5,
        label_smoothing=0.1,
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
