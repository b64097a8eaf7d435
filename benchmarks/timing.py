"""What the benchmarks share: two implementations that run in turn, and how they compare."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import numpy as np


def in_turn(timers: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each repeat, by name; one round of all goes before, to warm up.

    Whatever else the machine does meets all alike, since each runs once in every round.
    """
    times = {name: [] for name in timers}
    for number in range(1 + repeats):
        for name, timer in timers.items():
            seconds = timer()
            if number:
                times[name].append(seconds)
    return times


def compare(times: Mapping[str, list[float]]) -> None:
    """Prints the median and spread of each, and the ratio of the first to the second."""
    for name, values in times.items():
        low, median, high = (1e3 * cut for cut in statistics.quantiles(values, n=4))
        print(f"{name:20} median {median:7.1f} ms, middle half {low:.1f}..{high:.1f} ms")
    ours, theirs = (statistics.median(values) for values in times.values())
    pairs = sorted(a / b for a, b in zip(*times.values(), strict=True))
    print(f"ratio of medians {ours / theirs:.2f}; of pairs {pairs[0]:.2f}..{pairs[-1]:.2f}")


def in_own_process(file: str, *words: str) -> Any:
    """What a benchmark, told these words besides its own, prints last, as JSON."""
    command = [sys.executable, file, *sys.argv[1:], *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def setting(*packages: str) -> dict[str, str | int | None]:
    """The machine, and the versions of the packages that are installed."""
    here = {name: version for name in packages if (version := _version(name))}
    one_dnn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "TensorFlow's default")
    about = {"machine": platform.platform(), "cpus": os.cpu_count(), "oneDNN of keras": one_dnn}
    return {**about, **here}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def write_arrays(name: str, data_dir: pathlib.Path | None, path: pathlib.Path) -> None:
    """The images and labels of both splits of a TFDS data set, in a file: uint8."""
    import tensorflow_datasets as tfds

    splits = {}
    for split in ("train", "test"):
        source = tfds.load(name, split=split, data_dir=data_dir, batch_size=-1)
        arrays = tfds.as_numpy(source)
        splits[f"{split}_x"], splits[f"{split}_y"] = arrays["image"], arrays["label"]
    np.savez(path, **splits)
