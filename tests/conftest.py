"""What the tests share: small data made on the spot, and one short real run."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pathlib
import random
import subprocess
import sys
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As kerasnets does, also for tests that import TensorFlow before it: where maxima tie, the pooling
# of oneDNN sends the gradient elsewhere.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Its own allocator gives nothing back: a process would keep the memory of the largest networks.
os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")

# LLVM of Triton, which PyTorch's builds for CUDA bring, crashes where TensorFlow's came first.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401  # pyright: ignore[reportMissingImports]

import numpy as np
import pytest

from kerasnets.lazy import installed

ROOT = pathlib.Path(__file__).parent.parent
# The running server and the browser that tests of several packages ask for.
pytest_plugins = ["tests.browser", "tests.serving.server"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for package in mark.args:
            if not installed(package):
                pytest.skip(f"{package} is not installed; `make trials` has it")


@pytest.fixture(scope="session", autouse=True)
def _frameworks() -> None:
    """The collector of circles passes over the objects of the frameworks, which all stay."""
    import keras
    import tensorflow

    assert tensorflow
    keras.utils.set_random_seed(20)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(scope="session")
def resident() -> dict[str, int]:
    """The memory of this process when its garbage was last collected, in MiB."""
    return {"collected": _resident_mib()}


@pytest.fixture(autouse=True)
def _collected(resident) -> Iterator[None]:
    """A network lies in circles of references: those that tests leave would pile up.

    TensorFlow keeps a kernel of 35 kB for each name and shape that a variable ever had, and glibc
    what becomes free between what is in use: some 100 MiB a network.
    """
    yield
    if _resident_mib() > resident["collected"] + 200:
        from tensorflow.python.eager import context  # there is no public name

        gc.collect()
        context.context().clear_kernel_cache()
        if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
            libc.malloc_trim(0)
        resident["collected"] = _resident_mib()


def _resident_mib() -> int:
    statm = pathlib.Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Each test draws the same weights every time: of few channels all may be dead by chance.

    Keras draws the seeds of its layers from Python. TensorFlow's own seed would be followed by
    seconds in which it makes its kernels anew.
    """
    random.seed(20)
    np.random.seed(20)


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
def exported_run(short_run, tmp_path_factory):
    """An export of `short_run`, made once for each form unless it is to be anew; leave it as it is."""
    from kerasnets.export import Form, export_run

    made = {}

    def exported(form: Form | None = None, *, anew: bool = False) -> pathlib.Path:
        form = form or Form()
        if anew or form not in made:
            made[form] = export_run(short_run, tmp_path_factory.mktemp("export"), form=form)
        return made[form]

    return exported


@contextlib.contextmanager
def nothing_drawn() -> Iterator[None]:
    """Trainings draw nothing at their end, which takes half of a short one's time."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "kerasnets.evaluation.plots.save_confusion",
            "kerasnets.evaluation.plots.save_pictures",
            "kerasnets.training.trainer.save_curves",
            "kerasnets.training.trainer.save_page",
        ):
            patch.setattr(name, lambda *_, **__: None)
        yield


@pytest.fixture
def without_pictures() -> Iterator[None]:
    """For tests that train and look at no picture; fixtures of modules use `nothing_drawn`."""
    with nothing_drawn():
        yield


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
