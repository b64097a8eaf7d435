"""docs/walkthrough.md as its reader would go through it, on the photographs of flowers.

The page's blocks run as they are written, in one folder, by bash. Twelve trials and 100,000 files
take an hour on two cores. What each block printed and how long it took is in walkthrough.log in the
folder that pytest keeps.
"""

from __future__ import annotations

import collections
import csv
import itertools
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import time

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalStorage

from kerasnets import Run
from tests.publishing.hub import environment, hub

assert hub  # a fixture
pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(4 * 3600)]
ROOT = pathlib.Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
PHOTOGRAPHS, COPIES = 1500, 67


@pytest.fixture(scope="module")
def day(shared, hub, tmp_path_factory) -> pathlib.Path:
    """The folder in which all blocks of the page have run."""
    folder = tmp_path_factory.mktemp("walkthrough")
    _unpack(shared / "data" / "flowers.tar", folder)
    programs = tmp_path_factory.mktemp("programs")
    command = programs / "kerasnets"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m kerasnets.cli.main "$@"\n')
    command.chmod(0o755)
    path = [str(programs), str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]
    variables = {
        **os.environ,
        **environment(hub, tmp_path_factory.mktemp("home")),
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": str(ROOT),
    }
    with (folder / "walkthrough.log").open("w", encoding="utf-8", buffering=1) as log:
        for block in BLOCKS:
            log.write(f"$ {block}")
            begun = time.monotonic()
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block], cwd=folder, env=variables,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            log.write(f"[{time.monotonic() - begun:.0f} s]\n\n")
            assert done.returncode == 0, (folder / "walkthrough.log").read_text()[-4000:]
    return folder


def _unpack(archive: pathlib.Path, folder: pathlib.Path) -> None:
    """A folder for each class, as the page describes it; the archive has two splits of them."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile():
                _, split, label, name = pathlib.PurePosixPath(member.name).parts
                member.name = f"flowers/{label}/{split}_{name}"
                tar.extract(member, folder, filter="data")


def test_the_photographs_are_learned(day):
    run = Run.load(day / "runs" / "flowers")
    assert run.metrics()["images"] == PHOTOGRAPHS // 5
    assert run.metrics()["top1"] > 0.4
    assert (run.folder / "README.md").is_file()


def test_two_processes_have_worked_on_one_study(day):
    storage = JournalStorage(JournalFileBackend(str(day / "studies" / "flowers" / "journal.log")))
    trials = optuna.load_study(study_name="kerasnets", storage=storage).trials
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}
    assert len(trials) == 12
    both = [
        one.datetime_complete > other.datetime_start
        for one, other in itertools.pairwise(sorted(trials, key=lambda trial: trial.datetime_start))
    ]
    assert sum(both) > len(both) / 2
    assert Run.load(day / "studies" / "flowers" / "best").trained_epochs == 15


def test_what_the_exports_cost(day):
    log = (day / "walkthrough.log").read_text(encoding="utf-8")
    float32, int8 = map(float, re.findall(r"the export costs (-?[\d.]+) percentage points", log))
    assert float32 == 0
    assert int8 < 3


def test_each_file_is_answered_once_in_spite_of_the_kill(day):
    with (day / "answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [row["image"] for row in rows]
    assert len(set(names)) == len(names) == PHOTOGRAPHS * COPIES
    assert names == sorted(names)
    answers = collections.defaultdict(set)
    for row in rows:
        answers[row["image"].split("/", 2)[2]].add(row["class_1"])
    assert len(answers) == PHOTOGRAPHS
    assert all(len(classes) == 1 for classes in answers.values())


def test_the_run_is_on_the_hub(day, hub):
    assert {"README.md", "weights.safetensors", "savedmodel/saved_model.pb"} <= set(
        hub.repositories["me/flowers"]
    )
