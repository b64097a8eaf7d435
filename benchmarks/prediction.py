"""Images a second of ``kerasnets predict`` beside the exported network's own, memory, start-up.

    python benchmarks/prediction.py [--networks mobilenet_v1 resnet50] [--rounds 5]
    python benchmarks/prediction.py --memory 1000 100000
    python benchmarks/prediction.py --start-up [--rounds 5]

In one process, in turn, on the same number of images:

- ``network``: the SavedModel's signature ``tensor``, on one batch of float images again and again:
  nothing is read or decoded
- ``signature``: ``serving_default``, batch after batch, on image files that are in memory
- ``predict``: image files of a folder are read, decoded, answered and written to a CSV file

Ratios of the rounds are of wall time; the last is of processor time, which other programs on the
machine do not change.

``--memory`` starts ``kerasnets predict`` on as many links to the photographs, for each number in a
process of its own, and prints the most memory that it had. Photographs are those of
``KERASNETS_SHARED``; without it, JPEGs of noise.

``--start-up`` asks about one image in fresh processes that take turns: ``kerasnets predict`` of
MobileNet as a SavedModel, a LiteRT and an ONNX file, and, beside them, TensorFlow alone, which
loads the SavedModel and calls it once.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from importlib import metadata

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from PIL import Image
from timing import in_turn

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", default=["mobilenet_v1", "resnet50"])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5, help="timed, after one to warm up")
    parser.add_argument("--memory", type=int, nargs="*", default=[], help="numbers of images")
    parser.add_argument("--start-up", action="store_true", help="one image in a fresh process")
    arguments = parser.parse_args()
    versions = {package: metadata.version(package) for package in ("keras", "tensorflow")}
    print(json.dumps({"machine": platform.machine(), "cpus": os.cpu_count(), **versions}))
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        originals = photographs(root / "originals")
        if arguments.start_up:
            measure_start_up(root, originals[0], arguments.rounds)
            return
        if arguments.memory:
            measure_memory(root, originals, arguments.memory)
            return
        photos = links(root / "photos", originals, arguments.images)
        heads = "".join(f"{head:>10}" for head in ("network", "signature", "predict"))
        heads += "".join(f"{head:>13}" for head in ("/ network", "/ signature", "/ network CPU"))
        print(f"{'images/s':14}{heads}")
        for name in arguments.networks:
            measure(name, root, photos, arguments.rounds)


def photographs(folder: pathlib.Path) -> list[pathlib.Path]:
    """Image files: real photographs where there are any."""
    folder.mkdir()
    shared = pathlib.Path(os.environ.get("KERASNETS_SHARED", "../shared"), "data/flowers.tar")
    if shared.exists():
        with tarfile.open(shared) as archive:
            archive.extractall(folder, filter="data")
        return sorted(folder.rglob("*.jpg"))
    rng = np.random.default_rng(0)
    for number in range(64):
        small = Image.fromarray(rng.integers(0, 256, (32, 42, 3), dtype=np.uint8))
        small.resize((336, 256)).save(folder / f"{number}.jpg", quality=90)
    return sorted(folder.iterdir())


def links(folder: pathlib.Path, originals: list[pathlib.Path], count: int) -> pathlib.Path:
    """A folder of as many links to image files."""
    folder.mkdir()
    for number, path in zip(range(count), itertools.cycle(originals), strict=False):
        (folder / f"{number:06}.jpg").symlink_to(path)
    return folder


def exported(name: str, folder: pathlib.Path, kind: str = "savedmodel") -> pathlib.Path:
    """The export of a network with random weights, written by a process that is gone."""
    code = (
        "import sys, kerasnets\n"
        "from kerasnets.export import Form, export\n"
        "name, folder, kind = sys.argv[1:]\n"
        "network = kerasnets.build(name, classifier_activation=None)\n"
        "names = tuple(map(str, range(network.output_shape[-1])))\n"
        "form = Form(format=kind)\n"
        "export(network, kerasnets.info(name).preprocessing, names, folder, form=form)\n"
    )
    subprocess.run([sys.executable, "-c", code, name, str(folder), kind], check=True)
    return folder / "1"


def measure(name: str, root: pathlib.Path, photos: pathlib.Path, rounds: int) -> None:
    """Prints the speed of each way, and the ratios within the rounds."""
    import tensorflow as tf

    from kerasnets.prediction import open_model
    from kerasnets.prediction.sources import items
    from kerasnets.prediction.writing import Out, write_answers

    version = exported(name, root / name)
    loaded, model = tf.saved_model.load(version), open_model(version)
    files = [path.read_bytes() for path in sorted(photos.iterdir())]
    tensor, serving = loaded.signatures["tensor"], loaded.signatures["serving_default"]
    shape = tensor.structured_input_signature[1]["tensor"].shape[1:]
    pixels = tf.random.stateless_normal((BATCH, *shape), (0, 0))
    batches = [files[at : at + BATCH] for at in range(0, len(files), BATCH)]

    def network() -> None:
        for batch in batches:
            tensor(tensor=pixels[: len(batch)])["logits"].numpy()

    def signature() -> None:
        for batch in batches:
            serving(image_bytes=tf.constant(batch))["top_scores"].numpy()

    def predict() -> None:
        out = Out(root / "answers.csv")
        out.begin(overwrite=True)
        write_answers(model, items([str(photos)]), out)

    ways = {"network": network, "signature": signature, "predict": predict}
    spent: dict[str, list[float]] = {way: [] for way in ways}
    timers = {way: timed(work, spent[way]) for way, work in ways.items()}
    times = in_turn(timers, rounds)
    speeds = {way: len(files) / statistics.median(seconds) for way, seconds in times.items()}
    cells = [f"{speeds[way]:10.1f}" for way in ways]
    for other in ("network", "signature"):
        cells.append(f"{ratio(times[other], times['predict']):13.2f}")
    # Without the round that warms up.
    cells.append(f"{ratio(spent['network'][1:], spent['predict'][1:]):13.2f}")
    print(f"{name:14}" + "".join(cells), flush=True)


def ratio(others: list[float], ours: list[float]) -> float:
    """How fast we are beside another: the median of the rounds."""
    return statistics.median(a / b for a, b in zip(others, ours, strict=True))


def timed(work: Callable[[], None], spent: list[float]) -> Callable[[], float]:
    """Seconds of some work; its processor time, of all threads, is added to `spent`."""

    def seconds() -> float:
        start, used = time.perf_counter(), time.process_time()
        work()
        spent.append(time.process_time() - used)
        return time.perf_counter() - start

    return seconds


def measure_memory(root: pathlib.Path, originals: list[pathlib.Path], counts: list[int]) -> None:
    """Prints the largest memory of the command for each number of images."""
    version = exported("lenet5_modern", root / "lenet5_modern")
    code = (
        "import resource, sys\n"
        "from kerasnets.cli.main import main\n"
        "main(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )
    for count in counts:
        photos = links(root / f"photos{count}", originals, count)
        out = root / f"answers{count}.csv"
        words = ["predict", str(version), str(photos), "--out", str(out)]
        start = time.perf_counter()
        result = subprocess.run(
            [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, check=True
        )
        seconds = time.perf_counter() - start
        rows = sum(1 for _ in out.open()) - 1
        print(f"{count:,} images: {result.stdout.strip()} MiB, {rows:,} rows, {seconds:.0f} s")


def measure_start_up(root: pathlib.Path, image: pathlib.Path, rounds: int) -> None:
    """Prints the seconds from a process's start to its end, and its processor time."""
    kinds = ("savedmodel", "litert", "onnx")
    versions = {kind: str(exported("mobilenet_v1", root / kind, kind)) for kind in kinds}
    alone = (
        "import sys\n"
        "import tensorflow as tf\n"
        "image = tf.constant([open(sys.argv[2], 'rb').read()])\n"
        "answer = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "print(answer(image_bytes=image)['top_classes'].numpy())\n"
    )
    command = ["-m", "kerasnets.cli.main", "predict"]
    calls = {
        "TensorFlow": ["-c", alone, versions["savedmodel"], str(image)],
        **{kind: [*command, version, str(image)] for kind, version in versions.items()},
    }
    spent: dict[str, list[float]] = {name: [] for name in calls}
    times = in_turn({name: process(words, spent[name]) for name, words in calls.items()}, rounds)
    print(f"{'one image':14}{'seconds':>10}{'processor':>11}{'/ TensorFlow':>22}")
    for name, seconds in times.items():
        ratios = [a / b for a, b in zip(seconds, times["TensorFlow"], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        used = statistics.median(spent[name][1:])
        print(f"{name:14}{statistics.median(seconds):10.2f}{used:11.2f}{spread:>22}")


def process(words: list[str], spent: list[float]) -> Callable[[], float]:
    """Seconds of a Python process; its processor time is added to `spent`."""

    def seconds() -> float:
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return time.perf_counter() - start

    return seconds


if __name__ == "__main__":
    main()
