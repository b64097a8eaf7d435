"""``kerasnets report``, ``compare`` and ``runs``."""

import csv
import shutil

import numpy as np
import pytest

from kerasnets.cli import main as command_line
from tests.reports.made import made_run

NAMES = ("ant", "bee", "cat")
LABELS = np.arange(30) % 3


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of two runs, one that has not finished, one that is damaged, and something else."""
    folder = tmp_path_factory.mktemp("cli") / "runs"
    folder.mkdir()
    made_run(folder / "better", NAMES, LABELS, LABELS, model="lenet5_modern")
    made_run(folder / "alone", NAMES, (LABELS + (LABELS == 1)) % 3, LABELS, model="lenet5")
    open_ = made_run(folder / "open", NAMES, LABELS, LABELS)
    for name in ("weights.safetensors", "metrics.json", "history.csv"):
        (open_.folder / name).unlink()
    (folder / "damaged").mkdir()
    (folder / "damaged" / "config.json").write_text("{")
    (folder / "notes.txt").touch()
    return folder


def fails(words, capsys) -> str:
    with pytest.raises(SystemExit) as stop:
        command_line.main([str(word) for word in words])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("report", "Name a run folder"),
        ("report none", "'none' is no run folder"),
        ("report RUNS/open", "has not finished; go on with: kerasnets train --out"),
        ("report RUNS/better --out a.pdf", "--out must end in .html or .htm. Received: 'a.pdf'"),
        ("report RUNS/better --out none/a.html", "There is no folder 'none' for --out"),
        ("report RUNS/damaged", "is no configuration of a run"),
        ("report RUNS/better RUNS/better", "was given twice"),
        ("compare RUNS/better", "Give two run folders or more. Received: 1"),
        ("compare RUNS/better RUNS/open", "has not finished"),
        ("compare RUNS/better RUNS/alone --out a.gif", "--out must end in .png, .svg, .pdf."),
        ("compare RUNS/better RUNS/alone --csv a.txt", "--csv must end in .csv"),
        ("compare RUNS/better RUNS/alone RUNS/alone --csv a.csv", "--csv is for two runs"),
        ("runs none", "There is no folder 'none'"),
        ("runs RUNS/better", "is a run itself; kerasnets info shows it"),
        ("runs RUNS/damaged/..  --sort size", "invalid choice 'size'"),
        ("runs RUNS --csv a.txt", "--csv must end in .csv. Received: 'a.txt'"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(words, message, runs, capsys, monkeypatch):
    for name in ("report", "compare"):
        monkeypatch.setattr(
            f"kerasnets.cli.commands.{name}.load_tensorflow", lambda *_: pytest.fail("TensorFlow")
        )
    assert message in fails(words.replace("RUNS", str(runs)).split(), capsys)


def test_runs_are_listed(runs, capsys, tmp_path):
    out = tmp_path / "runs.csv"
    command_line.main(["runs", str(runs), "--sort", "accuracy", "--csv", str(out)])
    shown = capsys.readouterr()
    lines = [line.split() for line in shown.out.splitlines() if line]
    assert [line[0] for line in lines[2:5]] == ["better", "alone", "open"]
    assert "100.00%" in lines[2]
    assert "66.67%" in lines[3]
    assert "of" in lines[4]
    assert "left out: " in shown.err
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows[:2]] == [1, pytest.approx(2 / 3)]
    assert rows[0]["time"] == "6.0"
    command_line.main(["runs", str(runs), "--sort", "name"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert [line[0] for line in lines[2:]] == ["alone", "better", "open"]


def test_a_folder_without_runs_is_told(tmp_path, capsys):
    assert "There are no runs in" in fails(["runs", tmp_path], capsys)


def test_runs_are_compared(runs, capsys, tmp_path):
    words = [str(runs / "alone"), str(runs / "better"), "--no-latency"]
    more = ["--out", str(tmp_path / "c.svg"), "--csv", str(tmp_path / "c.csv")]
    command_line.main(["compare", *words, *more])
    shown = capsys.readouterr().out
    assert "better is better than alone by 33.33 percentage points" in shown
    assert "model" in shown
    assert "10 images with other predictions" in shown
    assert (tmp_path / "c.svg").read_bytes().startswith(b"<?xml")


def test_images_cannot_be_listed_without_scores(runs, tmp_path, capsys):
    for name in ("alone", "better"):
        shutil.copytree(runs / name, tmp_path / name)
    (tmp_path / "alone" / "scores.npz").unlink()
    words = ["compare", tmp_path / "alone", tmp_path / "better", "--csv", tmp_path / "c.csv"]
    assert "--csv is not possible: alone was evaluated by an earlier" in fails(words, capsys)


def test_latencies_are_measured(short_run, tmp_path, capsys):
    again = shutil.copytree(short_run.folder, tmp_path / "again")
    command_line.main(["compare", str(short_run.folder), str(again)])
    shown = capsys.readouterr().out
    assert shown.count(" ms") == 2
    assert "Both have the same accuracy on these 450 images" in shown


def test_a_report_is_written(runs, capsys, tmp_path):
    out = tmp_path / "both.html"
    words = ["report", str(runs / "alone"), str(runs / "better"), "--no-pictures"]
    command_line.main([*words, "--out", str(out)])
    assert capsys.readouterr().out == f"Written to {out}.\n"
    assert "better is better than alone" in out.read_text(encoding="utf-8")
