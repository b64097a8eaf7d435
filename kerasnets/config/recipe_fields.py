"""What a recipe says: every choice of a training, typed, with its range."""

from __future__ import annotations

import dataclasses
import itertools
import math
import typing
from dataclasses import dataclass
from typing import Annotated, Literal

import typeguard
from typeguard import CollectionCheckStrategy
from tyro.conf import Suppress, arg

from kerasnets.data.augment import Augment, augmentation
from kerasnets.data.transforms import CutMix, Mixup, RandAugment, RandomErasing
from kerasnets.errors import UserError


@dataclass(frozen=True)
class Range:
    """The finite values that a field may have; `ends` says which ends are among them."""

    low: float
    high: float = math.inf
    ends: Literal["[)", "[]", "(]", "()"] = "[)"

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.ends[0] == "[" else value > self.low
        below = value <= self.high if self.ends[1] == "]" else value < self.high
        return above and below

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{'at least' if self.ends[0] == '[' else 'more than'} {self.low}"
        return f"in {self.ends[0]}{self.low}, {self.high}{self.ends[1]}"


Count = Annotated[int, Range(0)]
Positive = Annotated[int, Range(1)]
NonNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
# The names of `kerasnets.data.augment.AUGMENTS`.
Augmentation = Literal[
    "none",
    "affine",
    "pad_crop_flip",
    "cutout",
    "alexnet",
    "vgg",
    "inception",
    "inception_colour",
    "resnet",
    "randaugment",
    "random_erasing",
]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained."""

    name: Annotated[str, arg(name="recipe")]
    """Recipe that the values come from that are not given, see `kerasnets recipes`."""
    source: Annotated[str, Suppress] = ""
    """Paper and section that it follows, and where it does not."""
    reported: Annotated[str, Suppress] = ""
    """What its paper reports to have reached with it."""

    epochs: Positive = 20
    """Passes over the training images."""
    batch_size: Positive = 128
    """Images in a step, on all devices together."""
    base_batch_size: Annotated[int | None, Range(1)] = None
    """Batch that learning_rate holds for; others get it in proportion (no scaling if not given)."""
    accumulate: Positive = 1
    """Parts that a batch is computed in, one after the other, to save memory."""
    optimizer: Literal["sgd", "nesterov", "rmsprop", "adam", "adamw"] = "sgd"
    """Rule of the update."""
    learning_rate: NonNegative = 0.1
    """At its highest, for a batch of base_batch_size."""
    momentum: Share = 0.9
    """Share of the last update that the next one keeps; not of adam and adamw."""
    rho: Share = 0.9
    """Share that rmsprop keeps of its mean squared gradient."""
    epsilon: NonNegative = 1e-7
    """Of rmsprop, adam and adamw: added to the divisor; under its root for rmsprop."""
    weight_decay: NonNegative = 0.0
    """L2 penalty, in the gradient as the papers have it; decoupled for adamw."""
    decay_on: Literal["kernels", "all", "not_depthwise"] = "kernels"
    """What decays: kernels; biases and batch norms too; or kernels but the depthwise ones."""
    clip_norm: Annotated[float | None, Range(0, ends="()")] = None
    """Norm that the gradient of all weights together is cut down to."""

    schedule: Literal[
        "constant", "step", "plateau", "exponential", "polynomial", "cosine", "one_cycle"
    ] = "cosine"
    """Learning rate by step."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Where the step schedule multiplies by decay_rate, as shares of the steps."""
    decay_rate: NonNegative = 0.1
    """What the step, plateau and exponential schedules multiply by."""
    decay_epochs: Annotated[float, Range(0, ends="()")] = 2.0
    """How often the exponential schedule does."""
    decay_power: NonNegative = 1.0
    """Of the polynomial schedule: 1 is a line to zero."""
    patience: Positive = 5
    """Epochs without a better validation accuracy that make a plateau."""
    plateaus: Count = 3
    """How often the plateau schedule multiplies at most."""
    warmup_epochs: NonNegative = 0.0
    """Epochs before the learning rate is at its highest."""
    warmup: Literal["linear", "constant"] = "linear"
    """Whether the rate climbs in them or stays at its start."""
    warmup_from: Share = 0.0
    """Where it starts, as a share of the highest."""

    loss: Literal["cross_entropy", "map"] = "cross_entropy"
    """map is LeNet-5's, cross-entropy with one more class of constant penalty."""
    label_smoothing: Share = 0.0
    """Share of the target that goes to all classes alike."""
    auxiliary_loss: NonNegative = 0.0
    """Weight of the loss of each side classifier, where the network has any."""
    dropout: Annotated[float | None, Range(0, 1)] = None
    """Share that the network's dropout drops; its paper's if not given."""
    ema: Share = 0.0
    """Momentum of the average of weights that is evaluated and exported; 0 for none."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """What the layers compute in; float16 with a loss scale."""

    augment: Augmentation = "none"
    """How training images are cropped and changed, see docs/data.md."""
    randaugment: Count = 0
    """Operations of RandAugment on each image, after augment's."""
    randaugment_magnitude: Annotated[float, Range(0, 10, "[]")] = 9.0
    """Their strength."""
    random_erasing: Annotated[float, Range(0, 1, "[]")] = 0.0
    """Share of the images in which a rectangle is painted over."""
    mixup: NonNegative = 0.0
    """Alpha of the Beta distribution by which images are blended; 0 for none."""
    cutmix: NonNegative = 0.0
    """Alpha of the one for rectangles pasted from other images; 0 for none."""

    early_stopping: Count = 0
    """Epochs without a better validation accuracy that end the training; 0 for never."""
    freeze_until: str | None = None
    """Last part of the network that is not trained: a stage or a layer."""
    stage_decay: Annotated[float, Range(0, 1, "(]")] = 1.0
    """What each stage's learning rate is multiplied by, going back from the classifier's."""
    validation_fraction: Share = 0.1
    """Share of the training images held out where the data set has no validation split."""

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(Recipe, include_extras=True).items():
            _check(name, getattr(self, name), hint)
        self._check_together()

    def _check_together(self) -> None:
        """Raises a `UserError` for values that do not go together."""
        if self.batch_size % self.accumulate:
            raise UserError(
                f"accumulate must divide batch_size. Received: batch_size={self.batch_size}, "
                f"accumulate={self.accumulate}."
            )
        if self.loss == "map" and (self.label_smoothing or self.mixup or self.cutmix):
            raise UserError(
                "label_smoothing, mixup and cutmix go with the loss cross_entropy. "
                "Received: loss=map."
            )
        if self.mixup and self.cutmix:
            raise UserError("A batch takes mixup or cutmix, not both.")
        if self.schedule in ("plateau", "one_cycle") and self.warmup_epochs:
            raise UserError(
                f"The schedule {self.schedule} has no warm-up. "
                f"Received: warmup_epochs={self.warmup_epochs}."
            )
        if not 0 <= self.warmup_epochs <= self.epochs:
            raise UserError(
                f"warmup_epochs must be at most epochs. Received: "
                f"warmup_epochs={self.warmup_epochs}, epochs={self.epochs}."
            )
        shares = (0, *self.milestones, 1)
        # Put so that what is no number is refused too.
        if not all(one <= other for one, other in itertools.pairwise(shares)):
            raise UserError(
                f"milestones must be shares in [0, 1], rising. Received: {self.milestones}."
            )

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of this batch size: in proportion to the batch.

        Source: Goyal et al. 2017, arXiv 1706.02677, section 2.1.
        """
        return self.learning_rate * self.batch_size / (self.base_batch_size or self.batch_size)

    @property
    def augmentation(self) -> Augment:
        """What is done to the training images, all its parts together."""
        own = augmentation(self.augment)
        more = []
        if self.randaugment:
            more.append(RandAugment(self.randaugment, self.randaugment_magnitude))
        if self.random_erasing:
            more.append(RandomErasing(probability=self.random_erasing))
        mix = Mixup(alpha=self.mixup) if self.mixup else None
        mix = CutMix(alpha=self.cutmix) if self.cutmix else mix
        return dataclasses.replace(own, transforms=(*own.transforms, *more), mix=mix)

    @property
    def watches_validation(self) -> bool:
        """Whether the course of the training depends on the validation accuracy."""
        return self.schedule == "plateau" or self.early_stopping > 0


def _check(name: str, value: object, hint: object) -> None:
    """Raises a `UserError` where a value is not of its field's type or out of its range."""
    plain, *rest = typing.get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    try:
        typeguard.check_type(
            value, plain, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS
        )
        matches = not isinstance(value, bool)
    except typeguard.TypeCheckError:
        matches = False
    if not matches:
        raise UserError(f"{name} must be {_words(plain)}. Received: {value!r}.")
    for limit in rest:
        if isinstance(limit, Range) and value is not None and value not in limit:
            raise UserError(f"{name} must be {limit}. Received: {value}.")


def _words(hint: object) -> str:
    """A type as a user reads it."""
    if typing.get_origin(hint) is Literal:
        *most, last = typing.get_args(hint)
        return f"{', '.join(most)} or {last}"
    return {int: "a whole number", float: "a number", str: "a word"}.get(
        hint, str(hint).replace("None", "nothing").replace(" | ", " or ")
    )


def fields() -> tuple[str, ...]:
    """The names of a recipe's fields."""
    return tuple(field.name for field in dataclasses.fields(Recipe))
