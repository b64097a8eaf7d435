"""Golden logits of other projects' networks, for weights and images that are drawn anew here.

``SOURCE/MODEL.json`` holds the names and shapes of the project's tensors, ``SOURCE/MODEL.npy`` its
logits, (2, classes) in float64, for the weights of `golden_state` and the images of
`golden_images`. The logits were computed by the project itself, in float64 and evaluation mode.
"""

from __future__ import annotations

import json
import math
import pathlib
import zlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent


def manifest(source: str, model: str) -> dict:
    """``input_size``, ``params``, ``macs`` and ``tensors``: shapes by name, in the file's order."""
    return json.loads((FOLDER / source / f"{model}.json").read_text())


def golden_logits(source: str, model: str) -> np.ndarray:
    """(2, classes), float64."""
    return np.load(FOLDER / source / f"{model}.npy")


def golden_state(source: str, model: str) -> dict[str, np.ndarray]:
    """The weights by name, float32; each drawn from a generator that its name seeds."""
    shapes = manifest(source, model)["tensors"]
    return {
        name: _draw(name, shape, shapes).astype("float32")
        for name, shape in shapes.items()
        if not name.endswith("num_batches_tracked")
    }


def _draw(name: str, shape: list[int], names: dict) -> np.ndarray:
    draw = np.random.default_rng(zlib.crc32(name.encode()))
    stem, _, kind = name.rpartition(".")
    if len(shape) in (2, 4):
        gain = {2: 1.0, 4: 2.0}[len(shape)]
        return draw.standard_normal(shape) * math.sqrt(gain / math.prod(shape[1:]))
    if kind == "running_var":
        return draw.uniform(0.8, 1.25, shape)
    if kind == "weight" and f"{stem}.running_mean" in names:
        return draw.uniform(0.6, 1.2, shape)
    return draw.standard_normal(shape) * 0.02


def golden_images(size: int) -> np.ndarray:
    """Two images, (2, size, size, 3) float32, that need no preprocessing."""
    draw = np.random.default_rng(2024)
    cells = math.ceil(size / 16)
    blobs = np.kron(draw.standard_normal((2, 3, cells, cells)), np.ones((16, 16)))
    blobs = blobs[..., :size, :size]
    ramp = np.linspace(-2, 2, size)[:, None]
    images = np.stack([3.0 * blobs[0], 0.3 * blobs[1] + ramp])
    return images.transpose(0, 2, 3, 1).astype("float32")
