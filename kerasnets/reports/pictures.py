"""Images that a network was wrong about, small, and their Grad-CAM maps."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kerasnets.errors import UserError
from kerasnets.evaluation.results import NamedMistake
from kerasnets.runs.run import Run, load_data

if TYPE_CHECKING:
    import keras
    import PIL.Image

    from kerasnets.data.sources import Dataset

# The longer side of a picture on a page, in pixels.
SIDE = 208


@dataclass(frozen=True)
class Material:
    """What pictures of a run are made from: its network, which gives logits, and its data."""

    network: keras.Model
    dataset: Dataset

    @classmethod
    def of(cls, run: Run) -> Material:
        """The network and the data of a run.

        Raises:
            UserError: When the run has not finished, or its data are not there or others.
        """
        dataset = load_data(run.config)
        run.check_classes(dataset)
        return cls(run.network(), dataset)


@dataclass(frozen=True)
class Picture:
    """A misclassified image, as `src` of a page: itself, and the map of each class."""

    original: str
    small: bool
    predicted: str
    true: str


def images_by_name(
    dataset: Dataset, split: str, names: Sequence[str], channels: int
) -> list[tuple[int, np.ndarray]]:
    """Images of a split: of each name the index, and the pixels (H, W, channels) uint8 as they are.

    Raises:
        UserError: When the split has no image of a name.
    """
    from kerasnets.data.loading import whole_images

    images = dataset.split(split)
    places = {images.name(index): index for index in range(images.size)}
    missing = [name for name in names if name not in places]
    if missing:
        raise UserError(
            f"{missing[0]!r} of the evaluation is no image of {dataset.name}, {split}, which has "
            f"{images.name(0)!r}; an earlier version did not keep all names: kerasnets evaluate "
            "RUN --out RUN does."
        )
    found = dict(whole_images(images, [places[name] for name in names], channels))
    return [(places[name], found[places[name]]) for name in names]


def mistake_pictures(
    run: Run, material: Material, split: str, mistakes: Sequence[NamedMistake]
) -> list[Picture]:
    """Pictures of mistakes, in their order.

    Args:
        run: The run.
        material: Its network and data.
        split: Name of the split that was evaluated.
        mistakes: Mistakes of its evaluation.

    Raises:
        UserError: When the data do not have the images, or they cannot be read.
    """
    from kerasnets.data.bad_images import naming_bad_images
    from kerasnets.data.images import fit, seen_part
    from kerasnets.explanation.maps import explain
    from kerasnets.inputs import with_preprocessing
    from kerasnets.lazy import tf

    if not mistakes:
        return []
    dataset, channels = material.dataset, material.network.input_shape[-1]
    names = [mistake.image for mistake in mistakes]
    with naming_bad_images([dataset.split(split)], channels):
        originals = [pixels for _, pixels in images_by_name(dataset, split, names, 3)]
        found = images_by_name(dataset, split, names, channels) if channels != 3 else None
    seen = [pixels for _, pixels in found] if found else originals
    fitted = np.stack([fit(tf.constant(each), run.preprocessing) for each in seen])
    labels = {name: label for label, name in enumerate(run.class_names)}
    classes = [labels[name] for each in mistakes for name in (each.predicted, each.true)]
    model = with_preprocessing(material.network, run.preprocessing)
    maps = explain(model, np.repeat(fitted, 2, axis=0), "grad_cam", classes)
    pictures = []
    for image, predicted, true in zip(originals, maps[::2], maps[1::2], strict=True):
        part = seen_part(tf.constant([image.shape[:2]]), run.preprocessing)[0].numpy()
        overlays = [_source(_overlay(image, each, part)) for each in (predicted, true)]
        small = max(image.shape) < SIDE / 2
        pictures.append(Picture(_source(_shrunk(image), exact=small), small, *overlays))
    return pictures


def _shrunk(image: np.ndarray) -> PIL.Image.Image:
    """An image, (H, W, 3) uint8, whose longer side is `SIDE` or less."""
    import PIL.Image

    shown = PIL.Image.fromarray(image)
    shown.thumbnail((SIDE, SIDE), PIL.Image.Resampling.LANCZOS)
    return shown


def _overlay(image: np.ndarray, found: np.ndarray, seen: np.ndarray) -> PIL.Image.Image:
    """The image in grey below a map of the part that the network saw, in fractions of its sides."""
    import matplotlib
    import PIL.Image

    from kerasnets.explanation.sheet import COLOURS, of_largest

    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    top, left, tall, wide = scale * seen * (height, width, height, width)
    pixels = "NEAREST" if max(height, width) < SIDE / 2 else "LANCZOS"
    grey = PIL.Image.fromarray(image).convert("L").convert("RGB")
    grey = grey.resize(size, PIL.Image.Resampling[pixels])
    colours = (matplotlib.colormaps[COLOURS](of_largest(found))[..., :3] * 255).astype(np.uint8)
    part = (max(1, round(wide)), max(1, round(tall)))
    coloured = PIL.Image.fromarray(colours).resize(part, PIL.Image.Resampling.BILINEAR)
    grey.paste(coloured, (round(left), round(top)), PIL.Image.new("L", part, round(0.6 * 255)))
    return grey


def _source(image: PIL.Image.Image, exact: bool = False) -> str:
    """A picture as the `src` of an image; as PNG where each pixel counts."""
    file = io.BytesIO()
    if exact:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=80, optimize=True)
    kind = "png" if exact else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def matrix_picture(confusion: np.ndarray) -> str:
    """A confusion matrix as a picture, a pixel for each pair: the darker the larger its fraction.

    Args:
        confusion: (classes, classes) counts; rows are true labels.
    """
    import PIL.Image

    fraction = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    # The square root shows the rare ones too.
    pixels = np.round(255 - 255 * np.sqrt(fraction)).astype(np.uint8)
    return _source(PIL.Image.fromarray(pixels), exact=True)
