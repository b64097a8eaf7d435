"""Explanations by the pixels of an image: by gradients, or by what is lost where it is hidden.

Each method is a function of a classifier, one image (H, W, C) and a class, that returns (H, W).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from kerasnets.explanation.classifier import Classifier
from kerasnets.explanation.occluding import falls

# Smilkov et al. 2017, section 3.2: noise of 10 to 20 % of the range of values, some 50 samples.
NOISE = 0.15
SAMPLES = 50
# Integrated gradients: the least and the most steps, and the gap of completeness that ends them.
LEAST_STEPS = 32
MOST_STEPS = 1024
TOLERANCE = 0.005


def smooth_grad(
    classifier: Classifier, image: np.ndarray, label: int, *, samples: int = SAMPLES
) -> np.ndarray:
    """The mean gradient of the logit at noisy copies of the image; the largest of the channels.

    Smilkov et al. 2017, "SmoothGrad: removing noise by adding noise", arXiv 1706.03825, section 2.
    The same image gets the same noise every time.

    Returns:
        (H, W), not negative: absolute values, in logits for each unit of a pixel.
    """
    image = image.astype(np.float32)
    draw = np.random.default_rng(0)
    deviation = NOISE * (image.max() - image.min())
    copies = (
        image + deviation * draw.standard_normal(image.shape, np.float32) for _ in range(samples)
    )
    gradient = _mean_gradient(classifier, copies, label, classifier.batch(image))
    return np.abs(gradient).max(axis=2)


def integrated_gradients(classifier: Classifier, image: np.ndarray, label: int) -> np.ndarray:
    """The image times the mean gradient on the straight line from zeros to it, over the channels.

    Sundararajan et al. 2017, "Axiomatic attribution for deep networks", arXiv 1703.01365,
    equation 1. Zeros are black for a model of raw pixels, the mean colour for scaled ones. The
    trapezoidal rule is refined until the sum is the difference of the two logits (proposition 1)
    within half a percent, or after `MOST_STEPS`.

    Returns:
        (H, W) with both signs, in logits; its sum is the logit of the image less that of zeros.
    """
    image = image.astype(np.float32)
    ends = np.stack([np.zeros_like(image), image])
    before, after = keras.ops.convert_to_numpy(classifier.logits(ends))[:, label]
    batch = classifier.batch(image)
    mean, steps = _mean_gradient(classifier, ends, label, batch), 1
    while steps < LEAST_STEPS or (
        steps < MOST_STEPS
        and abs((image * mean).sum() - (after - before)) > TOLERANCE * abs(after - before)
    ):
        midpoints = ((step + 0.5) / steps * image for step in range(steps))
        mean = (mean + _mean_gradient(classifier, midpoints, label, batch)) / 2
        steps *= 2
    return (image * mean).sum(axis=2)


def occlusion(
    classifier: Classifier,
    image: np.ndarray,
    label: int,
    *,
    side: int | None = None,
    stride: int | None = None,
) -> np.ndarray:
    """How far the logit falls where a square hides the image; see `occluding.falls`.

    Args:
        classifier, image, label: As above.
        side: Side of the squares, in pixels; a seventh of the image's shorter side by default.
        stride: Pixels from one square to the next; half of `side` by default.

    Returns:
        (H, W) with both signs, in logits: for each pixel the mean fall of the squares on it.
    """

    def logits(images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for batch in _batches(images, classifier.batch(image)):
            yield from keras.ops.convert_to_numpy(classifier.logits(batch))[:, [label]]

    return falls(logits, image, side=side, stride=stride)[0]


def _mean_gradient(
    classifier: Classifier, images: Iterable[np.ndarray], label: int, step: int
) -> np.ndarray:
    """The mean gradient of a logit by the pixels, (H, W, C) float64; `step` images at a time."""
    total: Any = 0.0
    count = 0
    for batch in _batches(images, step):
        _, _, gradients = classifier.gradients(batch, np.full(len(batch), label))
        total = total + keras.ops.convert_to_numpy(gradients).sum(axis=0, dtype=np.float64)
        count += len(batch)
    return total / count


def _batches(images: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    images = iter(images)
    while batch := list(itertools.islice(images, size)):
        yield np.stack(batch)
