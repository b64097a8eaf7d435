"""What the tests share: small data made on the spot, and one short real run."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As kerasnets does, also for tests that import TensorFlow before it: where maxima tie, the pooling
# of oneDNN sends the gradient elsewhere.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent
# The running server that tests of several packages ask.
pytest_plugins = ["tests.serving.server"]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Each test draws the same weights every time: of few channels all may be dead by chance."""
    import keras

    keras.utils.set_random_seed(20)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """Real data; its tests are skipped where there is none."""
    folder = pathlib.Path(os.environ.get("KERASNETS_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("no real data: KERASNETS_SHARED does not point at any")
    return folder


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory) -> pathlib.Path:
    """Two classes that differ in colour, 12 training and 6 test images of many sizes."""
    from PIL import Image

    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(3)
    for split, count in (("train", 12), ("test", 6)):
        for label, colour in (("blue sky", (40, 60, 220)), ("rote Rosen", (220, 40, 40))):
            folder = root / split / label
            folder.mkdir(parents=True)
            for index in range(count):
                height, width = rng.integers(20, 60, 2)
                noise = rng.integers(-30, 30, (height, width, 3))
                pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                suffix = ("jpg", "png", "bmp", "gif")[index % 4]
                Image.fromarray(pixels).save(folder / f"{index}.{suffix}")
    return root


@pytest.fixture(scope="session")
def short_run(tmp_path_factory):
    """A real run, three epochs long."""
    from kerasnets.config import TrainConfig, recipe
    from kerasnets.training import train

    folder = tmp_path_factory.mktemp("run") / "run"
    return train(
        TrainConfig(
            model="lenet5_modern", data="digits", recipe=recipe("digits", epochs=3), out=folder
        )
    )


@pytest.fixture(scope="session")
def kerasnets_command():
    """Runs the command line in a process of its own."""

    def run(*arguments: object, cwd: pathlib.Path | None = None, wait: float = 300):
        return subprocess.run(
            [sys.executable, "-m", "kerasnets.cli.main", *map(str, arguments)],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=wait,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    return run
