import csv
import dataclasses
import functools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets import UserError
from kerasnets.data import load
from kerasnets.data.records import Pixels
from kerasnets.data.sources.base import Split
from kerasnets.evaluation import evaluate
from kerasnets.evaluation.evaluator import logits_of_split
from kerasnets.evaluation.report import FILES, write_report
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.inspection.memory import activation_bytes, batch_within

PREPROCESSING = Preprocessing(size=(8, 8), resize=9, mean=(0.5,), std=(0.25,))


def network(size=8, classes=7) -> keras.Model:
    """Takes any size: convolution, average, classifier."""
    random.seed(1)
    images = keras.Input((size, size, 1))
    x = keras.layers.Conv2D(4, 3, activation="relu")(images)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(classes, kernel_initializer="orthogonal")(x))


def split(rng, size=23) -> Split:
    images = rng.integers(0, 256, (size, 9, 9, 1)).astype(np.uint8)
    return Split(Pixels(images), rng.integers(0, 7, size).astype(np.int32))


@pytest.mark.parametrize(
    ("crops", "sizes"), [("centre", (1, 5, 1000, None)), ("ten", (5, None)), ("144", (1000, None))]
)
def test_every_image_counts_once_whatever_the_batch(rng, crops, sizes):
    images = split(rng)
    found = [
        evaluate(network(), images, PREPROCESSING, crops=crops, batch_size=size) for size in sizes
    ]
    for each in found:
        assert each.images == each.confusion.sum() == 23
        assert (
            each.confusion.sum(axis=1).tolist() == np.bincount(images.labels, minlength=7).tolist()
        )
        assert each.loss == pytest.approx(found[0].loss, rel=1e-5)
        np.testing.assert_array_equal(each.confusion, found[0].confusion)


def test_crops_average_probabilities(rng):
    images = split(rng, 6)
    model = with_preprocessing(network(), PREPROCESSING)
    total = 0.0
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 0)):
        crop = images.records.values[:, top : top + 8, left : left + 8]
        for view in (crop, crop[:, :, ::-1]):
            total = total + keras.ops.softmax(model(view)).numpy() / 10
    expected = -np.log(total[np.arange(6), images.labels]).mean()
    found = evaluate(network(), images, PREPROCESSING, crops="ten")
    assert found.loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("crops", "count"), [("centre", 1), ("ten", 10), ("144", 144)])
def test_a_batch_stays_within_the_budget(rng, monkeypatch, crops, count):
    """Also where one image has more crops than that."""
    sizes = []

    class Watched(keras.layers.Layer):
        def call(self, x):
            tf.numpy_function(lambda size: sizes.append(int(size)), [tf.shape(x)[0]], [])
            return x

    plain = network()
    watched = keras.Model(plain.inputs, Watched()(plain.output))
    small = functools.partial(batch_within, budget=3 * activation_bytes(watched))
    monkeypatch.setattr("kerasnets.evaluation.evaluator.batch_within", small)
    evaluate(watched, split(rng, 5), PREPROCESSING, crops=crops)
    assert sum(sizes) == 5 * count
    assert max(sizes) == 3


def test_the_predictions_of_a_network_with_auxiliary_classifiers_are_measured(rng):
    one = network()
    both = keras.Model(one.input, {"predictions": one.output, "aux1": -one.output})
    images = split(rng)
    assert evaluate(both, images, PREPROCESSING).loss == evaluate(one, images, PREPROCESSING).loss


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_network_of_probabilities_is_measured_by_its_logits(rng, activation):
    one, images = network(), split(rng)

    def logits(model, ends=activation):
        return logits_of_split(model, images, PREPROCESSING, activation=ends)

    expected = logits(one)
    top = one.layers[-1]
    inside = keras.layers.Dense(7, activation)
    ends = [keras.layers.Activation(activation)(one.output), inside(top.input)]
    inside.set_weights(top.get_weights())
    if activation == "softmax":
        ends.append(keras.layers.Softmax()(one.output))
    for end in ends:
        found = keras.Model(one.input, end)
        np.testing.assert_allclose(logits(found), expected, rtol=1e-6)
        # Numbers of a regression stay, whatever bounds them.
        assert 0 <= logits(found, "linear").min() <= logits(found, "linear").max() <= 1
    inner = keras.Model(one.input, ends[0], name="inner")
    with pytest.raises(UserError, match=f"inner, inside another model, ends in {activation}"):
        logits(keras.Model(one.input, inner(one.input)))
    np.testing.assert_array_equal(logits(keras.Model(one.input, one(one.input))), expected)
    # ReLU is no answer's activation.
    assert logits(keras.Model(one.input, keras.layers.ReLU()(one.output))).min() == 0


