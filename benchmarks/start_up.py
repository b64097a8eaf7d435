"""How long the command line takes before its work: processor time beside ``python -c pass``.

Run: ``python benchmarks/start_up.py [--rounds 25]``. The commands take turns, and each has its own
median; compiled modules are kept in a temporary folder, so that nothing is compiled while measured.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile

COMMANDS = (
    "--help",
    "list",
    "info resnet50",
    "train --help",
    "trian",
    "list --famly resnet",
    "train --epoch 3",
)
LIMIT = 8.0


def seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """Processor time of a Python process, its children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    calls = {"python -c pass": ["-c", "pass"]}
    for words in COMMANDS:
        calls[f"kerasnets {words}"] = ["-m", "kerasnets.cli.main", *words.split()]
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for arguments in calls.values():
            seconds(arguments, environment)
        times = {name: [] for name in calls}
        for _ in range(rounds):
            for name, arguments in calls.items():
                times[name].append(seconds(arguments, environment))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        ratio = median / medians["python -c pass"]
        note = "" if ratio <= LIMIT else f"  more than {LIMIT:g}"
        print(f"{name:30}{1000 * median:7.0f} ms{ratio:7.1f}{note}")


if __name__ == "__main__":
    main()
