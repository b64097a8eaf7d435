"""What can be exported: a finished run, or a network with a weight file."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

from kerasnets.errors import UserError
from kerasnets.export.saved_model import export
from kerasnets.models import build
from kerasnets.weights.sources import preprocessing

if TYPE_CHECKING:
    from kerasnets.training.run import Run


def export_run(run: Run, folder: str | os.PathLike) -> pathlib.Path:
    """Exports the network of a finished run as the next version in `folder`; returns its folder.

    Raises:
        UserError: When the run has not finished, or the folder cannot be written.
    """
    facts = {
        "data": run.config.data,
        "recipe": run.config.recipe.name,
        "metrics": run.metrics(),
    }
    return export(run.network(), run.preprocessing, run.class_names, folder, facts=facts)


def export_network(
    name: str,
    weights: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    labels: str | os.PathLike | None = None,
    **options,
) -> pathlib.Path:
    """Exports a network with weights as the next version in `folder`.

    Args:
        name: Of the network.
        weights: As `kerasnets.build` takes them.
        folder: Of the versions.
        labels: A file with a class name on each line; the classes' numbers by default.
        **options: Of the network.

    Returns:
        The folder of the new version.

    Raises:
        UserError: When something does not fit, or the folder cannot be written.
    """
    network = build(name, weights=weights, classifier_activation=None, **options)
    class_names = tuple(str(label) for label in range(network.output_shape[-1]))
    if labels is not None:
        try:
            class_names = tuple(pathlib.Path(labels).read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{str(labels)!r} is no readable file of labels: {error}") from error
    return export(network, preprocessing(network), class_names, folder)
