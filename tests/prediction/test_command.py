"""``kerasnets predict --out`` and ``kerasnets merge`` as processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from kerasnets.export import Form
from tests.conftest import ROOT
from tests.prediction.made import photographs


@pytest.fixture
def litert(exported_run):
    return exported_run(Form(format="litert"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three hundred images, some of which cannot be read, many times."""
    folder = tmp_path_factory.mktemp("photos")
    photographs(folder / "some", 300, bad=(7, 150, 299))
    for copy in range(20):
        (folder / f"copy{copy}").symlink_to(folder / "some")
    return folder


def command(*arguments, **options):
    words = [sys.executable, "-m", "kerasnets.cli.main", "predict", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True, **options)


def finished(*arguments):
    process = command(*arguments)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def test_overwrite_removes_nothing_before_there_is_a_model(photos, tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("kept")
    process = command(tmp_path / "none", photos, "--out", path, "--overwrite")
    assert "There is no SavedModel" in process.communicate(timeout=120)[1]
    assert process.returncode == 2
    assert path.read_text() == "kept"


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("litert", "csv"),
        ("litert", "parquet"),
        pytest.param("savedmodel", "csv", marks=pytest.mark.slow),
    ],
)
def test_a_killed_process_goes_on_to_the_same_bytes(kind, ending, exported_run, photos, tmp_path):
    model = exported_run(Form(format=kind))
    whole, path = tmp_path / f"whole.{ending}", tmp_path / f"answers.{ending}"
    finished(model, photos, "--out", whole)
    process = command(model, photos, "--out", path)
    progress = tmp_path / f"answers.{ending}.progress"
    deadline = time.monotonic() + 60
    while not progress.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert progress.exists()
    assert not path.exists()
    said = finished(model, photos, "--out", path, "--resume")
    assert f"Written to {path}: 6,237 answers; 63 bad files are in {path}.bad.csv." in said
    assert path.read_bytes() == whole.read_bytes()
    bad = [(tmp_path / f"{each.name}.bad.csv").read_bytes() for each in (path, whole)]
    assert bad[0] == bad[1]
    assert {each.name for each in tmp_path.iterdir()} == {
        *(f"{name}.{ending}" for name in ("whole", "answers")),
        *(f"{name}.{ending}.bad.csv" for name in ("whole", "answers")),
    }
    assert f"{path} is complete." in finished(model, photos, "--out", path, "--resume")


def test_machines_share_the_work(litert, photos, tmp_path, kerasnets_command):
    whole, path = tmp_path / "whole.jsonl", tmp_path / "answers.jsonl"
    finished(litert, photos / "some", "--out", whole)
    for index in (1, 2):
        finished(litert, photos / "some", "--out", path, "--shard", f"{index}/2")
    result = kerasnets_command("merge", path)
    assert result.stdout == f"Written to {path}: 297 answers, 3 bad files.\n"
    assert path.read_bytes() == whole.read_bytes()


def test_only_one_process_writes_a_file(litert, photos, tmp_path):
    path = tmp_path / "answers.csv"
    # It waits for names until the other process has ended.
    first = command(litert, "-", "--out", path, stdin=subprocess.PIPE)
    while not (tmp_path / ".answers.csv.lock").exists() and first.poll() is None:
        time.sleep(0.005)
    second = command(litert, photos / "some", "--out", path, "--resume")
    assert f"Another process writes '{path}'." in second.communicate()[1]
    assert second.returncode == 2
    first.communicate(str(next((photos / "some").iterdir())))
    assert first.returncode == 0
    assert path.exists()
