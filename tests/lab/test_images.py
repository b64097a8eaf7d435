"""The images of a data set as arrays."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.lab import images


def test_images_are_standardised_by_those_of_training():
    train, test = images.load("digits")
    assert train.x.shape == (1347, 8, 8, 1)
    np.testing.assert_allclose([train.x.mean(), train.x.std()], [0, 1], atol=1e-4)
    assert abs(test.x.mean()) > 1e-4


def test_sides_and_images_of_each_class():
    sets = images.load("digits", side=16, each_class=3)
    assert sets.shape == (16, 16, 1)
    assert np.bincount(sets.train.y).tolist() == [3] * 10
    assert len(sets.test.y) == 450


def test_images_of_several_sizes_are_refused(tmp_path):
    for split in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / split / label).mkdir(parents=True)
            keras.utils.save_img(
                tmp_path / split / label / "1.png", np.zeros((8, 9, 3)), scale=False
            )
    with pytest.raises(UserError, match="images all have one size"):
        images.load(f"folder:{tmp_path}")
