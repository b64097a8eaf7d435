"""Training transforms, each named after its source and usable alone.

All are frozen dataclasses of their paper's numbers; making one loads no framework. There are
three kinds:

- A crop chooses the windows of images that are decoded and resized: ``windows(sides, size,
  draws)``, where ``draws(random)`` are its random numbers.
- A transform changes a batch: ``transform(images, random)``, (N, H, W, C) uint8 to the same.
- A mix blends the images of a batch and their labels: ``mix(images, labels, key)``.

Crops and transforms take uniform random numbers in [0, 1) from outside, ``numbers`` for each
image (see `randomness`), so that what happens to an image depends on (seed, epoch, image) and on
nothing else.
"""

from kerasnets.data.transforms.colour import ColourJitter, PcaNoise
from kerasnets.data.transforms.crops import InceptionCrop, ScaleJitterCrop
from kerasnets.data.transforms.erasing import Cutout, RandomErasing
from kerasnets.data.transforms.geometry import Affine, Flip, PadCropFlip
from kerasnets.data.transforms.mixing import CutMix, Mixup
from kerasnets.data.transforms.randaugment import RandAugment

__all__ = [
    "Affine",
    "ColourJitter",
    "CutMix",
    "Cutout",
    "Flip",
    "InceptionCrop",
    "Mixup",
    "PadCropFlip",
    "PcaNoise",
    "RandAugment",
    "RandomErasing",
    "ScaleJitterCrop",
]
