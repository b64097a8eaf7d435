"""What the figures show."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kerasnets.lab.cells import Cell
from kerasnets.lab.figure import Bars, Scatter, figure_of


@pytest.mark.parametrize(("points", "named"), [(1, 1), (20, 20), (40, 30)])
def test_names_of_points_cover_neither_names_nor_points(points, named):
    random = np.random.default_rng(0)
    cells = [
        Cell(f"network{number}", 0, 1.0, {"x": 10 ** random.normal(), "y": random.normal()}, {})
        for number in range(points)
    ]
    figure = figure_of("A title", Scatter("x", "y"), cells, exact=True)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    assert len(boxes) >= named
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))
    centres = axes.transData.transform(axes.lines[0].get_xydata())
    assert not any(box.contains(*centre) for box in boxes for centre in centres)


def test_bars_are_means_with_a_dot_for_each_seed():
    cells = [
        Cell(variant, seed, 1.0, {"error, %": base + seed, "gap": 1.0}, {})
        for variant, base in (("one", 10.0), ("two", 20.0))
        for seed in range(3)
    ]
    figure = figure_of("A title", Bars(("error, %", "gap")), cells, exact=False)
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [11.0, 21.0, 1.0, 1.0]
    seeds = [list(line.get_xdata()) for line in axes.lines[:2]]
    assert seeds == [[10.0, 11.0, 12.0], [20.0, 21.0, 22.0]]
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert not any(bar.get_window_extent().overlaps(legend) for bar in axes.patches)


def test_a_point_is_the_mean_over_seeds():
    cells = [Cell("one", seed, 1.0, {"x": 10.0, "y": y}, {}) for seed, y in enumerate((1.0, 5.0))]
    figure = figure_of("A title", Scatter("x", "y"), cells, exact=False)
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[10, 3]]
