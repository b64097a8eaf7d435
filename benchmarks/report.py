"""Times the files and the report of a large evaluation, and prints their sizes.

    python benchmarks/report.py [--images 50000] [--classes 1000]

The evaluation is synthetic: random logits of a network that is right on some 70 % of the images.
The network's own time, and that of its Grad-CAM maps, is not in it (`benchmarks/explanations.py`).
"""

from __future__ import annotations

import argparse
import json
import pathlib
import resource
import tempfile
import time

import numpy as np
import safetensors.numpy

from kerasnets import Run, TrainConfig, recipe
from kerasnets.data.records import Paths
from kerasnets.data.sources import Split
from kerasnets.evaluation.metrics import measure
from kerasnets.evaluation.plots import save_confusion
from kerasnets.evaluation.report import write_tables
from kerasnets.evaluation.results import SCORES
from kerasnets.reports import save_report


def synthetic_run(folder: pathlib.Path, classes: int) -> Run:
    """A run folder with a history of 90 epochs, not yet evaluated."""
    config = TrainConfig(
        model="resnet50", data="folder:imagenet", recipe=recipe("resnet2015"), out=folder
    )
    run = Run.create(folder, config.resolved(), tuple(f"class {i:04}" for i in range(classes)))
    safetensors.numpy.save_file({"dense.weight": np.zeros((8, 8), np.float32)}, run.weights_path)
    rows = ["epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"]
    for i in range(1, 91):
        rows.append(f"{i},{7 / i},{1 - 1 / i},{8 / i},{1 - 1.2 / i},{0.1 / i},900")
    (folder / "history.csv").write_text("\n".join(rows) + "\n")
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1_000)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    labels = np.arange(options.images, dtype=np.int32) % options.classes
    logits = random.standard_normal((options.images, options.classes), np.float32)
    logits[np.arange(options.images), labels] += 3.8
    names = np.array([f"val/class {c:04}/ILSVRC2012_val_{i:08}.JPEG" for i, c in enumerate(labels)])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch, "run")
        run = synthetic_run(folder, options.classes)
        split = Split(Paths(names), labels)

        def timed(what: str, work, *arguments):
            start, processor = time.perf_counter(), time.process_time()
            found = work(*arguments)
            own = time.process_time() - processor
            print(f"{what:24} {time.perf_counter() - start:6.1f} s, {own:6.1f} s of processor time")
            return found

        metrics = timed("measure", measure, "validation", logits, labels)
        print(metrics)
        timed("tables and scores", write_tables, folder, metrics, run.class_names, split)
        picture = (folder / "confusion.png", metrics.confusion, run.class_names, str(metrics))
        timed("confusion.png", save_confusion, *picture)
        path = timed("report.html", lambda: save_report([run], pictures=False))
        sizes = {name: (folder / name).stat().st_size / 1e6 for name in (path.name, SCORES)}
        print("MB:", json.dumps({name: round(size, 2) for name, size in sizes.items()}))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak of memory {peak / 1024:,.0f} MiB, the logits {logits.nbytes / 2**20:,.0f} MiB")


if __name__ == "__main__":
    main()
