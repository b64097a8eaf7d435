"""A sheet of explanations: each image at its own resolution, and beside it what was found."""

from __future__ import annotations

import os
import pathlib
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasnets.errors import UserError
from kerasnets.plotting import check_picture, save_figure

# The most images of a sheet, whose height the PNG format bounds.
MOST_IMAGES = 60
# Images are beside each other where there are more than this many.
LINES, MOST_BESIDE = 5, 3
# The longer side of an image on the sheet, in pixels, and the gaps for titles.
LEAST_SIDE, MOST_SIDE = 200, 512
GAP, HEADER, TITLE = 16, 44, 40
DPI = 100
# Perceptually uniform; its dark end leaves in the dark what does not count.
COLOURS = "inferno"


@dataclass(frozen=True)
class Panel:
    """An image and its maps.

    Attributes:
        image: (H, W, 1 or 3) uint8, at its own resolution.
        title: What stands above the image.
        maps: For each overlay its title and its map, (h, w), of the part that the network saw.
        seen: That part: top, left, height and width as fractions of the image's sides.
    """

    image: np.ndarray
    title: str
    maps: tuple[tuple[str, np.ndarray], ...]
    seen: tuple[float, float, float, float] = (0, 0, 1, 1)


def check_sheet(path: pathlib.Path, images: int) -> None:
    """Refuses a file that cannot become a picture, and more images than a sheet takes."""
    check_picture(path)
    if images > MOST_IMAGES:
        raise UserError(f"A sheet takes {MOST_IMAGES} images at most. Received: {images}.")


def save_sheet(path: str | os.PathLike, panels: Sequence[Panel], title: str) -> None:
    """Draws a row for each image: the image, then an overlay for each of its maps.

    Args:
        path: File to write, whose ending is one of `kerasnets.plotting.ENDINGS`.
        panels: The images.
        title: What stands above them all.
    """
    import matplotlib.figure

    sizes = [_shown_size(each.image) for each in panels]
    column = GAP + max(width for _, width in sizes)
    beside = min(MOST_BESIDE, -(-len(panels) // LINES))
    lines = [sizes[start : start + beside] for start in range(0, len(sizes), beside)]
    bottoms = np.cumsum([TITLE + max(row for row, _ in line) for line in lines])
    # Each block is as wide as the most maps in it.
    columns = [1 + max(len(each.maps) for each in panels[at::beside]) for at in range(beside)]
    width = sum(columns) * column + GAP
    height = int(HEADER + bottoms[-1] + HEADER)
    figure = matplotlib.figure.Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    figure.text(
        GAP / width, 1 - 0.4 * HEADER / height, title,
        fontsize=11, va="center", parse_math=False,
    )  # fmt: skip
    for number, (panel, (tall, wide)) in enumerate(zip(panels, sizes, strict=True)):
        line, block = divmod(number, beside)
        bottom = height - HEADER - bottoms[line]
        for place, (name, drawn) in enumerate([(panel.title, None), *panel.maps]):
            left = GAP + (sum(columns[:block]) + place) * column
            axis = figure.add_axes((left / width, bottom / height, wide / width, tall / height))
            _draw(axis, panel, drawn)
            text = "\n".join(
                textwrap.fill(part[-80:], max(16, wide // 6)) for part in name.split("\n")
            )
            axis.set_title(text, fontsize=8, loc="left", pad=3, parse_math=False)
    _draw_scale(figure, column, width, height)
    save_figure(figure, path, dpi=DPI)


def _shown_size(image: np.ndarray) -> tuple[int, int]:
    """Height and width on the sheet: the image's own within bounds."""
    longer = max(image.shape[:2])
    scale = np.clip(longer, LEAST_SIDE, MOST_SIDE) / longer
    return max(1, round(scale * image.shape[0])), max(1, round(scale * image.shape[1]))


def _draw(axis, panel: Panel, drawn: np.ndarray | None) -> None:
    """The image, or in grey below a map; the frame is the part that the network saw."""
    from matplotlib.patches import Rectangle

    height, width = panel.image.shape[:2]
    image, outline = panel.image, (0, width, height, 0)
    # Small images show their pixels.
    pixels = "nearest" if max(height, width) < LEAST_SIDE else "antialiased"
    if drawn is not None or image.shape[-1] == 1:
        image = image.mean(axis=2)
    axis.imshow(
        image, cmap="gray", vmin=0, vmax=255, extent=outline, interpolation=pixels, aspect="auto"
    )
    if drawn is not None:
        top, left, tall, wide = np.multiply(panel.seen, (height, width, height, width))
        axis.imshow(
            of_largest(drawn), cmap=COLOURS, vmin=0, vmax=1, alpha=0.6, aspect="auto",
            extent=(left, left + wide, top + tall, top), interpolation="bilinear",
        )  # fmt: skip
        axis.add_patch(Rectangle((left, top), wide, tall, fill=False, color="white", lw=0.8))
    axis.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])


def of_largest(drawn: np.ndarray) -> np.ndarray:
    """What speaks for the class, as a fraction of its largest values."""
    # Smilkov et al. 2017, section 3.1: a few pixels far above all others would darken the rest.
    most = np.percentile(drawn, 99.5)
    most = most if most > 0 else drawn.max()
    return np.clip(drawn / most, 0, 1) if most > 0 else np.zeros_like(drawn)


def _draw_scale(figure, column: int, width: int, height: int) -> None:
    from matplotlib.cm import ScalarMappable

    left, wide = (GAP + column) / width, (column - GAP) / width
    axis = figure.add_axes((left, 0.62 * HEADER / height, wide, 8 / height))
    bar = figure.colorbar(ScalarMappable(cmap=COLOURS), cax=axis, orientation="horizontal")
    bar.set_ticks([0, 1], labels=["nothing", "most"], fontsize=7)
    bar.outline.set_visible(False)
    for label, side in zip(axis.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)
