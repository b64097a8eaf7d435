"""Charts as SVG inside a page: they take its colours, dark or light, and its size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from kerasnets.plotting import log_ticks, plain

# The drawing and its margins, in units of the SVG; and how many colours the page has.
WIDTH, HEIGHT = 420, 300
LEFT, RIGHT, TOP, BOTTOM = 66, 12, 12, 44
COLOURS = 10
# Points that lie nearer than this to the one before are left out.
RESOLUTION = 0.4


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: What the legend calls it.
        x, y: Its points.
        colour: Index of its colour; ``None`` for the colour of text.
        dashed: Whether it is dashed.
        marked: Whether its points are marked.
    """

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: int | None = 0
    dashed: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Bars:
    """Bars of a chart: (left, right, bottom, top) each, in one colour or as a light shade."""

    name: str
    boxes: Sequence[tuple[float, float, float, float]]
    shade: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart: what its axes are, and what lies on them.

    Attributes:
        title: What stands above it, and what a screen reader calls it.
        told: What it shows, in a sentence for those who do not see it.
        x, y: What the axes are.
        lines, bars: What is drawn.
        xlim, ylim: Ends of the axes; those of the lines if not given.
        log: Whether the vertical axis is logarithmic.
        name: What scripts find the drawing by.
    """

    title: str
    told: str
    x: str
    y: str
    lines: Sequence[Line] = ()
    bars: Sequence[Bars] = ()
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None
    log: bool = False
    name: str = ""

    def svg(self) -> Markup:
        """The drawing."""
        x = _Axis(*(self.xlim or _ends(line.x for line in self.lines)), LEFT, WIDTH - RIGHT)
        low, high = self.ylim or _ends(line.y for line in self.lines)
        log = self.log and low > 0
        y = _Axis(low, high, HEIGHT - BOTTOM, TOP, log)
        whole = all(float(each).is_integer() for line in self.lines for each in line.x)
        parts = [*_grid(x, y, whole and self.xlim is None)]
        parts += [part for bars in self.bars for part in _boxes(bars, x, y)]
        parts += [part for line in self.lines for part in _line(line, x, y)]
        middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
        parts.append(_text(middle, HEIGHT - 8, self.x, "middle"))
        turned = f' transform="rotate(-90 12 {centre:g})"'
        parts.append(_text(12, centre, self.y, "middle", turned))
        name = f' data-chart="{escape(self.name)}"' if self.name else ""
        return Markup(
            f'<svg{name} viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(self.title)}. {escape(self.told)}">{"".join(parts)}</svg>'
        )

    @property
    def legend(self) -> list[tuple[str, str, bool]]:
        """What each line is: its class of colour, its name, whether it is dashed."""
        lines = [(_colour(line), line.name, line.dashed) for line in self.lines if line.name]
        bars = [("shade" if bars.shade else "c0", bars.name, False) for bars in self.bars]
        found = [*bars, *lines]
        return found if len(found) > 1 else []


class _Axis:
    """From values to places in the drawing."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool = False):
        if low == high:
            low, high = (low / 2, high * 2) if log else (low - (low != 0), high + 1)
        self.low, self.high, self.log = low, high, log
        self.start, self.end = start, end

    def __call__(self, values: object) -> np.ndarray:
        values, low, high = np.asarray(values, float), self.low, self.high
        if self.log:
            values, low, high = np.log(np.maximum(values, low)), math.log(low), math.log(high)
        return self.start + (values - low) / (high - low) * (self.end - self.start)

    def ticks(self, whole: bool = False) -> list[float]:
        from matplotlib.ticker import MaxNLocator

        if self.log:
            return log_ticks(self.low, self.high)
        found = MaxNLocator(nbins=5, integer=whole, min_n_ticks=1).tick_values(self.low, self.high)
        small = 1e-9 * (self.high - self.low)
        return [tick for tick in found if self.low - small <= tick <= self.high + small]


def _ends(columns: object) -> tuple[float, float]:
    found = np.concatenate([np.asarray(column, float) for column in columns])  # pyright: ignore[reportGeneralTypeIssues]
    return float(found.min()), float(found.max())


def _grid(x: _Axis, y: _Axis, whole: bool) -> list[str]:
    parts = []
    for tick in x.ticks(whole):
        at = float(x(tick))
        parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(_text(at, HEIGHT - BOTTOM + 16, _number(tick), "middle"))
    for tick in y.ticks():
        at = float(y(tick))
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 5, at + 4, _number(tick), "end"))
    return parts


def _number(tick: float) -> str:
    return plain(round(float(tick), 9)) if tick else "0"


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _colour(line: Line) -> str:
    return "ink" if line.colour is None else f"c{line.colour % COLOURS}"


def _boxes(bars: Bars, x: _Axis, y: _Axis) -> list[str]:
    kind = "shade" if bars.shade else "bar"
    parts = []
    for left, right, bottom, top in bars.boxes:
        (x0, x1), (y1, y0) = x([left, right]), y([bottom, top])
        place = f'x="{x0 + 0.5:.1f}" y="{y0:.1f}" width="{x1 - x0 - 1:.1f}"'
        parts.append(f'<rect class="{kind}" {place} height="{max(0, y1 - y0):.1f}"/>')
    return parts


def _line(line: Line, x: _Axis, y: _Axis) -> list[str]:
    points = np.stack([x(line.x), y(line.y)], 1)
    points = points[np.isfinite(points).all(axis=1)]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in thinned(points))
    dashed = " dashed" if line.dashed else ""
    colour = _colour(line)
    title = f"<title>{escape(line.name)}</title>" if line.name else ""
    parts = [f'<polyline class="line {colour}{dashed}" points="{path}">{title}</polyline>']
    if line.marked and len(points) <= 60:
        parts += [f'<circle class="{colour}" cx="{a:.1f}" cy="{b:.1f}" r="2"/>' for a, b in points]
    return parts


def thinned(points: np.ndarray) -> np.ndarray:
    """Points without those that cannot be told from the one before; the last one stays."""
    if len(points) < 3:
        return points
    # Places on a grid: of a run of equal ones the first is enough.
    cells = np.round(points / RESOLUTION)
    kept = np.append(True, (np.diff(cells, axis=0) != 0).any(axis=1))
    kept[-1] = True
    return points[kept]
