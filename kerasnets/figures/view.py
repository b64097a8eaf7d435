"""What every function of this package returns, and what their pictures have in common."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnets.errors import UserError
from kerasnets.files import write_csv
from kerasnets.plotting import save_figure
from kerasnets.registry import list_models

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Of the pictures: blue, orange, grey; told apart by the colour-blind too (Okabe, Ito 2008).
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#8c8c8c"
# The most layers that have a name on an axis.
NAMED = 32


@dataclass(frozen=True)
class View:
    """What a network, a recipe or a pipeline looks like.

    Attributes:
        arrays: The values by name; each function says which.
        figure: The picture.
        table: Columns of one length by name, for a CSV file; empty where a table says nothing.
    """

    arrays: Mapping[str, np.ndarray]
    figure: Figure
    table: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the picture; the file's ending, one of `kerasnets.plotting.ENDINGS`, decides."""
        save_figure(self.figure, path)

    def save_csv(self, path: str | os.PathLike) -> None:
        """Writes the table."""
        write_csv(path, list(self.table), zip(*self.table.values(), strict=True))


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure with a title, laid out without overlaps; sides in inches."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(width, height), layout="constrained")
    # Matplotlib's own wrapping leaves the last letters beyond the edge.
    figure.suptitle(textwrap.fill(title, int(12.5 * width)), fontsize=11, parse_math=False)
    return figure


def model_name(model: Any) -> str:
    """The name of a model in titles: that of the network, also behind its preprocessing."""
    return model.name.removesuffix("_on_images")


def show_image(axes: Axes, image: np.ndarray, title: str = "") -> None:
    """Draws an image without an axis: (H, W), (H, W, 1 or 3), uint8 or in [0, 1]."""
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    most = 255 if image.dtype == np.uint8 else 1
    pixels = "nearest" if max(image.shape[:2]) < 128 else "antialiased"
    axes.imshow(image, cmap="gray", vmin=0, vmax=most, interpolation=pixels)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8, parse_math=False)


def show_tiles(
    axes: Axes, tiles: np.ndarray, columns: int, *, gap: int = 1, **options: Any
) -> None:
    """Draws images of one size beside each other: (N, h, w) or (N, h, w, 3)."""
    # Small ones enlarged, so that the gaps stay narrow beside them.
    times = -(-24 // tiles.shape[1])
    tiles = tiles.repeat(times, axis=1).repeat(times, axis=2)
    rows = -(-len(tiles) // columns)
    height, width = tiles.shape[1:3]
    sheet = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, *tiles.shape[3:]), np.nan
    )
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    # The gaps are white, whatever the colours.
    sheet = np.nan_to_num(sheet, nan=1.0) if tiles.ndim == 4 else np.ma.masked_invalid(sheet)
    axes.imshow(sheet, interpolation="nearest", **options)
    axes.set_axis_off()


def chosen_places(count: int, most: int) -> np.ndarray:
    """Places among `count`, spread evenly, the first and the last one included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def name_layers(axis: Axis, names: list[str]) -> None:
    """Writes the names of layers on an axis, at 0, 1, 2...; of many only some."""
    places = chosen_places(len(names), NAMED)
    axis.set_ticks(places, [names[int(place)] for place in places], fontsize=7)


def no_dense_blocks(name: str) -> UserError:
    """The error for a network that is no DenseNet."""
    known = ", ".join(list_models("densenet*"))
    return UserError(f"{name} has no dense blocks. Networks that have some: {known}.")


def check_units(units: Sequence[int], count: int, layer: str) -> None:
    """Refuses units that a layer does not have."""
    for unit in units:
        if not 0 <= unit < count:
            raise UserError(f"{layer} has the units 0 to {count - 1}. Received: {unit}.")
