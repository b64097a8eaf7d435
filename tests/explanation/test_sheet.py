"""The sheet: where maps lie on an image, and how it is laid out."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasnets import Preprocessing
from kerasnets.data.images import fit, seen_part
from kerasnets.explanation.sheet import Panel, save_sheet


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(size=(24, 24), resize=32),
        Preprocessing(size=(20, 28), resize=32),
        Preprocessing(size=(24, 24)),
        Preprocessing(size=(24, 30), fit="stretch"),
        Preprocessing(size=(32, 32), resize=24, fit="pad"),
    ],
)
@pytest.mark.parametrize("sides", [(64, 96), (81, 50), (30, 30)])
def test_a_part_that_is_seen_is_where_it_is_shown(preprocessing, sides):
    """A square on the image, found again in what the network sees, leads back to its place."""
    height, width = sides
    image = np.zeros((height, width, 1), np.uint8)
    place = np.array([height // 2 - 6, width // 2 + 2])
    image[place[0] : place[0] + 8, place[1] : place[1] + 8] = 255
    seen = fit(tf.constant(image), preprocessing).numpy()[..., 0].astype(float)
    assert seen.any()
    grid = np.indices(seen.shape) + 0.5
    centre = (grid * seen).sum(axis=(1, 2)) / seen.sum()
    top, left, tall, wide = seen_part(tf.constant([sides, (9, 9)]), preprocessing)[0].numpy()
    back = sides * (np.array([top, left]) + centre / preprocessing.size * [tall, wide])
    np.testing.assert_allclose(back, place + 4, atol=0.6)


@pytest.mark.parametrize(
    ("count", "maps", "columns", "lines"), [(1, 1, 2, 1), (5, 2, 3, 5), (6, 1, 4, 3), (12, 1, 6, 4)]
)
def test_images_are_beside_each_other_where_there_are_many(count, maps, columns, lines, tmp_path):
    image = np.zeros((300, 250, 3), np.uint8)
    drawn = tuple((f"map {number}", np.zeros((7, 7))) for number in range(maps))
    save_sheet(tmp_path / "a.png", [Panel(image, "name $x_1$", drawn)] * count, "title")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (columns * (250 + 16) + 16, 44 + lines * (300 + 40) + 44)


def test_the_map_is_drawn_where_the_network_looked(tmp_path):
    """An image of twice its height: the middle square alone is seen, and its corner counts."""
    image = np.full((400, 200, 1), 128, np.uint8)
    found = np.zeros((4, 4))
    found[0, 0] = 1
    save_sheet(tmp_path / "a.png", [Panel(image, "", (("", found),), (0.25, 0, 0.5, 1))], "")
    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    drawn = pixels[84:484, 232:432]
    colourful = drawn.max(axis=2) - drawn.min(axis=2) > 60
    rows, columns = np.nonzero(colourful)
    assert 100 <= rows.min() < 110
    assert rows.max() < 200
    assert columns.max() < 100
    # Outside of what is seen the image stays as it is.
    assert (np.abs(drawn[10:90, 10:190] - 128) <= 1).all()
