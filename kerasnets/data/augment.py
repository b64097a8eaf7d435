"""What is done to training images, by name. Loads no framework."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kerasnets.data.foreign import ForeignLayer, parts
from kerasnets.data.transforms import (
    Affine,
    ColourJitter,
    CutMix,
    Cutout,
    Flip,
    InceptionCrop,
    Mixup,
    PadCropFlip,
    PcaNoise,
    RandAugment,
    RandomErasing,
    ScaleJitterCrop,
)
from kerasnets.errors import UserError, unknown
from kerasnets.plugins import Registry

if TYPE_CHECKING:
    import tensorflow as tf


class _Random(Protocol):
    @property
    def num_random(self) -> int:
        """Random numbers that it takes for each image."""
        ...


class Transform(_Random, Protocol):
    """Changes training images; where its ``one_by_one`` is true, in batches of one image."""

    def __call__(self, images: tf.Tensor, random: tf.Tensor, /) -> tf.Tensor:
        """The changed images, of the same shape.

        Args:
            images: (N, H, W, C) uint8.
            random: (N, num_random) float32, uniform in [0, 1).
        """
        ...


class Crop(_Random, Protocol):
    """Chooses the windows of images that are decoded and resized."""

    def draws(self, random: tf.Tensor, /) -> tf.Tensor:
        """What of the windows does not depend on the images; shapes as for `Transform`."""
        ...

    def windows(self, sides: tf.Tensor, size: tuple[int, int], draws: tf.Tensor, /) -> tf.Tensor:
        """Top, left, height and width of each window, (N, 4) int32.

        Args:
            sides: (N, 2) int32, heights and widths of the images.
            size: Height and width that the network takes.
            draws: (N, num_random) float32, what `draws` gives of these images.
        """
        ...


class Mix(Protocol):
    """Blends the images of a batch and their labels."""

    def __call__(
        self, images: tf.Tensor, labels: tf.Tensor, key: tf.Tensor, /
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Mixed images and labels of the same shapes.

        Args:
            images: (N, H, W, C) uint8.
            labels: (N, classes) float32, one-hot or soft.
            key: (2,) int64 for the random numbers.
        """
        ...


@dataclass(frozen=True)
class Augment:
    """How training images are changed.

    Attributes:
        crop: The window that is decoded; ``None`` fits the whole image as in evaluation.
        transforms: Applied in this order to what the crop gives.
        mix: Blends images and labels of a batch; labels are then (N, classes) float32.
    """

    crop: Crop | None = None
    transforms: tuple[Transform, ...] = ()
    mix: Mix | None = None

    @property
    def num_random(self) -> int:
        """Random numbers that the crop and the transforms take for each image."""
        crop = self.crop.num_random if self.crop else 0
        return crop + sum(transform.num_random for transform in self.transforms)

    def check(self, shape: tuple[int, ...] | None = None) -> list[ForeignLayer]:
        """Makes the layers of Keras and keras-cv and, given the shape of an image, tries them.

        Returns:
            The layers whose random numbers do not depend on (seed, epoch, image) alone.

        Raises:
            UserError: When there is no such layer, or it does not take these arguments or images.
        """
        layers = (each for each in self.transforms if isinstance(each, ForeignLayer))
        return [layer for layer in layers if not layer.check(shape)]


_OURS = {
    "none": Augment(),
    # LeCun et al. 1998, section III.B.
    "affine": Augment(transforms=(Affine(),)),
    # He et al. 2015, section 4.2, for CIFAR.
    "pad_crop_flip": Augment(transforms=(PadCropFlip(),)),
    # DeVries, Taylor 2017, for CIFAR-10.
    "cutout": Augment(transforms=(PadCropFlip(), Cutout())),
    # Krizhevsky et al. 2012, section 4.1.
    "alexnet": Augment(
        ScaleJitterCrop(shortest=256, longest=256, crop=227), (Flip(), PcaNoise(sigma=0.1))
    ),
    # Simonyan, Zisserman 2014, section 3.1.
    "vgg": Augment(ScaleJitterCrop(shortest=256, longest=512), (Flip(), PcaNoise(sigma=0.1))),
    # Szegedy et al. 2014, section 6.
    "inception": Augment(InceptionCrop(), (Flip(),)),
    # The same with Howard's photometric distortions, which section 6 found useful too.
    "inception_colour": Augment(InceptionCrop(), (Flip(), ColourJitter(), PcaNoise())),
    # He et al. 2015, section 3.4.
    "resnet": Augment(ScaleJitterCrop(shortest=256, longest=480), (Flip(), PcaNoise(sigma=0.1))),
    # Cubuk et al. 2019, section 4.3: ResNet-50 on ImageNet.
    "randaugment": Augment(InceptionCrop(), (Flip(), RandAugment(2, 9))),
    # Zhong et al. 2017, on CIFAR.
    "random_erasing": Augment(transforms=(PadCropFlip(), RandomErasing())),
}
AUGMENTS: Registry[Augment] = Registry("augmentation")
for _name, _augment in _OURS.items():
    AUGMENTS.register(_name, _augment)
MIXES: Mapping[str, Mix | None] = {"none": None, "mixup": Mixup(), "cutmix": CutMix()}


def register_augmentation(name: str, augment: Augment) -> None:
    """Makes `augmentation` know a name: letters, digits and underscores.

    Raises:
        UserError: When there is an augmentation of this name.
    """
    AUGMENTS.register(name, augment)


def augmentation(text: str, *, mix: str = "none") -> Augment:
    """The augmentation of these names.

    Args:
        text: From `AUGMENTS`, or a layer such as ``keras_cv:GridMask(ratio_factor=0.5)``, or
            several in this order: ``inception+keras:RandomHue(0.2)``.
        mix: From `MIXES`.

    Raises:
        UserError: When there is none of a name, or more than one crops. Whether there is such a
            layer and takes these arguments is found by `Augment.check`.
    """
    if mix not in MIXES:
        raise unknown("mix", mix, MIXES)
    found = [
        AUGMENTS[part] if isinstance(part, str) else Augment(transforms=(part,))
        for part in parts(text)
    ]
    if any(each.crop for each in found[1:]):
        raise UserError(f"Only the first part of an augmentation may crop. Received: {text!r}.")
    transforms = tuple(transform for each in found for transform in each.transforms)
    return dataclasses.replace(found[0], transforms=transforms, mix=MIXES[mix])
