"""What is done to training images, by name. Loads no framework."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

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
from kerasnets.errors import unknown


@dataclass(frozen=True)
class Augment:
    """How training images are changed.

    Attributes:
        crop: The window that is decoded; ``None`` fits the whole image as in evaluation.
        transforms: Applied in this order to what the crop gives.
        mix: Blends images and labels of a batch; labels are then (N, classes) float32.
    """

    crop: InceptionCrop | ScaleJitterCrop | None = None
    transforms: tuple[object, ...] = ()
    mix: Mixup | CutMix | None = None

    @property
    def numbers(self) -> int:
        """Random numbers that the crop and the transforms take for each image."""
        crop = self.crop.numbers if self.crop else 0
        return crop + sum(transform.numbers for transform in self.transforms)


AUGMENTS = {
    "none": Augment(),
    # LeCun et al. 1998, section III.A.
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
MIXES = {"none": None, "mixup": Mixup(), "cutmix": CutMix()}


def augmentation(name: str, *, mix: str = "none") -> Augment:
    """The augmentation of these names.

    Args:
        name: From `AUGMENTS`.
        mix: From `MIXES`.

    Raises:
        UserError: When there is none of this name.
    """
    if name not in AUGMENTS:
        raise unknown("augmentation", name, AUGMENTS)
    if mix not in MIXES:
        raise unknown("mix", mix, MIXES)
    return dataclasses.replace(AUGMENTS[name], mix=MIXES[mix])
