"""Schedules and augmentations, against what training takes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from kerasnets import Preprocessing, UserError, figures
from kerasnets.config import recipe
from kerasnets.data import augmentation, training_batches
from kerasnets.data.augment import Augment
from kerasnets.data.records import Paths
from kerasnets.data.sources.base import Split
from kerasnets.data.transforms import Flip, ScaleJitterCrop
from kerasnets.training.schedules import RecipeSchedule


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("resnet_cifar", {}),
        ("mobilenet2017", {}),
        ("one_cycle", {}),
        ("cosine_imagenet", {}),
        ("lenet_fast", {}),
        ("resnet2015", {}),
        ("digits", {"schedule": "constant"}),
    ],
)
def test_the_schedule_is_that_of_training(name, changes):
    chosen = dataclasses.replace(recipe(name), epochs=10, **changes)
    found = figures.schedule(chosen, 7).arrays
    rate = RecipeSchedule(chosen, 7)
    expected = [float(rate(step)) for step in range(70)]
    np.testing.assert_allclose(found["learning_rate"], expected, rtol=1e-5, atol=1e-9)
    assert found["momentum"].shape == (70,)


def test_momentum_is_the_optimizers():
    import keras

    from kerasnets.training.optimization import build_optimizer

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for name in ("resnet_cifar", "digits", "mobilenet2017"):
        optimizer = build_optimizer(recipe(name), 5, network)
        expected = getattr(optimizer, "beta_1", None) or optimizer.momentum
        assert figures.schedule(recipe(name), 5).arrays["momentum"][0] == np.float32(expected)


@pytest.fixture
def photo(tmp_path, rng):
    from PIL import Image

    path = tmp_path / "photo.png"
    Image.fromarray(rng.integers(0, 256, (50, 70, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("name", ["none", "cutout", "inception_colour", "resnet"])
def test_the_last_stage_is_what_training_sees(name, photo):
    preprocessing = Preprocessing(size=(32, 32))
    found = figures.augment(photo, name, preprocessing, draws=3, seed=5).arrays
    split = Split(Paths(np.array([str(photo)], object)), np.zeros(1, np.int32))
    batches = training_batches(split, preprocessing, 3, batch_size=1, augment=name, seed=5)
    for draw, (images, _) in enumerate(batches.take(3).as_numpy_iterator()):
        np.testing.assert_array_equal(found["stages"][draw, -1], images[0])
    assert found["stages"].shape[1] == 1 + len(augmentation(name).transforms)
    assert found["original"].shape == (50, 70, 3)
    assert ("windows" in found) == (augmentation(name).crop is not None)


def test_windows_are_where_was_cropped(photo):
    crop = ScaleJitterCrop(shortest=50, longest=50, crop=32)
    chosen = Augment(crop=crop, transforms=(Flip(),))
    found = figures.augment(photo, chosen, Preprocessing(size=(32, 32)), draws=3, seed=5).arrays
    for (top, left, height, width), stages in zip(found["windows"], found["stages"], strict=True):
        part = found["original"][top : top + height, left : left + width]
        np.testing.assert_allclose(stages[0].astype(int), part, atol=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.schedule(recipe("digits"), 0), "steps_per_epoch must be at least 1"),
        (
            lambda: figures.augment("x.png", "cutot", Preprocessing(size=(8, 8))),
            "Unknown augmentation 'cutot'. The closest: cutout",
        ),
        (
            lambda: figures.augment("x.png", "cutout", Preprocessing(size=(8, 8)), draws=0),
            "draws must be at least 1",
        ),
    ],
)
def test_what_cannot_be_drawn_is_told(call, message):
    with pytest.raises(UserError, match=message):
        call()
