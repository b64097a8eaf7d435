"""The table of docs/distributed.md is what these runs find; WRITE_DOCS=1 writes it anew."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from kerasnets.training.launch import free_ports
from tests.trials.matrix import PRECISIONS, TECHNIQUES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = pathlib.Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "distributed.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- end of matrix -->\n"
PLACES = {
    "one device": ["--devices", "cpu"],
    "one device, XLA": ["--devices", "cpu", "--fast", "xla"],
    "MirroredStrategy": ["--devices", "cpu:0,1"],
    "MirroredStrategy, XLA": ["--devices", "cpu:0,1", "--fast", "xla"],
    "MultiWorkerMirroredStrategy": [],
    "MultiWorkerMirroredStrategy, XLA": ["--fast", "xla"],
}


def outcomes(place: str) -> dict[str, str]:
    """What `matrix.py` finds on a place; with several workers all must find the same."""
    script = [sys.executable, "tests/trials/matrix.py", *PLACES[place]]
    commands = [script]
    if place.startswith("MultiWorker"):
        cluster = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
        commands = [[*script, "--cluster", cluster, "--worker", str(n)] for n in range(2)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(
            each,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for each in commands
    ]
    shown = [process.communicate(timeout=3000) for process in processes]
    for process, (_, errors) in zip(processes, shown, strict=True):
        assert process.returncode == 0, errors
    found = [json.loads(printed.splitlines()[-1]) for printed, _ in shown]
    assert all(each == found[0] for each in found)
    return found[0]


def row(place: str, found: dict[str, str]) -> str:
    """A line of the table for each technique, with the precisions in its cells."""
    cells = []
    for technique in TECHNIQUES:
        answers = {name: found[f"{name}, {technique}"].partition(":")[0] for name in PRECISIONS}
        if len(set(answers.values())) == 1:
            cells.append(answers["float32"])
        else:
            cells.append(", ".join(f"{name} {answer}" for name, answer in answers.items()))
    return f"| {place} | {' | '.join(cells)} |\n"


@pytest.mark.parametrize("place", PLACES)
def test_what_works_is_what_the_page_says(place):
    found = outcomes(place)
    assert all(answer == "works" or answer.startswith("refused: ") for answer in found.values()), (
        found
    )
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("WRITE_DOCS"):
        before, rest = page.split(BEGIN)
        table, after = rest.split(END)
        lines = [line for line in table.splitlines(True) if not line.startswith(f"| {place} |")]
        PAGE.write_text(before + BEGIN + "".join([*lines, row(place, found)]) + END + after)
    assert row(place, found) in PAGE.read_text(encoding="utf-8")
