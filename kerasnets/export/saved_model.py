"""SavedModels that take the bytes of image files and give names and probabilities."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import shutil
from collections.abc import Mapping

import keras
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.export.signatures import logits_of, signatures
from kerasnets.files import make_folder
from kerasnets.inputs import Preprocessing


def export(
    network: keras.Model,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    folder: str | os.PathLike,
    *,
    facts: Mapping[str, object] | None = None,
) -> pathlib.Path:
    """Writes the next version of a SavedModel, whole or not at all.

    Its signatures are those of `kerasnets.export.signatures`. ``assets.extra`` holds ``labels.txt``
    and ``model.json``.

    Args:
        network: It returns logits, (N, classes).
        preprocessing: Of the network.
        class_names: By label.
        folder: Of all versions, for example ``savedmodels/lenet5``; the new one is
            ``folder/NUMBER``.
        facts: What ``model.json`` says besides the preprocessing and the versions of the software.

    Returns:
        The folder of the new version.

    Raises:
        UserError: When the names do not match the network, or the folder cannot be written.
    """
    classes = logits_of(network).shape[-1]
    if len(class_names) != classes:
        raise UserError(
            f"The network has {classes} classes. Received: {len(class_names)} class names."
        )
    folder = make_folder(folder)
    version = folder / str(max(versions(folder), default=0) + 1)
    partial = folder / f".partial-{version.name}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _write(network, preprocessing, class_names, partial)
        _write_extras(network, preprocessing, class_names, partial / "assets.extra", facts or {})
        partial.rename(version)
    except (OSError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{str(version)!r} was not written: {reason}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return version


def versions(folder: str | os.PathLike) -> list[int]:
    """Numbers of the versions under a SavedModel's folder, ascending."""
    paths = pathlib.Path(folder).glob("*/saved_model.pb")
    return sorted(int(path.parent.name) for path in paths if path.parent.name.isdigit())


def _write(
    network: keras.Model,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    folder: pathlib.Path,
) -> None:
    archive = keras.export.ExportArchive()
    archive.track(network)
    for name, signature in signatures(network, preprocessing, class_names).items():
        archive.add_endpoint(name, signature.function, input_signature=list(signature.inputs))
    archive.write_out(folder, verbose=False)


def _write_extras(
    network: keras.Model,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    folder: pathlib.Path,
    facts: Mapping[str, object],
) -> None:
    folder.mkdir()
    (folder / "labels.txt").write_text("\n".join(class_names) + "\n", encoding="utf-8")
    description = {
        "network": network.name,
        **facts,
        "preprocessing": vars(preprocessing),
        "versions": {
            name: importlib.metadata.version(name) for name in ("kerasnets", "keras", "tensorflow")
        },
    }
    (folder / "model.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
