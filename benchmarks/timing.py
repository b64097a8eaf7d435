"""What the benchmarks share: two implementations that run in turn, and how they compare."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
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


def trainers_in_turn(
    parser: argparse.ArgumentParser, trainers: Mapping[str, Callable], data: str
) -> dict[str, list[list]]:
    """What trainers find, each in a process of its own, in turn in every round.

    Args:
        parser: The benchmark's, whose arguments the trainers get; it gains those of this function.
        trainers: By name. Those of PyTorch, whose names begin with ``torch``, are left out where it
            is not installed. They find `arrays` in a file that `write_arrays` wrote.
        data: Data set of TFDS.

    Returns:
        By name, what the trainer returned in each round.
    """
    parser.add_argument("--data-dir", type=pathlib.Path, help="where TFDS keeps its data sets")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=trainers, help=argparse.SUPPRESS)
    parser.add_argument("--arrays", type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(trainers[arguments.only](arguments)))
        sys.exit()
    about = setting("tensorflow", "keras", "torch")
    print(json.dumps(about))
    names = [name for name in trainers if not name.startswith("torch") or "torch" in about]
    found: dict[str, list[list]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        arrays = pathlib.Path(folder, "arrays.npz")
        write_arrays(data, arguments.data_dir, arrays)
        for _ in range(arguments.rounds):
            for name, rounds in found.items():
                words = [*sys.argv, "--only", name, "--arrays", str(arrays)]
                done = subprocess.run(
                    [sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True
                )
                rounds.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def epoch_clock(keras: Any, seconds: list[float]) -> Any:
    """A callback of Keras that notes what each epoch takes."""
    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seconds.append(-time.perf_counter()),
        on_epoch_end=lambda epoch, logs: seconds.append(seconds.pop() + time.perf_counter()),
    )


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
