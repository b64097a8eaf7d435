"""The network that a command looks into: a run's, or one by name, with weights and options."""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kerasnets import registry
from kerasnets.cli.checks import check_network, check_run, is_run
from kerasnets.config.options import parse_options
from kerasnets.errors import UserError
from kerasnets.export.versions import versions
from kerasnets.files import read_text
from kerasnets.prediction.prediction import check_images, image_files, read_image

if typing.TYPE_CHECKING:
    import keras
    import numpy as np

    from kerasnets.inputs import Preprocessing
    from kerasnets.runs.run import Run

log = logging.getLogger("kerasnets")
# Arguments of `kerasnets.build` that no option of the network can be.
GIVEN = ("weights", "classifier_activation", "include_top", "pooling")


@dataclass(frozen=True)
class Chosen:
    """A network that is known to be there; nothing is loaded yet.

    Attributes:
        name: The network's name.
        run: The run that trained it, if it is a run's.
        weights: Source of its weights otherwise; random ones if ``None``.
        options: Its options.
        labels: Names of a network's classes, if they are given.
    """

    name: str
    run: Run | None
    weights: str | None
    options: dict[str, typing.Any]
    labels: tuple[str, ...] | None = None

    @property
    def random(self) -> bool:
        """Whether its weights are drawn."""
        return self.run is None and self.weights is None

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, where they are known."""
        return self.run.class_names if self.run else self.labels

    @property
    def classes(self) -> int:
        """The number of classes."""
        if self.run:
            return len(self.run.class_names)
        given, facts = self.options.get("classes"), registry.info(self.name)
        return given if isinstance(given, int) else facts.classes

    def load(self) -> tuple[keras.Model, Preprocessing]:
        """The network, which takes scaled images, and the preprocessing of one input size."""
        if self.run:
            return self.run.network(), self.run.preprocessing
        import kerasnets
        from kerasnets.pretrained.build import build

        network = build(self.name, weights=self.weights, **self.options)
        height, width, channels = network.input_shape[1:]
        seen = kerasnets.preprocessing(network)
        return network, seen.for_input(height or seen.size[0], width or seen.size[1], channels)


def is_savedmodel(model: str) -> bool:
    """Whether a word is the folder of a SavedModel, or of its versions."""
    folder = pathlib.Path(model)
    return (folder / "saved_model.pb").is_file() or bool(versions(folder))


def chosen(
    model: str,
    weights: str | None,
    options: Mapping[str, str],
    labels: pathlib.Path | None = None,
) -> Chosen:
    """The network of a command's arguments; refuses what can be refused without TensorFlow.

    Args:
        model: A run folder, or the name of a network.
        weights: Value of --weights.
        options: Value of --options.
        labels: Value of --labels: a file with a class name on each line.
    """
    if is_savedmodel(model):
        raise UserError(
            f"{model!r} is a SavedModel, whose layers cannot be looked into; give the run or the "
            "network that it was exported from."
        )
    if is_run(model):
        for flag, given in (("weights", weights), ("options", options), ("labels", labels)):
            if given:
                raise UserError(f"--{flag} is for a network's name; {model!r} is a run.")
        run = check_run(model)
        return Chosen(run.config.model, run, None, {})
    name = registry.info(model).name
    parsed = parse_options(options, GIVEN)
    check_network(name, parsed, weights)
    found = Chosen(name, None, weights, parsed)
    if labels is None:
        return found
    names = tuple(read_text(labels).splitlines())
    if len(names) != found.classes:
        raise UserError(
            f"{str(labels)!r} must have a line for each of the {found.classes} classes of {name}. "
            f"Received: {len(names)}."
        )
    return dataclasses.replace(found, labels=names)


def readable(images: Sequence[pathlib.Path]) -> list[pathlib.Path]:
    """The files that begin as images do; the others are named, and refused where none is left."""
    found, reasons = [], []
    for path in image_files(images):
        try:
            check_images([path])
            found.append(path)
        except UserError as error:
            reasons.append(str(error))
    if reasons and not found:
        raise UserError(reasons[0])
    for reason in reasons:
        log.warning("skipped: %s", reason)
    return found


def decoded(paths: Sequence[pathlib.Path], channels: int) -> dict[pathlib.Path, np.ndarray]:
    """The pixels of image files, (H, W, channels) uint8; those that cannot be decoded are named.

    Raises:
        UserError: When none is left.
    """
    from kerasnets.data.bad_images import ERRORS, image_reason
    from kerasnets.data.images import decode
    from kerasnets.lazy import tf

    found = {}
    for path in paths:
        try:
            found[path] = decode(tf.constant(read_image(path)), channels).numpy()
        except UserError as error:
            log.warning("skipped: %s", error)
        except ERRORS as error:
            reason = image_reason(error)
            log.warning("skipped: %r cannot be read as an image: %s.", str(path), reason)
    if not found:
        raise UserError("None of the images can be read.")
    return found
