"""Trains what a target names, seed by seed, and keeps what was found.

    python -m benchmarks.reproduce lenet5 [--seeds 5] [--missing] [--minutes 60] [--data-dir FOLDER]

A training that was stopped goes on. Each result is a line of `results/TARGET.jsonl`, from which
`make docs` writes docs/results.md: of each seed the last line counts. How far a training came
within `--minutes` is a line too, which counts until one is trained to its end.
"""

from __future__ import annotations

import argparse
import pathlib
import shlex
import signal
import subprocess
import sys

from benchmarks.records import commit
from benchmarks.reproduce.results import known, outcome
from benchmarks.reproduce.targets import TARGETS

# What kerasnets answers to Ctrl-C, after it has saved everything.
STOPPED = 130


def main() -> None:
    """Trains the seeds of a target."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=TARGETS, help="what is to be reproduced")
    parser.add_argument("--seeds", type=int, help="seeds 0 to N - 1; the target's own number")
    parser.add_argument("--missing", action="store_true", help="none that has a result already")
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs/reproduce"))
    parser.add_argument("--minutes", type=float, help="when a training is stopped, to go on later")
    parser.add_argument("--data-dir", help="where TFDS keeps its data sets")
    given = parser.parse_args()
    target = TARGETS[given.target]
    kept = {each.seed: each for each in known(given.target) if each.accuracy is not None}
    if target.weights:
        subprocess.run([sys.executable, "-m", *shlex.split(target.weights)], check=True)
    for seed in range(given.seeds or target.seeds):
        name, before = f"{given.target}, seed {seed}", kept.get(seed)
        if given.missing and before:
            print(f"{name}: {before} on {before.day}, not trained again", flush=True)
            continue
        folder, words = given.runs / f"{given.target}-{seed}", target.words(seed)
        if before and (folder / "metrics.json").exists():
            print(f"{name}: {before}; to train it again remove {folder}", flush=True)
            continue
        made_of = commit()
        _train(words, folder, given.data_dir, given.minutes)
        found = outcome(folder, seed, words, made_of)
        if found.epochs:
            found.append(given.target)
        print(f"{name}: {found}" + (f"; before {before}" if before else ""), flush=True)


def _train(
    words: list[str], folder: pathlib.Path, data_dir: str | None, minutes: float | None
) -> None:
    """Trains in a process of its own, as a user would, from where an earlier one stopped."""
    words = [*words, "--out", str(folder), "--no-export"]
    words += ["--data-dir", data_dir] if data_dir else []
    words += ["--resume"] if (folder / "config.json").exists() else []
    if not completes([sys.executable, "-m", "kerasnets.cli.main", *words], minutes):
        sys.exit(f"kerasnets {shlex.join(words)} failed")


def completes(command: list[str], minutes: float | None) -> bool:
    """Whether a command ends well, by itself or when it is stopped after these minutes."""
    process = subprocess.Popen(command)
    try:
        return process.wait(60 * minutes if minutes else None) == 0
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return process.wait() in (0, STOPPED)


if __name__ == "__main__":
    main()
