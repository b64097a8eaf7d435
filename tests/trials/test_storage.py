"""Commands that are killed, whose disk is full or whose folder is protected lose nothing."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KILLS = 20
# What each command writes, in a folder of its own.
COMMANDS = {
    "export": ("export", "{run}", "--to", "{out}/models"),
    "evaluate": ("evaluate", "{run}", "--out", "{out}/report"),
    "pack": ("data", "pack", "folder:{images}", "--out", "{out}/records"),
    "check": ("data", "check", "folder:{images}", "--out", "{out}/check"),
    "convert": ("convert", "{run}/weights.safetensors", "{out}/lenet.weights.h5"),
}


@pytest.fixture(scope="session")
def command(short_run, image_folder):
    def arguments(name: str, out: pathlib.Path) -> list[str]:
        places = {"run": short_run.folder, "images": image_folder, "out": out}
        words = [word.format_map(places) for word in (COMMANDS | TRAIN)[name]]
        return [sys.executable, "-m", "kerasnets.cli.main", *words]

    return arguments


TRAIN = {
    "train": (
        "train", "--data", "digits", "--model", "lenet5_modern", "--epochs", "1", "--out",
        "{out}/run", "--savedmodels", "{out}/models",
    )
}  # fmt: skip


def start(arguments: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(arguments: list[str]) -> tuple[int, str]:
    """The exit code, and what stands on standard error."""
    process = start(arguments)
    _, shown = process.communicate()
    return process.returncode, shown


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """All files but the partial ones, by their names."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.parts)
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_leaves_what_was_there(command, tmp_path, name):
    out, moments = tmp_path / "out", random.Random(name)
    out.mkdir()
    began = time.monotonic()
    code, shown = run(command(name, out))
    assert code == 0, shown
    seconds = time.monotonic() - began
    before = contents(out)
    assert before
    for _ in range(KILLS):
        process = start(command(name, out))
        # Little is written in the first half, while the frameworks load.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds * moments.uniform(0.4, 1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        after = contents(out)
        # A command may add a version or end before it is killed; what there was must be whole.
        assert before.keys() <= after.keys()
        whole = {key: len(value) > 0 for key, value in after.items()}
        assert all(whole[key] for key, value in before.items() if value)
        if name in ("export", "pack", "convert"):
            assert {key: after[key] for key in before} == before
    code, shown = run(command(name, out))
    assert code == 0, shown
    left = [path for path in out.rglob("*") if path.name.startswith(".partial")]
    assert not left


@contextlib.contextmanager
def mounted(folder: pathlib.Path, options: str) -> Iterator[pathlib.Path]:
    """A file system of its own in memory."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True
    )
    if made.returncode:
        pytest.skip("only a user who may mount file systems can fill one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("name", COMMANDS | TRAIN)
@pytest.mark.parametrize("size", ["4k", "32k", "96k"])
def test_a_full_disk_ends_a_command_in_one_line(command, tmp_path, name, size):
    with mounted(tmp_path / "full", f"size={size}") as out:
        code, shown = run(command(name, out))
        lines = [line for line in shown.splitlines() if line.startswith("kerasnets: ")]
        if code == 0:
            assert not lines, "what fits is no error"
            return
        assert code == 2, shown
        assert "Traceback" not in shown
        assert "No space left on device" in lines[-1], shown
        assert lines == shown.splitlines()[-1:], shown
        # What was being written is gone or begins with a dot, and nothing that stays is cut off.
        (tmp_path / "whole").mkdir()
        code, shown = run(command(name, tmp_path / "whole"))
        assert code == 0, shown
        whole = {key: len(value) for key, value in contents(tmp_path / "whole").items()}
        left = {key: len(value) for key, value in contents(out).items()}
        for key, length in left.items():
            if key in whole and key.endswith((".safetensors", ".h5", ".tfrecord", ".pb")):
                assert length == whole[key], key


@pytest.mark.parametrize("name", COMMANDS | TRAIN)
def test_a_protected_folder_is_refused_before_the_work(command, tmp_path, name):
    with mounted(tmp_path / "protected", "ro") as out:
        began = time.monotonic()
        code, shown = run(command(name, out))
        seconds = time.monotonic() - began
    lines = [line for line in shown.splitlines() if line.startswith("kerasnets: ")]
    assert code == 2, shown
    assert len(lines) == 1, shown
    assert str(out) in lines[0]
    print(f"{name}: {seconds:.1f} s: {lines[0]}")
    assert shutil.which("mount")
