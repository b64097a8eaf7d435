"""`kerasnets predict --runner beam` in an environment with Apache Beam; for `make trials`."""

from __future__ import annotations

import csv
import os
import pathlib
import subprocess
import sys
import venv

import pytest

from tests.conftest import ROOT
from tests.prediction.made import photographs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

BAD = (7, 50, 99)
WORKERS = "--runner=DirectRunner --direct_num_workers=3 --direct_running_mode=multi_processing"


@pytest.fixture(scope="module")
def with_beam(tmp_path_factory) -> pathlib.Path:
    """The Python of an environment that Beam's own bounds choose; constraints.txt exceeds them."""
    folder = tmp_path_factory.mktemp("beam")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[beam]"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot install Apache Beam: {done.stderr[-300:]}")
    return python


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> pathlib.Path:
    return photographs(tmp_path_factory.mktemp("photos"), 100, bad=BAD)


def predicted(python, *arguments) -> subprocess.CompletedProcess:
    words = [python, "-m", "kerasnets.cli.main", "predict", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, env=environment, capture_output=True, text=True)


def rows(path: pathlib.Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_three_workers_answer_on_each_file_once(with_beam, exported_run, photos, tmp_path):
    model, plain, shared = exported_run(), tmp_path / "plain.csv", tmp_path / "shared.csv"
    assert predicted(sys.executable, model, photos, "--out", plain).returncode == 0
    by_beam = ("--runner", "beam", "--runner-shards", "6", f"--runner-flags={WORKERS}")
    done = predicted(with_beam, model, photos, "--out", shared, *by_beam)
    assert done.returncode == 0, done.stderr
    expected, found = rows(plain), rows(shared)
    # Batches of other images change the last digits.
    assert [row[:2] for row in found] == [row[:2] for row in expected]
    assert len({row[0] for row in found}) == 1 + 100 - len(BAD)
    bad = [path.with_name(f"{path.name}.bad.csv") for path in (plain, shared)]
    assert rows(bad[0]) == rows(bad[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in (plain, shared, *bad)
    )


def test_a_lost_worker_loses_no_answer_and_a_refusal_is_one_line(
    with_beam, exported_run, photos, tmp_path
):
    path = tmp_path / "answers.csv"
    by_beam = ("--out", path, "--runner", "beam", "--runner-shards", "4")
    refused = predicted(with_beam, exported_run(), photos, *by_beam, "--bad-files", "fail")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("kerasnets: ")
    assert "cannot be read as an image" in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr
    # The shards without a bad file are there; those begun go on.
    assert (tmp_path / "answers-2-of-4.csv").exists()
    again = predicted(with_beam, exported_run(), photos, *by_beam, "--resume")
    assert again.returncode == 0, again.stderr
    assert len(rows(path)) == 1 + 100 - len(BAD)
