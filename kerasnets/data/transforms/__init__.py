"""Training transforms, each named after its source and usable alone.

All are frozen dataclasses of their paper's values; making one loads no framework. `Crop`,
`Transform` and `Mix` in `kerasnets.data.augment` say what the three kinds take and give. Random
numbers come from outside, so that what happens to an image depends on (seed, epoch, image) alone.
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
