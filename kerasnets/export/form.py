"""The form in which a network is exported, and the formats: ours, and those of plug-ins.

Loads no framework: the command line reads it.
"""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, Protocol

from kerasnets.errors import UserError
from kerasnets.fast.tricks import InferenceTrick, check
from kerasnets.inputs import Preprocessing
from kerasnets.plugins import Registry
from kerasnets.tasks import TASKS, Task

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kerasnets.cards.text import Signature


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form in which a network is exported."""

    format: str = "savedmodel"
    """Format: savedmodel takes image files; litert and onnx take raw pixels of the right size."""
    fast: tuple[InferenceTrick, ...] = ("auto",)
    """What makes it faster: auto, none, or some of folding, pixels, winograd."""
    device: Literal["any", "cpu"] = "any"
    """Device that serves it: cpu computes wide 3x3 convolutions in tiles, slower on GPUs."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Precision of a SavedModel's weights and sums; the classifier computes in fp32."""
    quantize: Literal["none", "int8"] = "none"
    """Quantization of weights and activations, for litert and onnx; needs calibration images."""
    keep: int | None = None
    """Number of versions to keep, including the new one; all if not given."""

    def __post_init__(self) -> None:
        if self.keep is not None and self.keep < 1:
            raise UserError(f"--keep must be at least 1. Received: {self.keep}.")
        check(self.fast, "inference")
        chosen = exporters()[self.format]
        for option in fields(self):
            value = getattr(self, option.name)
            if value != option.default and option.name not in (*ALWAYS, *chosen.takes):
                others = (name for name in FORMATS if option.name in exporters()[name].takes)
                raise UserError(
                    f"--{option.name} {value} is for --format {' or '.join(others)}. "
                    f"Received: --format {self.format}."
                )
        chosen.check(self)

    def folder(self, name: str) -> pathlib.Path:
        """The folder of a network's versions where no other is given."""
        return pathlib.Path(exporters()[self.format].parent, name)


# The options that every format takes.
ALWAYS = ("format", "fast", "keep")


@dataclass(frozen=True)
class Job:
    """What an exporter is to write.

    Attributes:
        network: The network as it is, of logits, (N, classes).
        inference: The same network optimised and in the precision of `form`; this is written.
        preprocessing: Preprocessing of the network.
        class_names: Names of the classes, by label.
        form: The form of the export.
        task: What the network was trained for.
        thresholds: From which probability on each of several classes is answered, by label.
        calibration: Raw pixels, (N, H, W, C) in 0 to 255, where `form` quantizes.
    """

    network: keras.Model
    inference: keras.Model
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    form: Form
    task: Task = TASKS["classification"]
    thresholds: tuple[float, ...] = ()
    calibration: np.ndarray | None = None


class Exporter(Protocol):
    """A format of exports.

    Attributes:
        file: Name of the file, or folder, that every version of this format has.
        parent: Folder of all networks' exports where no other is given.
        extras: Folder in a version for ``labels.txt`` and ``model.json``; "" is the version's own.
        takes: The options of `Form` that the format takes, besides those in `ALWAYS`.
    """

    file: str
    parent: str
    extras: str = ""
    takes: tuple[str, ...] = ()

    def check(self, form: Form) -> None:
        """Raises a `UserError` where values do not go together, or a package is missing."""

    def write(self, job: Job, folder: pathlib.Path) -> dict[str, object] | str:
        """Writes a version and compares it with the network.

        Args:
            job: What to write.
            folder: Empty folder of the version; ``labels.txt`` and ``model.json`` come later.

        Returns:
            What ``model.json`` says of the comparison, see `kerasnets.export.checks.compare`.

        Raises:
            UserError: When the export does not answer as the network does.
        """
        ...

    def signatures(self, folder: pathlib.Path) -> Mapping[str, Signature]:
        """What a version can be asked, for its README; without any it has none.

        Args:
            folder: Folder of the version.
        """
        return {}

    def embed(self, path: pathlib.Path, texts: Mapping[str, str]) -> None:
        """Writes ``labels.txt`` and ``model.json`` into a file too, where the format has a place.

        Args:
            path: The file or folder `file` of the version.
            texts: By name.
        """


_EXPORTERS: Registry[Exporter] = Registry("format")
# Our own formats, each registered by the module of its name; they load no framework either.
FORMATS = ("savedmodel", "litert", "onnx")


def register_exporter(name: str, exporter: Exporter) -> None:
    """Adds a format, which ``--format`` then takes by its name.

    Raises:
        UserError: When there is a format of this name already.
    """
    _EXPORTERS.register(name, exporter)


def exporters() -> Registry[Exporter]:
    """The formats by name, which raise a `UserError` for another name."""
    for name in FORMATS:
        importlib.import_module(f"kerasnets.export.{name}")
    return _EXPORTERS
