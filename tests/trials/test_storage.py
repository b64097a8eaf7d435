"""Commands that are killed, whose disk is full or whose folder is protected lose nothing."""

from __future__ import annotations

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KILLS = 20
# What writes again to the same place, in a folder of its own.
REPEATED = {
    "export": "export {run} --to {out}/models",
    "evaluate": "evaluate {run} --out {out}/report",
    "pack": "data pack folder:{images} --out {out}/records",
    "check": "data check folder:{images} --out {out}/check",
    "convert": "convert {run}/weights.safetensors {out}/lenet.weights.h5",
}
TRAIN = (
    "train --data digits --model lenet5_modern --epochs 1 --out {out}/run "
    "--savedmodels {out}/models"
)
COMMANDS = {**REPEATED, "train": TRAIN}


@pytest.fixture(scope="session")
def words(short_run, image_folder) -> Callable[[str, pathlib.Path], list[str]]:
    """The arguments of a command that writes to a folder."""

    def arguments(name: str, out: pathlib.Path) -> list[str]:
        places = {"run": short_run.folder, "images": image_folder, "out": out}
        return [word.format_map(places) for word in COMMANDS[name].split()]

    return arguments


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """All files but the partial ones, by their names."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.parts)
    }


@pytest.mark.parametrize("name", REPEATED)
def test_a_command_that_is_killed_leaves_what_was_there(words, kerasnets_command, tmp_path, name):
    moments = random.Random(name)
    began = time.monotonic()
    ended = kerasnets_command(*words(name, tmp_path))
    assert ended.returncode == 0, ended.stderr
    seconds = time.monotonic() - began
    before = contents(tmp_path)
    assert before
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "kerasnets.cli.main", *words(name, tmp_path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        # Little is written in the first half, while the frameworks load.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds * moments.uniform(0.4, 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = contents(tmp_path)
        # What is written anew has the same content; an export adds a version.
        assert {key: after.get(key) for key in before} == before
    ended = kerasnets_command(*words(name, tmp_path))
    assert ended.returncode == 0, ended.stderr
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".partial")]


@contextlib.contextmanager
def mounted(folder: pathlib.Path, options: str) -> Iterator[pathlib.Path]:
    """A file system of its own in memory."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only a user who may mount file systems can fill one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("size", ["4k", "32k", "96k"])
def test_a_full_disk_ends_a_command_in_one_line(words, kerasnets_command, tmp_path, name, size):
    enough, whole = tmp_path / "enough", {}
    enough.mkdir()
    with mounted(tmp_path / "full", f"size={size}") as out:
        ended = kerasnets_command(*words(name, out))
        if ended.returncode:
            assert ended.returncode == 2, ended.stderr
            assert "Traceback" not in ended.stderr
            last = ended.stderr.splitlines()[-1]
            assert last.startswith("kerasnets: ")
            assert "No space left on device" in last
            assert kerasnets_command(*words(name, enough)).returncode == 0
            whole = contents(enough)
        for key, content in contents(out).items():
            if key in whole and key.endswith((".safetensors", ".h5", ".tfrecord", ".pb")):
                assert len(content) == len(whole[key]), key


@pytest.mark.parametrize("name", COMMANDS)
def test_a_protected_folder_is_refused_before_the_work(words, kerasnets_command, tmp_path, name):
    with mounted(tmp_path / "protected", "ro") as out:
        ended = kerasnets_command(*words(name, out))
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("kerasnets: ")
    assert str(out) in line