def test_dense_evaluation_takes_whole_images(rng):
    images = Split(
        Pixels(rng.integers(0, 256, (5, 12, 20, 1)).astype(np.uint8)),
        np.array([0, 1, 2, 3, 4], np.int32),
    )
    model = with_preprocessing(network(None), PREPROCESSING)
    mirrored = images.records.values[:, :, ::-1]
    total = sum(keras.ops.softmax(model(x)).numpy() / 2 for x in (images.records.values, mirrored))
    expected = -np.log(total[np.arange(5), images.labels]).mean()
    found = evaluate(network(None), images, PREPROCESSING, crops="dense", scales=(12,))
    assert found.loss == pytest.approx(expected, rel=1e-5)

    def said(*scales):
        how = {"crops": "dense", "scales": scales}
        return np.exp(logits_of_split(network(None), images, PREPROCESSING, **how))

    np.testing.assert_allclose(said(12, 16), (said(12) + said(16)) / 2, rtol=1e-5)
    assert np.abs(said(12) - said(16)).max() > 1e-4


def test_what_cannot_be_measured_is_told(rng):
    with pytest.raises(UserError, match="labels up to 6, the network only 5 classes"):
        evaluate(network(classes=5), split(rng, 50), PREPROCESSING)
    unlabelled = dataclasses.replace(split(rng), labels=np.full(23, -1, np.int32))
    with pytest.raises(UserError, match="images without a label: labels down to -1"):
        evaluate(network(), unlabelled, PREPROCESSING)
    with pytest.raises(UserError, match="has no images"):
        evaluate(network(), split(rng, 0), PREPROCESSING)
    with pytest.raises(UserError, match="Unknown way of cropping '12'"):
        evaluate(network(), split(rng), PREPROCESSING, crops="12")


@pytest.mark.parametrize("crops", ["ten", "dense"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, crops):
    for label in ("ant", "bee"):
        (tmp_path / "train" / label).mkdir(parents=True)
        (tmp_path / "train" / label / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    torn = load(f"folder:{tmp_path}").split("train")
    anything = network(size=None) if crops == "dense" else network()
    with pytest.raises(UserError, match="torn.png' cannot be read as an image"):
        evaluate(anything, torn, PREPROCESSING, crops=crops)


def test_the_report_has_every_table_and_picture(rng, tmp_path):
    names = ("a $ and a $", "b", "c", "d", "e", "f", "g")
    images = split(rng, 40)
    metrics = evaluate(network(), images, PREPROCESSING)
    write_report(tmp_path, metrics, names, images, PREPROCESSING, 1)
    assert {path.name for path in tmp_path.iterdir()} == set(FILES)
    with (tmp_path / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(names)
    assert sum(int(row["images"]) for row in rows) == 40
    with (tmp_path / "mistakes.csv").open(newline="") as file:
        mistakes = list(csv.DictReader(file))
    assert len(mistakes) == 40 - round(metrics.top1 * 40)
    sure = [float(row["probability"]) for row in mistakes]
    assert sure == sorted(sure, reverse=True)
    for name in ("confusion.png", "mistakes.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_report(tmp_path, metrics, names, images, PREPROCESSING, 1)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_report_without_mistakes(rng, tmp_path):
    images = split(rng, 4)
    model = network()
    pixels = images.records.values[:, :8, :8]
    answers = with_preprocessing(model, PREPROCESSING).predict(pixels, verbose=0).argmax(1)
    right = Split(Pixels(pixels), answers.astype(np.int32))
    metrics = evaluate(model, right, PREPROCESSING)
    assert metrics.top1 == 1
    write_report(tmp_path, metrics, tuple("abcdefg"), right, PREPROCESSING, 1)
    assert (tmp_path / "mistakes.png").exists()
