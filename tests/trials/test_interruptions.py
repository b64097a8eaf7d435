"""A run that is killed again and again ends as one that nobody disturbed."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasnets.weights import read_tensors

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(7200)]

ROOT = pathlib.Path(__file__).parent.parent.parent
KILLS = 20


@pytest.fixture(scope="module")
def slice_of_cifar(shared, tmp_path_factory) -> pathlib.Path:
    """The first 128 training and 10 test images of each class."""
    import tarfile

    folder = tmp_path_factory.mktemp("cifar")
    counts = {"train": 128, "test": 10}
    with tarfile.open(shared / "data" / "cifar10-jpeg.tar.xz") as archive:
        seen: dict[tuple[str, str], int] = {}
        for member in archive:
            _, *parts = pathlib.PurePath(member.name).parts
            if not member.isfile() or len(parts) != 3:
                continue
            seen[key] = seen.get(key := (parts[0], parts[1]), 0) + 1
            if seen[key] <= counts[parts[0]]:
                archive.extract(member, folder, filter="data")
    return folder / "cifar10-jpeg"


def command(data: pathlib.Path, out: pathlib.Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "kerasnets.cli.main", "train", "--model", "resnet20_cifar",
        "--data", f"folder:{data}", "--epochs", "30", "--save-steps", "3", "--no-export",
        "--out", str(out), *more,
    ]  # fmt: skip


def start(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def undisturbed(slice_of_cifar, tmp_path_factory) -> dict[str, np.ndarray]:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    process = start(command(slice_of_cifar, out))
    _, shown = process.communicate()
    assert process.returncode == 0, shown
    return read_tensors(out / "weights.safetensors")


def damage(checkpoints: pathlib.Path) -> None:
    """Cuts the newest checkpoint off and turns a bit of the one before."""
    *_, older, newest = sorted(checkpoints.glob("step_*.safetensors"))
    os.truncate(newest, newest.stat().st_size // 2)
    content = bytearray(older.read_bytes())
    content[-100] ^= 4
    older.write_bytes(content)


@pytest.mark.parametrize(("kind", "times"), [(signal.SIGKILL, KILLS), (signal.SIGTERM, 5)])
def test_a_run_that_is_killed_ends_bit_by_bit_the_same(
    slice_of_cifar, undisturbed, tmp_path, kind, times
):
    out, moments = tmp_path / "run", random.Random(int(kind))
    done, damaged = 0, False
    while True:
        resume = ["--resume"] if (out / "config.json").exists() else []
        process = start(command(slice_of_cifar, out, *resume))
        if done == times:
            break
        wait_for_progress(process, out)
        time.sleep(moments.uniform(0, 4))
        process.send_signal(kind)
        _, shown = process.communicate()
        assert process.returncode in (-signal.SIGKILL, 130), shown
        done += 1
        if done == times // 2 and len(list((out / "checkpoints").iterdir())) == 3:
            damage(out / "checkpoints")
            damaged = True
    _, shown = process.communicate()
    assert process.returncode == 0, shown
    assert damaged
    ended = read_tensors(out / "weights.safetensors")
    assert ended.keys() == undisturbed.keys()
    for name, array in undisturbed.items():
        assert array.tobytes() == ended[name].tobytes(), name


def wait_for_progress(process: subprocess.Popen, out: pathlib.Path) -> None:
    """Until a new checkpoint is written: only then is there something to lose."""
    before = newest(out)
    while newest(out) == before:
        if process.poll() is not None:
            pytest.fail(f"the run ended before it was killed: {process.stderr.read()}")
        time.sleep(0.05)


def newest(out: pathlib.Path) -> pathlib.Path | None:
    return max((out / "checkpoints").glob("step_*.safetensors"), default=None)
