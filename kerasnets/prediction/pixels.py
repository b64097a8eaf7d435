"""From an image file to the pixels that a network takes, by Pillow: no framework is loaded.

The files are those that `kerasnets.data.images` decodes, and so is what is refused. Pixels may
differ from TensorFlow's by rounding: Pillow rounds between columns and rows.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kerasnets.data.marks import ANIMATED_WEBP, FORMATS, MAX_PIXELS, START, format_of, refusal
from kerasnets.evaluation.results import sigmoid, softmax
from kerasnets.inputs import Preprocessing
from kerasnets.prediction.prediction import Unreadable
from kerasnets.tasks import Task

KERNELS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
    "area": Image.Resampling.BOX,
    "lanczos3": Image.Resampling.LANCZOS,
}


def fitted(content: bytes, channels: int, preprocessing: Preprocessing) -> np.ndarray | Unreadable:
    """The pixels of an image file at the network's size, upright.

    Args:
        content: A JPEG, PNG, BMP, WebP or GIF file (the first frame).
        channels: 1 for grayscale, 3 for RGB.
        preprocessing: The network's.

    Returns:
        (height, width, channels) uint8, or why there are none.
    """

    def fit(image: Image.Image) -> Image.Image:
        return _fit(image.convert("L" if channels == 1 else "RGB"), preprocessing)

    pixels = _decoded(content, fit)
    if isinstance(pixels, Unreadable):
        return pixels
    return pixels.reshape(*preprocessing.size, channels)


def upright(content: bytes, most: int) -> np.ndarray | Unreadable:
    """The pixels of an image file, upright.

    Args:
        content: As `fitted` takes it.
        most: Pixels of the shorter side, to which a larger image is reduced.

    Returns:
        (H, W, 3) uint8, or why there are none.
    """

    def reduce(image: Image.Image) -> Image.Image:
        image, scale = image.convert("RGB"), most / min(image.size)
        sides = (round(scale * image.width), round(scale * image.height))
        return image.resize(sides, Image.Resampling.LANCZOS) if scale < 1 else image

    return _decoded(content, reduce)


def _decoded(
    content: bytes, change: Callable[[Image.Image], Image.Image]
) -> np.ndarray | Unreadable:
    """The pixels of what becomes of an upright image, or why there are none."""
    if format_of(content[:START]) is None:
        return Unreadable(refusal(content[:START]))
    try:
        with Image.open(io.BytesIO(content), formats=_KNOWN) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            if opened.format == "WEBP" and getattr(opened, "is_animated", False):
                return Unreadable(ANIMATED_WEBP)
            return np.asarray(change(ImageOps.exif_transpose(_eight_bits(opened))))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Unreadable(f"larger than the limit of {MAX_PIXELS:,} pixels")
    except UnidentifiedImageError:
        return Unreadable("its header is damaged")
    # A damaged file can make a decoder raise anything.
    except Exception as error:
        return Unreadable(" ".join(str(error).split())[:100].rstrip(" .") or type(error).__name__)


_KNOWN = [name.upper() for name in FORMATS]


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image; of sixteen bits the upper eight, which Pillow would cut off at 255."""
    if not image.mode.startswith("I"):
        return image
    upper = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    upper.info, upper.getexif = image.info, image.getexif
    return upper


def _fit(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """What `kerasnets.data.images.fit` does."""
    (height, width), side = preprocessing.size, preprocessing.resize_to
    kernel = KERNELS[preprocessing.interpolation]
    if preprocessing.fit == "stretch":
        return image.resize((width, height), kernel)
    if preprocessing.fit == "pad":
        square = image.resize((side, side), kernel)
        return _centred(square, width, height)
    short = min(image.size)
    image = image.resize((side * image.width // short, side * image.height // short), kernel)
    return _centred(image, width, height)


def _centred(image: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of an image, black where it is smaller; `round` takes halves to even numbers."""
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def activated(logits: np.ndarray, task: Task) -> np.ndarray:
    """The task's answers, (N, classes) float32, finer than those that eight bits can hold."""
    if task.activation == "linear":
        return logits.astype(np.float32)
    probabilities = sigmoid if task.activation == "sigmoid" else softmax
    return probabilities(logits).astype(np.float32)
