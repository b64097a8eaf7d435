"""Charts as SVG."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from kerasnets.reports.figures import HEIGHT, WIDTH, Bars, Chart, Line, thinned


def drawn(**changes) -> ElementTree.Element:
    values = {"title": "T", "told": "Told.", "x": "x", "y": "y", **changes}
    return ElementTree.fromstring(str(Chart(**values).svg()))


def ticks(root) -> list[str]:
    return [text.text for text in root.iter("text")]


def test_points_lie_where_they_belong():
    root = drawn(lines=[Line("a", [0, 1], [0, 1])], xlim=(0, 2), ylim=(0, 1))
    (line,) = root.iter("polyline")
    (x0, y0), (x1, y1) = (map(float, each.split(",")) for each in line.get("points").split())
    assert (x0, y0, y1) == (66, HEIGHT - 44, 12)
    assert x1 == pytest.approx((66 + WIDTH - 12) / 2)


def test_logarithmic_ticks_are_plain_numbers():
    root = drawn(lines=[Line("a", [1, 2, 3], [0.002, 0.05, 3.0])], log=True)
    assert {"0.01", "0.1", "1"} <= set(ticks(root))
    assert not any("e" in text for text in ticks(root)[:-2])


@pytest.mark.parametrize("value", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("log", [False, True])
def test_a_single_epoch_has_a_chart(value, log):
    root = drawn(lines=[Line("a", [1], [value], marked=True)], log=log)
    assert "1" in ticks(root)
    assert "1.5" not in ticks(root)
    (circle,) = root.iter("circle")
    assert all(np.isfinite(float(circle.get(name))) for name in ("cx", "cy"))


def test_names_are_text_and_no_markup():
    root = drawn(title='<b "', lines=[Line("</svg><script>", [0, 1], [0, 1])])
    assert root.get("aria-label") == '<b ". Told.'
    assert next(root.iter("title")).text == "</svg><script>"


def test_bars_have_their_height():
    root = drawn(bars=[Bars("a", [(0, 0.5, 0, 0.25)])], xlim=(0, 1), ylim=(0, 1))
    (bar,) = root.iter("rect")
    assert float(bar.get("height")) == pytest.approx((HEIGHT - 44 - 12) / 4, abs=0.1)


def test_thinned_points_keep_ends_and_shape():
    x = np.linspace(0, 100, 10_001)
    points = thinned(np.stack([x, np.sin(x)], 1))
    assert len(points) < 600
    assert points[0].tolist() == [0, 0]
    assert points[-1][0] == 100
    assert len(thinned(points[:2])) == 2
