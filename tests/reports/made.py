"""Finished runs without a training: their files, written as a training writes them."""

from __future__ import annotations

import pathlib

import numpy as np
from safetensors.numpy import save_file

from kerasnets import Run, TrainConfig, recipe
from kerasnets.data.records import Paths
from kerasnets.data.sources.base import Split
from kerasnets.evaluation import report as evaluation_report
from kerasnets.evaluation.metrics import measure

HISTORY = """epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds
1,2.0,0.2,1.5,0.5,0.01,3.5
2,0.5,0.8,0.25,0.9,0.001,2.5
"""


def made_run(folder: pathlib.Path, names: tuple[str, ...], answers, labels, **changes) -> Run:
    """A run whose network answered so; image `i` of class `c` is ``/data/c/i.png``."""
    config = TrainConfig(
        model=changes.pop("model", "lenet5_modern"),
        recipe=recipe("digits", epochs=2, **changes.pop("values", {})),
        out=folder,
        **changes,
    ).resolved()
    run = Run.create(folder, config, names)
    save_file({"dense.weight": np.zeros((3, 4), np.float32)}, run.weights_path)
    (folder / "history.csv").write_text(HISTORY)
    labels = np.asarray(labels, np.int32)
    logits = np.random.default_rng(3).normal(size=(len(labels), len(names)))
    logits[np.arange(len(labels)), answers] += 5
    split = Split(Paths(np.array([f"/data/{c}/{i}.png" for i, c in enumerate(labels)])), labels)
    return write_evaluation(run, logits, split)


def write_evaluation(run: Run, logits: np.ndarray, split: Split) -> Run:
    """Without the pictures, which would need the images."""
    metrics = measure("test", logits, split.labels)
    evaluation_report.write_tables(run.folder, metrics, run.class_names, split)
    return run
