"""The kinds of figures that experiments have."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kerasnets.lab.cells import Cell, by_seed
from kerasnets.lab.verdict import interval
from kerasnets.plotting import plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Plot(Protocol):
    """What draws the cells of an experiment."""

    def draw(self, axes: Axes, cells: Sequence[Cell], exact: bool) -> None:
        """Draws them on axes of its own."""


def _names(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.variant for cell in cells))


def _mean(cells: Sequence[Cell], variant: str, measure: str, exact: bool) -> float:
    return interval(list(by_seed(cells, variant, measure).values()), exact=exact).mean


@dataclass(frozen=True)
class Curves:
    """A curve for each variant: the mean over seeds, in the band of their range."""

    curve: str
    x: str

    def draw(self, axes: Axes, cells: Sequence[Cell], exact: bool) -> None:
        import numpy as np

        most = 1
        for variant in _names(cells):
            own = [cell.curves[self.curve] for cell in cells if cell.variant == variant]
            # Seeds share their places; where one stopped early, the others' ends are left out.
            length = min(len(ys) for _, ys in own)
            xs = own[0][0][:length]
            ys = np.array([ys[:length] for _, ys in own])
            (line,) = axes.plot(
                xs, np.mean(ys, 0), marker="." if length < 60 else "", label=variant
            )
            if len(ys) > 1:
                axes.fill_between(
                    xs, np.min(ys, 0), np.max(ys, 0), color=line.get_color(), alpha=0.2
                )
                most = max(most, len(ys))
        band = f"mean and range of {most} seeds" if most > 1 else None
        axes.legend(fontsize=8, title=band, title_fontsize=8)
        axes.set(xlabel=self.x, ylabel=self.curve)


@dataclass(frozen=True)
class Bars:
    """For each variant a group of bars, one for each measure: the mean, and a dot for each seed."""

    measures: tuple[str, ...]

    def draw(self, axes: Axes, cells: Sequence[Cell], exact: bool) -> None:
        from matplotlib.ticker import EngFormatter

        names, height = _names(cells), 0.8 / len(self.measures)
        for number, measure in enumerate(self.measures):
            found = [list(by_seed(cells, name, measure).values()) for name in names]
            means = [interval(values, exact=exact).mean for values in found]
            places = [
                place + (number - (len(self.measures) - 1) / 2) * height
                for place in range(len(names))
            ]
            axes.barh(places, means, height, label=measure)
            for place, values in zip(places, found, strict=True):
                if len(values) > 1:
                    axes.plot(values, [place] * len(values), "k.", markersize=4, alpha=0.6)
        axes.set_yticks(range(len(names)), [textwrap.fill(name, 28) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        if max(map(abs, axes.get_xlim())) >= 10_000:
            axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
        seeds = len({cell.seed for cell in cells})
        title = f"mean, and each of {seeds} seeds" if seeds > 1 else None
        if len(self.measures) == 1:
            axes.set_xlabel(f"{self.measures[0]}{f' ({title})' if title else ''}")
            return
        # Below the axes, where it covers no bar.
        axes.figure.legend(loc="outside lower center", fontsize=8, title=title, title_fontsize=8)


@dataclass(frozen=True)
class Scatter:
    """A named point for each variant, its mean over seeds: a measure against another.

    The other's axis is logarithmic.
    """

    x: str
    y: str

    def draw(self, axes: Axes, cells: Sequence[Cell], exact: bool) -> None:
        points = {
            name: (_mean(cells, name, self.x, exact), _mean(cells, name, self.y, exact))
            for name in _names(cells)
        }
        axes.plot(*zip(*points.values(), strict=True), "o", color="C0", alpha=0.6)
        axes.set(xlabel=self.x, ylabel=self.y)
        axes.set_xscale("log")
        plain_log_ticks(axes.xaxis)
        _name_points(axes, points)


# Where a name may stand, in points from what it names: beside it first, then farther away.
_PLACES = [
    (right * far, up * high)
    for far, high in ((4, 3), (4, 9), (10, 16), (22, 24))
    for up in (1, -1)
    for right in (1, -1)
]


def _name_points(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Writes names so that none covers a point or a name; those with no room are left out.

    The highest points get theirs first.
    """
    from matplotlib.transforms import Bbox

    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # The layout decides how much room there is.
    centres = axes.transData.transform([*points.values()])
    taken = [Bbox.from_extents(x - 4, y - 4, x + 4, y + 4) for x, y in centres]
    how: dict[str, Any] = {"textcoords": "offset points", "fontsize": 6, "in_layout": False}
    line = {"arrowstyle": "-", "linewidth": 0.5}
    for name, point in sorted(points.items(), key=lambda pair: -pair[1][1]):
        for x, y in _PLACES:
            label = axes.annotate(name, point, (x, y), **how)
            label.set(ha="left" if x > 0 else "right", va="bottom" if y > 0 else "top")
            box = label.get_window_extent()
            inside = all(axes.bbox.contains(*corner) for corner in (box.min, box.max))
            if inside and not box.count_overlaps(taken):
                taken.append(box)
                if abs(y) > 4:
                    axes.annotate("", point, (x, y), **how, arrowprops=line)
                break
            label.remove()


def figure_of(title: str, plot: Plot, cells: Sequence[Cell], exact: bool) -> Figure:
    """The picture of an experiment."""
    from matplotlib.figure import Figure

    rows = len(_names(cells)) if isinstance(plot, Bars) else 0
    figure = Figure(figsize=(7.5, max(4.5, 1.2 + 0.28 * rows)), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(textwrap.fill(title, 90), fontsize=10, parse_math=False)
    plot.draw(axes, cells, exact)
    axes.grid(alpha=0.3)
    return figure
