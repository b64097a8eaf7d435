"""The fields of a recipe: every choice of how a network is trained, with its type and range."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from kerasnets.errors import UserError
from kerasnets.values import Range, check_fields

if TYPE_CHECKING:
    from kerasnets.data.augment import Augment

Count = Annotated[int, Range(0)]
Positive = Annotated[int, Range(1)]
NonNegative = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained."""

    name: str
    """Name of the recipe, as `kerasnets recipes` lists it."""
    source: str = ""
    """Paper and section that the recipe follows, and where it differs from them."""
    reported: str = ""
    """Results that the paper reports with these values."""

    epochs: Positive = 20
    """Number of passes over the training images."""
    batch_size: Positive = 128
    """Number of images in a step, over all devices."""
    base_batch_size: Annotated[int | None, Range(1)] = None
    """Batch size that learning_rate is meant for; it is scaled in proportion for other sizes."""
    accumulate: Positive = 1
    """Number of parts of a batch whose gradients are added up before an update, to save memory."""
    optimizer: Literal["sgd", "nesterov", "rmsprop", "adam", "adamw"] = "sgd"
    """Optimizer that updates the weights."""
    learning_rate: NonNegative = 0.1
    """Highest learning rate, for a batch of base_batch_size images."""
    momentum: Fraction = 0.9
    """Momentum of sgd, nesterov and rmsprop."""
    rho: Fraction = 0.9
    """Decay of the moving average of squared gradients in rmsprop."""
    epsilon: NonNegative = 1e-7
    """Epsilon of rmsprop (added under the square root), adam and adamw (added to the root)."""
    weight_decay: NonNegative = 0.0
    """Weight decay: an L2 penalty in the gradient, as in the papers; decoupled for adamw."""
    decay_on: Literal["kernels", "all", "not_depthwise"] = "kernels"
    """Weights that decay: kernels; all, with biases and batch norms; or no depthwise kernels."""
    clip_norm: Annotated[float | None, Range(0, ends="()")] = None
    """Global norm that gradients are clipped to; no clipping if not given."""

    schedule: Literal[
        "constant", "step", "plateau", "exponential", "polynomial", "cosine", "one_cycle"
    ] = "cosine"
    """Schedule of the learning rate."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Points at which the step schedule multiplies by decay_rate, as fractions of all steps."""
    decay_rate: NonNegative = 0.1
    """Factor of the step, plateau and exponential schedules."""
    decay_epochs: Annotated[float, Range(0, ends="()")] = 2.0
    """Number of epochs after which the exponential schedule multiplies by decay_rate."""
    decay_power: NonNegative = 1.0
    """Power of the polynomial schedule; 1 is a line to zero."""
    patience: Positive = 5
    """Number of epochs without a better validation accuracy that count as a plateau."""
    plateaus: Count = 3
    """Maximum number of times that the plateau schedule multiplies by decay_rate."""
    warmup_epochs: NonNegative = 0.0
    """Number of epochs before the learning rate is at its highest."""
    warmup: Literal["linear", "constant"] = "linear"
    """Whether the learning rate rises during the warm-up (linear) or stays at warmup_from."""
    warmup_from: Fraction = 0.0
    """Learning rate at the start of the warm-up, as a fraction of the highest."""

    loss: Literal["cross_entropy", "map", "binary_cross_entropy", "squared_error", "huber"] = (
        "cross_entropy"
    )
    """Loss: cross_entropy, or LeNet-5's map, which has one more class of constant penalty;
    binary_cross_entropy for several labels; squared_error or huber for numbers."""
    label_smoothing: Fraction = 0.0
    """Fraction of the target that is spread over all classes."""
    auxiliary_loss: NonNegative = 0.0
    """Weight of the loss of each auxiliary classifier, where the network has any."""
    dropout: Annotated[float | None, Range(0, 1)] = None
    """Dropout rate of the network; its paper's if not given."""
    ema: Fraction = 0.0
    """Decay of the moving average of the weights, which is evaluated and exported; 0 for none."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Precision that the layers compute in; mixed_float16 scales the loss."""

    oversample: Annotated[float, Range(0, 1, "[]")] = 0.0
    """How far rare classes are repeated in an epoch: 0 not at all, 1 as often as the largest."""
    augment: str = "none"
    """Augmentation of the training images: names or layers, see docs/data.md."""
    randaugment: Count = 0
    """Number of RandAugment operations on each image, after those of augment."""
    randaugment_magnitude: Annotated[float, Range(0, 10, "[]")] = 9.0
    """Strength of the RandAugment operations."""
    random_erasing: Annotated[float, Range(0, 1, "[]")] = 0.0
    """Fraction of the images in which a rectangle is erased."""
    mixup: NonNegative = 0.0
    """Alpha of the Beta distribution of mixup, which blends images; 0 for none."""
    cutmix: NonNegative = 0.0
    """Alpha of the Beta distribution of CutMix, which pastes rectangles; 0 for none."""

    early_stopping: Count = 0
    """Number of epochs without a better validation accuracy that end the training; 0 for never."""
    freeze_until: str | None = None
    """Last stage or layer that is not trained; all are trained if not given."""
    stage_decay: Annotated[float, Range(0, 1, "(]")] = 1.0
    """Factor of the learning rate from each stage to the one before it; 1 trains all alike."""
    validation_fraction: Fraction = 0.1
    """Fraction of the training images held out where the data set has no validation split."""

    def __post_init__(self) -> None:
        check_fields(self)
        self._check_together()

    def _check_together(self) -> None:
        """Raises a `UserError` for values that do not go together."""
        if self.augment != "none":
            _ = self.augmentation  # refuses an unknown name
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
        fractions = (0, *self.milestones, 1)
        # NaN compares as false, so it is refused too.
        if not all(one <= other for one, other in itertools.pairwise(fractions)):
            raise UserError(
                f"milestones must be fractions in [0, 1], rising. Received: {self.milestones}."
            )

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of this batch size: in proportion to the batch.

        Source: Goyal et al. 2017, arXiv 1706.02677, section 2.1.
        """
        return self.learning_rate * self.batch_size / (self.base_batch_size or self.batch_size)

    @property
    def augmentation(self) -> Augment:
        """The augmentation of the training images, with all its parts."""
        from kerasnets.data.augment import augmentation
        from kerasnets.data.transforms import CutMix, Mixup, RandAugment, RandomErasing

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
        """Whether the validation accuracy decides how the training goes on."""
        return self.schedule == "plateau" or self.early_stopping > 0


def fields() -> tuple[str, ...]:
    """The names of a recipe's fields."""
    return tuple(field.name for field in dataclasses.fields(Recipe))
