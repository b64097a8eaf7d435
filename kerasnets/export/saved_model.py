"""Exports of a network: written whole or not at all, and held against the network before."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.export import device_formats
from kerasnets.export.checks import compare, random_inputs, random_pixels
from kerasnets.export.form import Form
from kerasnets.export.signatures import signatures
from kerasnets.export.versions import FILES, prune, write_version
from kerasnets.export.warmup import write_warmup
from kerasnets.fast.faster import for_inference
from kerasnets.fast.rewriting import classifying_layer, copied, logits_of, rebuilt
from kerasnets.inputs import Preprocessing, with_preprocessing

DTYPES = {"bf16": "bfloat16", "fp16": "float16"}


def export(
    network: keras.Model,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    folder: str | os.PathLike,
    *,
    form: Form | None = None,
    calibration: np.ndarray | None = None,
    facts: Mapping[str, object] | None = None,
) -> pathlib.Path:
    """Writes the next version of an export, whole or not at all.

    A SavedModel's signatures are those of `kerasnets.export.signatures`; the other formats are
    described in `kerasnets.export.device_formats`. Beside it, in ``assets.extra`` of a SavedModel,
    are ``labels.txt``, ``model.json`` and requests that warm up TensorFlow Serving.

    Args:
        network: It returns logits, (N, classes).
        preprocessing: Of the network.
        class_names: By label.
        folder: Of all versions, for example ``savedmodels/lenet5``; the new one is
            ``folder/NUMBER``.
        form: Format, precision and the like; an optimised SavedModel by default.
        calibration: Raw pixels, (N, H, W, C) in 0 to 255, for int8.
        facts: What ``model.json`` says besides the preprocessing and the versions of the software.

    Returns:
        The folder of the new version.

    Raises:
        UserError: When the names do not match the network, the export does not answer as the
            network does, or the folder cannot be written.
    """
    form = form or Form()
    network = keras.Model(network.input, logits_of(network), name=network.name)
    classes = network.output_shape[-1]
    if len(class_names) != classes:
        raise UserError(
            f"The network has {classes} classes. Received: {len(class_names)} class names."
        )
    if form.quantize == "int8" and calibration is None:
        raise UserError("int8 needs calibration images. Received: calibration=None.")
    if form.format != "savedmodel":
        device_formats.check_installed(form.format)
    inference = in_form(network, form)

    def write(partial: pathlib.Path) -> None:
        try:
            if form.format == "savedmodel":
                check = _write(network, inference, preprocessing, class_names, partial, form)
                extras = partial / "assets.extra"
                extras.mkdir()
                write_warmup(extras, network.name, network.input_shape[1:])
            else:
                check = _write_for_devices(
                    network, inference, preprocessing, partial, form, calibration
                )
                extras = partial
            described = {**(facts or {}), **_form(form), "check": check}
            _write_extras(network, preprocessing, class_names, extras, described)
        except tf.errors.OpError as error:
            raise OSError(error.message) from error

    version = write_version(folder, form.format, write)
    if form.keep:
        prune(version.parent, form.format, form.keep)
    return version


def in_form(network: keras.Model, form: Form) -> keras.Model:
    """The network as `form` has it computed."""
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


def _write(
    network: keras.Model,
    inference: keras.Model,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    folder: pathlib.Path,
    form: Form,
) -> dict[str, object]:
    """Writes a SavedModel, loads it again and compares it with the network."""
    # `keras.export.ExportArchive` would write each weight twice (Keras 3.15).
    module = tf.Module()
    module.weights = [weight.value for weight in inference.variables]
    functions = {
        name: tf.function(signature.function, input_signature=signature.inputs)
        for name, signature in signatures(inference, preprocessing, class_names).items()
    }
    tf.saved_model.save(module, folder, signatures=functions)

    inputs = random_inputs(network)
    loaded = tf.saved_model.load(folder)
    found = loaded.signatures["tensor"](tensor=tf.constant(inputs))["logits"]
    expected = keras.ops.convert_to_numpy(network(inputs, training=False))
    return compare(expected, found.numpy(), form.precision)


def _write_for_devices(
    network: keras.Model,
    inference: keras.Model,
    preprocessing: Preprocessing,
    folder: pathlib.Path,
    form: Form,
    calibration: np.ndarray | None,
) -> dict[str, object] | str:
    """Writes a LiteRT or ONNX file and compares it with the network where there is a runtime."""
    path = folder / FILES[form.format]
    model = device_formats.on_pixels(inference, preprocessing)
    if form.format == "litert":
        device_formats.write_litert(model, path, calibration if form.quantize == "int8" else None)
        answer = device_formats.run_litert(path)
    else:
        device_formats.write_onnx(model, path)
        answer = device_formats.run_onnx(path)
        if answer is None:
            return "none: onnxruntime is not installed"
    pixels = random_pixels(network) if form.quantize == "none" else calibration
    expected = with_preprocessing(network, preprocessing)(pixels, training=False)
    precision = form.precision if form.quantize == "none" else form.quantize
    return compare(keras.ops.convert_to_numpy(expected), answer(pixels), precision)


def _form(form: Form) -> dict[str, object]:
    return {
        "format": form.format,
        "optimize": "none" not in form.fast,
        "fast": form.fast,
        "device": form.device,
        "precision": form.precision if form.quantize == "none" else form.quantize,
    }


def _write_extras(
    network: keras.Model,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    folder: pathlib.Path,
    facts: Mapping[str, object],
) -> None:
    (folder / "labels.txt").write_text("\n".join(class_names) + "\n", encoding="utf-8")
    description = {
        "network": network.name,
        **facts,
        "preprocessing": vars(preprocessing),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("kerasnets", "keras", "tensorflow", "numpy")
        },
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
