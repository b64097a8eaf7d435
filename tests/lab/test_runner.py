"""Running, going on after a kill, and what is refused."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from kerasnets import UserError, lab
from kerasnets.lab.catalogue import experiment, names
from kerasnets.lab.cells import Measured
from kerasnets.lab.design import SECTIONS
from kerasnets.lab.results import Results

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", names())
def test_a_docstring_says_what_is_claimed(name):
    own = experiment(name)
    assert own.name == name
    assert set(own.sections) >= set(SECTIONS) - {"Published"}
    assert own.short_source[-4:].isdigit()
    assert {claim.of for claim in own.claims} <= set(own.variants)
    assert (
        len(
            (ROOT / f"kerasnets/lab/experiments/{name.replace('-', '_')}.py")
            .read_text()
            .splitlines()
        )
        < 100
    )


def test_listing_loads_no_framework():
    code = (
        "import sys\nfrom kerasnets.cli.main import main\nmain(['lab'])\n"
        "assert not {'keras', 'tensorflow', 'matplotlib'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert "degradation" in run.stdout


@pytest.mark.parametrize(
    "name", ["accuracy-cost", "bottleneck-cost", "factorised-cost", "inception-cost", "one-by-one"]
)
def test_exact_experiments_support_their_claims(name, tmp_path):
    found = lab.run(name, out=tmp_path)
    assert found.verdict.word == "supported", found.verdict
    assert {path.name for path in tmp_path.iterdir()} >= {
        "results.json",
        "table.csv",
        "verdict.txt",
        "figure.png",
    }
    assert Results.load(tmp_path / "results.json") == found
    assert f"kerasnets lab {name}" == found.command


def test_costs_are_those_counted_by_hand(tmp_path):
    found = lab.run("bottleneck-cost", out=tmp_path)
    values = {variant: value for variant, _, measure, value in found.rows if measure == "weights"}
    assert values == {
        "5x5, 512 to 64 maps": 5 * 5 * 512 * 64,
        "1x1 to 24 maps, 5x5 to 64": 512 * 24 + 5 * 5 * 24 * 64,
        "two 3x3 on 256 maps": 2 * 3 * 3 * 256 * 256,
        "bottleneck, 256-64-64-256": 256 * 64 + 3 * 3 * 64 * 64 + 64 * 256,
    }


@pytest.fixture
def counted(monkeypatch):
    """The experiment `degradation`, whose measuring only counts; what was measured, in order."""
    done = []

    def measure(trial):
        if len(done) == fail_at[0]:
            raise KeyboardInterrupt
        done.append((trial.variant.model, trial.seed))
        return Measured(
            {"training error, %": 1.0 + trial.seed}, {"training error, %": ([1, 2], [3, 4])}
        )

    fail_at = [None]
    own = experiment("degradation")
    # Its name and its text are those of its module.
    measure.__module__ = own.measure.__module__
    monkeypatch.setattr(
        sys.modules[measure.__module__], "EXPERIMENT", dataclasses.replace(own, measure=measure)
    )
    return done, fail_at


def test_only_missing_cells_are_run(counted, tmp_path):
    done, fail_at = counted
    fail_at[0] = 2
    with pytest.raises(KeyboardInterrupt):
        lab.run("degradation", seeds=2, out=tmp_path)
    fail_at[0] = None
    found = lab.run("degradation", seeds=2, out=tmp_path)
    assert len(done) == len(set(done)) == 8
    assert [(cell.variant, cell.seed) for cell in found.cells[:2]] == [
        ("plain, 20 layers", 0),
        ("plain, 56 layers", 0),
    ]
    more = lab.run("degradation", seeds=3, out=tmp_path)
    assert len(done) == len(set(done)) == len(more.cells) == 12
    # The file of results alone is enough to go on, on another machine too.
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "results.json", tmp_path / "elsewhere")
    assert lab.run("degradation", seeds=2, out=tmp_path / "elsewhere").cells == more.cells
    assert len(done) == 12


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [("minutes=60", "minutes=9", True), ("above=1", "above=2", False), ("He, Zhang", "He", True)],
)
def test_what_makes_another_experiment(monkeypatch, old, new, same):
    own = experiment("degradation")
    before = own.identity(own.small)
    source = inspect.getsource(sys.modules[own.measure.__module__])
    assert old in source
    monkeypatch.setattr(inspect, "getsource", lambda module: source.replace(old, new))
    assert (own.identity(own.small) == before) == same


def test_another_experiment_in_the_folder_is_refused(counted, tmp_path):
    lab.run("degradation", seeds=1, out=tmp_path / "one")
    with pytest.raises(UserError, match="another scale"):
        lab.run("degradation", seeds=1, data="mnist", out=tmp_path / "one")
    with pytest.raises(UserError, match="another experiment"):
        lab.run("one-by-one", out=tmp_path / "one")
    path = tmp_path / "one" / "results.json"
    facts = json.loads(path.read_text())
    facts["identity"]["code"] = "0"
    path.write_text(json.dumps(facts))
    with pytest.raises(UserError, match="another code"):
        lab.run("degradation", seeds=1, out=tmp_path / "one")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(UserError, match="holds no experiment"):
        lab.run("degradation", out=tmp_path / "other")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["degradaton"], "The closest: degradation"),
        (["degradation", "--seeds", "0"], "seeds must be at least 1"),
        (["degradation", "--epochs", "0"], "epochs must be at least 1"),
        (["one-by-one", "--epochs", "3"], "is exact and takes no --epochs"),
        (["one-by-one", "--scale", "full"], "has the scales small"),
        (["one-by-one", "--seeds", "3"], "is exact and takes no --seeds"),
        (["--seeds", "3"], "--seeds is for one experiment"),
        (["--explain"], "is for one experiment"),
        (["degradation", "--data", "folder:/nowhere"], "There is no folder"),
        (["degradation", "--scale", "tiny"], "tiny"),
    ],
)
def test_wrong_flags_are_one_line(arguments, message, capsys):
    from kerasnets.cli.main import main

    with pytest.raises(SystemExit) as stop:
        main(["lab", *arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_explain_prints_the_sections_and_the_rule(capsys):
    from kerasnets.cli.main import main

    main(["lab", "degradation", "--explain"])
    text = capsys.readouterr().out
    for section in (*SECTIONS, "Rule"):
        assert f"{section}: " in text
    assert "plain, 56 layers minus plain, 20 layers is more than 1" in text
    assert "small on digits, about 10 minutes on two cores; full on cifar10, about" in text


TWO_CELLS = """
import dataclasses, sys, time
from kerasnets import lab
from kerasnets.lab.cells import Measured
from kerasnets.lab.catalogue import experiment
own = experiment("degradation")
def measure(trial):
    print(trial.variant.model, trial.seed, flush=True)
    if trial.variant.model == sys.argv[2]:
        time.sleep(600)
    return Measured({}, {"training error, %": ([1], [2])})
measure.__module__ = own.measure.__module__
sys.modules[measure.__module__].EXPERIMENT = dataclasses.replace(own, measure=measure)
lab.run("degradation", seeds=1, out=sys.argv[1])
"""


def test_a_killed_process_goes_on(tmp_path):
    def start(stays_in):
        return subprocess.Popen(
            [sys.executable, "-c", TWO_CELLS, str(tmp_path / "out"), stays_in],
            stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    process = start("plain56_cifar")
    first = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = start("none").communicate(timeout=60)[0].splitlines()
    assert first[0].startswith("plain20_cifar")
    assert [line.split()[0] for line in again] == [
        "plain56_cifar",
        "resnet20_cifar",
        "resnet56_cifar",
    ]
    assert (tmp_path / "out" / "results.json").is_file()
