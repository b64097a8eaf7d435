"""Exports of a network: each compared with the network, and atomic."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnets.cards import Card, export_readme
from kerasnets.errors import UserError
from kerasnets.export.form import Form, Job, exporters
from kerasnets.export.names import FACTS, LABELS
from kerasnets.export.versions import prune, write_version
from kerasnets.fast.faster import for_inference
from kerasnets.fast.rewriting import classifying_layer, copied, rebuilt, with_logits
from kerasnets.inputs import Preprocessing
from kerasnets.lazy import check_backend
from kerasnets.tasks import TASKS, Task

DTYPES = {"bf16": "bfloat16", "fp16": "float16"}


def export(
    network: keras.Model,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    folder: str | os.PathLike,
    *,
    form: Form | None = None,
    task: Task = TASKS["classification"],
    thresholds: Sequence[float] = (),
    calibration: np.ndarray | None = None,
    facts: Mapping[str, object] | None = None,
) -> pathlib.Path:
    """Writes the next version of an export; it appears when it is complete.

    A SavedModel's signatures are those of `kerasnets.export.signatures`; LiteRT and ONNX are
    described in `kerasnets.export.pixels`. With it, in ``assets.extra`` of a SavedModel, come
    ``labels.txt``, ``model.json`` and requests that warm up TensorFlow Serving.

    Args:
        network: Network of logits, (N, classes).
        preprocessing: Preprocessing of the network.
        class_names: Names of the classes, by label.
        folder: Folder of all versions, for example ``savedmodels/lenet5``; the new one is
            ``folder/NUMBER``.
        form: Format, precision and the like; an optimised SavedModel by default.
        task: What the network was trained for; it decides what the answers are.
        thresholds: From which probability on each of several classes is answered, by label; 0.5
            if not given.
        calibration: Raw pixels, (N, H, W, C) in 0 to 255, for int8.
        facts: What ``model.json`` says besides the preprocessing and the versions of the software.

    Returns:
        The folder of the new version.

    Raises:
        UserError: When the names do not match the network, the export does not answer as the
            network does, or the folder cannot be written.
    """
    check_backend("tensorflow")
    form = form or Form()
    network = with_logits(network, task.activation)
    classes = network.output_shape[-1]
    if len(class_names) != classes:
        raise UserError(
            f"The network has {classes} classes. Received: {len(class_names)} class names."
        )
    if form.quantize != "none":
        task.check("quantization to int8")
    if form.quantize == "none":
        calibration = None
    elif calibration is None:
        raise UserError("int8 needs calibration images. Received: calibration=None.")
    chosen = exporters()[form.format]
    inference = in_form(network, form)
    job = Job(
        *(network, inference, preprocessing, class_names, form),
        *(task, tuple(thresholds), calibration),
    )

    def write(partial: pathlib.Path) -> None:
        (partial / chosen.extras).mkdir(exist_ok=True)
        try:
            check = chosen.write(job, partial)
        except tf.errors.OpError as error:
            raise OSError(error.message) from error
        extras = _extras(job, {**(facts or {}), **_form(form), "check": check})
        for name, text in extras.items():
            (partial / chosen.extras / name).write_text(text, encoding="utf-8")
        # A file that is taken elsewhere takes them with it.
        if hasattr(chosen, "embed"):
            chosen.embed(partial / chosen.file, extras)
        asked = chosen.signatures(partial) if hasattr(chosen, "signatures") else {}
        if asked:
            export_readme(partial, pathlib.Path(folder), _card(job, facts or {}), asked)

    version = write_version(folder, form.format, write)
    if form.keep:
        prune(version.parent, form.format, form.keep)
    return version


def in_form(network: keras.Model, form: Form) -> keras.Model:
    """The network optimised, and in the precision that it is exported in."""
    if "none" not in form.fast:
        network = for_inference(network, device=form.device, fast=form.fast)
    if form.precision in DTYPES:
        network = in_precision(network, DTYPES[form.precision])
    return network


def in_precision(network: keras.Model, dtype: str) -> keras.Model:
    """A network whose weights and sums are of another type, but for its classifier.

    Args:
        network: A functional model; it is not changed.
        dtype: ``"bfloat16"`` or ``"float16"``.
    """
    names = [layer.name for layer in network.layers]
    kept = names[names.index(classifying_layer(network).name) :]
    return rebuilt(
        network, lambda layer: copied(layer, {} if layer.name in kept else {"dtype": dtype})
    )


def _form(form: Form) -> dict[str, object]:
    return {
        "format": form.format,
        "optimize": "none" not in form.fast,
        "fast": form.fast,
        "device": form.device,
        "precision": form.precision if form.quantize == "none" else form.quantize,
    }


def _card(job: Job, facts: Mapping[str, Any]) -> Card:
    """What a README says of the network."""
    return Card(
        network=job.network.name,
        task=job.task,
        class_names=job.class_names,
        input_shape=job.network.input_shape[1:],
        preprocessing=job.preprocessing,
        data=facts.get("data"),
        metrics=facts.get("metrics", {}),
        recipe=facts.get("recipe", {}),
    )


def _extras(job: Job, facts: Mapping[str, object]) -> dict[str, str]:
    """The texts that come with a version, by the names of their files."""
    description = {
        "network": job.network.name,
        "task": job.task.name,
        **({"thresholds": job.thresholds} if job.thresholds else {}),
        **facts,
        "preprocessing": vars(job.preprocessing),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("kerasnets", "keras", "tensorflow", "numpy")
        },
    }
    labels = "".join(f"{name}\n" for name in job.class_names)
    return {LABELS: labels, FACTS: json.dumps(description, indent=2) + "\n"}
