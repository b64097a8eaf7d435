"""Trains what a target names, seed by seed, and keeps what was found.

    python -m benchmarks.reproduce lenet5 [--seeds 5] [--runs runs/reproduce] [--data-dir FOLDER]

A training that was stopped goes on. What is found is a line of `results/TARGET.jsonl`, from which
`make docs` writes docs/results.md; a seed that has its line is not trained again.
"""

from __future__ import annotations

import argparse
import pathlib
import shlex
import subprocess
import sys

from benchmarks.reproduce.results import known, outcome
from benchmarks.reproduce.targets import TARGETS


def main() -> None:
    """Trains the seeds of a target that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=TARGETS, help="what is to be reproduced")
    parser.add_argument("--seeds", type=int, help="seeds 0 to N - 1; the target's own number")
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/reproduce"))
    parser.add_argument("--data-dir", help="where TFDS keeps its data sets")
    given = parser.parse_args()
    target = TARGETS[given.target]
    there = {each.seed for each in known(given.target)}
    if target.weights:
        subprocess.run([sys.executable, "-m", *shlex.split(target.weights)], check=True)
    for seed in range(given.seeds or target.seeds):
        if seed not in there:
            folder = given.runs / f"{given.target}-{seed}"
            _train(target.words(seed), folder, given.data_dir)
            found = outcome(folder, seed)
            found.append(given.target)
            print(f"{given.target}, seed {seed}: {found.accuracy:.2f} %", flush=True)


def _train(words: list[str], folder: pathlib.Path, data_dir: str | None) -> None:
    """Trains in a process of its own, as a user would, from where an earlier one stopped."""
    words = [*words, "--out", str(folder), "--no-export"]
    words += ["--data-dir", data_dir] if data_dir else []
    words += ["--resume"] if (folder / "config.json").exists() else []
    if subprocess.run([sys.executable, "-m", "kerasnets.cli.main", *words]).returncode:
        sys.exit(f"kerasnets {' '.join(words)} failed")


if __name__ == "__main__":
    main()
