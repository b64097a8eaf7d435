import pathlib
import subprocess
import sys

import pytest

from benchmarks.side_by_side.results import load, results_files

ROOT = pathlib.Path(__file__).parent.parent.parent


def command(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.side_by_side", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_the_page_is_written_from_the_files_that_are_kept(tmp_path):
    results = ROOT / "benchmarks" / "results"
    done = command("--read", results, "--report", tmp_path / "RESULTS.md")
    assert done.returncode == 0, done.stderr
    kept = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    assert (tmp_path / "RESULTS.md").read_text(encoding="utf-8") == kept
    assert kept.count("\n## ") == len(results_files(results))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--networks", "vit"], "Unknown network 'vit'"),
        (["--peers", "caffe"], "Unknown peer 'caffe'"),
        (["--read", "/none"], "There are no results in '/none'"),
        (["--report", "R.md"], "--report needs --out or --read"),
        (["--out", "results"], "--out must be a .json file. Received: 'results'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments, message, monkeypatch, capsys):
    from benchmarks.side_by_side import __main__ as module

    monkeypatch.setattr(sys, "argv", ["side_by_side", *arguments])
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_smoke(tmp_path):
    done = command("--smoke", "--out", tmp_path / "here.json", "--report", tmp_path / "here.md")
    assert done.returncode == 0, done.stderr
    rows = load(tmp_path / "here.json").rows
    ours = {row.what: row.error for row in rows if row.peer == "kerasnets"}
    assert ours == dict.fromkeys(("build", "eager", "graph", "xla", "exported", "train"))
    theirs = {row.what for row in rows if row.peer == "keras.applications" and not row.error}
    assert theirs == set(ours)
    assert (tmp_path / "here.png").exists()
    assert "| resnet50 | train |" in (tmp_path / "here.md").read_text()
