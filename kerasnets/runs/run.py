"""A run folder: everything that one training left behind."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shlex
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasnets.config.options import parse_options
from kerasnets.config.recipe_fields import Recipe
from kerasnets.config.training import (
    Extension,
    TrainConfig,
    default_recipe,
    from_json,
    to_json,
)
from kerasnets.errors import UserError
from kerasnets.files import make_folder, read_json, read_text, write_text
from kerasnets.inputs import Preprocessing
from kerasnets.lazy import installed
from kerasnets.models.build import checked_input_shape
from kerasnets.pretrained.build import build
from kerasnets.pretrained.sources import RUN_FACTS, describe, write_run_facts
from kerasnets.registry import WeightsOrigin
from kerasnets.runs.history import read_history
from kerasnets.tasks import TASKS, Task
from kerasnets.weights.files import open_weights

if TYPE_CHECKING:
    import keras

    from kerasnets.data.sources import Dataset


CONFIG = "config.json"
CLASSES = "classes.json"
# What the run's checkpoints are known by.
IDENTITY = "identity.json"
# From which probability on each of several classes is answered.
THRESHOLDS = "thresholds.json"
# The number of images of each split, by which a resumed run recognises its data.
SPLITS = "splits.json"
# What the weights record: how many of the run's extensions they come from.
EXTENSIONS = "extensions"


class FolderTakenError(UserError):
    """Another run began in the folder in the meantime."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A training run, under way or finished.

    Attributes:
        folder: Folder of the run.
        config: Its configuration.
        class_names: Names of the classes, by label; for regression, of the numbers.
    """

    folder: pathlib.Path
    config: TrainConfig
    class_names: tuple[str, ...]

    @classmethod
    def create(
        cls,
        folder: pathlib.Path,
        config: TrainConfig,
        class_names: tuple[str, ...],
        sizes: Mapping[str, int] | None = None,
    ) -> Run:
        """Makes the folder and records in it what the run is.

        Args:
            folder: Folder of the run.
            config: Configuration of the run.
            class_names: Names of the classes, by label.
            sizes: The number of images of each split, where they are known.

        Raises:
            FolderTakenError: When another run began in the folder in the meantime.
            UserError: When the folder cannot be made.
        """
        make_folder(folder)
        try:
            (folder / "checkpoints").mkdir()
            began = (folder / CONFIG).exists()
        except FileExistsError:
            began = True
        except OSError as error:
            raise UserError(f"{str(folder)!r} cannot be written: {error.strerror}.") from error
        if began:
            raise FolderTakenError(
                f"Another run began in {str(folder)!r} meanwhile; choose another --out."
            )
        write_text(folder / CLASSES, json.dumps(class_names, indent=2) + "\n")
        if sizes is not None:
            write_text(folder / SPLITS, json.dumps(sizes) + "\n")
        write_text(folder / IDENTITY, json.dumps(uuid.uuid4().hex) + "\n")
        run = cls(folder, config, class_names)
        origin = _origin(config)
        seen = origin.preprocessing.for_input(*run.input_shape)
        write_run_facts(folder, dataclasses.replace(origin, preprocessing=seen))
        # Written last: with it the folder is a run.
        write_text(folder / CONFIG, to_json(config))
        return run

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Run:
        """The run in a folder.

        Raises:
            UserError: When there is none.
        """
        folder = pathlib.Path(folder)
        path = folder / CONFIG
        if not path.is_file():
            raise UserError(f"{str(folder)!r} is no run folder: it has no {CONFIG}.")
        config = from_json(read_text(path), str(path))
        class_names: Any = read_json(folder / CLASSES, list[str], "a list of the classes' names")
        return cls(folder, config, tuple(class_names))

    @property
    def weights_path(self) -> pathlib.Path:
        """File of the trained network's weights, which a finished run has."""
        return self.folder / "weights.safetensors"

    @property
    def finished(self) -> bool:
        """Whether the training has come to its end, that of the last extension."""
        return self.weights_path.is_file() and not self._open_extensions

    @property
    def trained_epochs(self) -> int:
        """Number of epochs that are done."""
        return len(read_history(self.folder / "history.csv"))

    @property
    def trained_recipe(self) -> Recipe:
        """The recipe that the weights come from: the earlier one until an extension has ended."""
        later = self._open_extensions
        return (
            dataclasses.replace(self.recipe, epochs=later[0].old_epochs) if later else self.recipe
        )

    @property
    def _open_extensions(self) -> tuple[Extension, ...]:
        """The extensions that the weights, where there are any, do not come from yet."""
        extensions = self.config.extensions
        if not extensions or not self.weights_path.is_file():
            return extensions
        with open_weights(self.weights_path) as file:
            return extensions[int(file.metadata.get(EXTENSIONS, 0)) :]

    @property
    def recipe(self) -> Recipe:
        """The recipe that the run follows."""
        return chosen_recipe(self.config)

    @property
    def task(self) -> Task:
        """What it is trained for."""
        return TASKS[self.config.task]

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes the network's input: as for the weights that the run starts from."""
        recorded = (self.folder / RUN_FACTS).is_file()
        origin = describe(self.config.model, self.folder) if recorded else _origin(self.config)
        return origin.preprocessing.for_input(*self.input_shape)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The network's (height, width, channels): the paper's, or that of the run's options."""
        options: dict[str, Any] = parse_options(self.config.options)
        shape = checked_input_shape(self.config.model, options.get("input_shape"))
        if None in shape:
            raise UserError(
                "A run needs images of one size: the option input_shape must be [HEIGHT, WIDTH, "
                f"CHANNELS]. Received: {json.dumps(shape)}."
            )
        return shape

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The probability from which on each of several classes is answered; none without them.

        Raises:
            UserError: When the file is damaged.
        """
        path = self.folder / THRESHOLDS
        if not path.is_file():
            return ()
        found = read_json(path, dict[str, float], "the thresholds of the classes")
        if set(found) != set(self.class_names):
            raise UserError(
                f"{str(path)!r} is damaged: expected a threshold for each of the classes "
                f"{_some(self.class_names)}. Found: {_some(tuple(found))}."
            )
        return tuple(float(found[name]) for name in self.class_names)

    def write_thresholds(self, thresholds: Sequence[float]) -> None:
        """Writes the thresholds, one for each class by label."""
        found = dict(zip(self.class_names, thresholds, strict=True))
        write_text(self.folder / THRESHOLDS, json.dumps(found, indent=2) + "\n")

    def network(self, **overrides: Any) -> keras.Model:
        """The trained network; it returns logits.

        While an extension goes on, it is the network as it was before.

        Args:
            **overrides: Other arguments of `kerasnets.build`.

        Raises:
            UserError: When the run has not finished.
        """
        self.check_finished()
        return build(
            self.config.model,
            classes=len(self.class_names),
            classifier_activation=None,
            weights=self.folder,
            **{**_lasting_options(self.config), **overrides},
        )

    def check_finished(self) -> None:
        """Raises a `UserError` where the run has no weights yet."""
        if not self.weights_path.is_file():
            raise UserError(
                f"The run in {str(self.folder)!r} has not finished; go on with: "
                f"kerasnets train --out {shlex.quote(str(self.folder))} --resume"
            )

    def check_classes(self, dataset: Dataset) -> None:
        """Raises a `UserError` where a data set's classes are not those of the run."""
        if dataset.class_names != self.class_names:
            raise UserError(
                f"The run in {str(self.folder)!r} was trained on the classes "
                f"{_some(self.class_names)}; {dataset.name} has {_some(dataset.class_names)}."
            )

    def check_data(self, dataset: Dataset) -> None:
        """Raises a `UserError` where a data set has changed since the run began."""
        self.check_classes(dataset)
        # Runs of earlier versions do not have this file.
        if not (self.folder / SPLITS).is_file():
            return
        path, what = self.folder / SPLITS, "the number of each split's images"
        before: Any = read_json(path, dict[str, int], what)
        now = dataset.sizes
        changed = [
            f"{name} had {before.get(name, 0):,} images and has {now.get(name, 0):,}"
            for name in {**before, **now}
            if before.get(name) != now.get(name)
        ]
        if changed:
            raise UserError(
                f"The data of the run in {str(self.folder)!r} have changed since it began: "
                f"{'; '.join(changed)}. Choose another --out."
            )

    def history(self) -> Any:
        """The figures of each epoch, a column for each: ``history()["val_accuracy"]``.

        Returns:
            A `pandas.DataFrame` where pandas is installed, otherwise a dict of arrays. Without
            rows before the first epoch has ended.

        Raises:
            UserError: When the file is damaged.
        """
        rows = read_history(self.folder / "history.csv")
        columns = {name: np.array([row[name] for row in rows]) for name in (rows or [{}])[0]}
        if not installed("pandas"):
            return columns
        import pandas

        return pandas.DataFrame(columns)

    def metrics(self) -> dict[str, object]:
        """The figures of the evaluation at the end of the run, by name; empty before.

        Raises:
            UserError: When the file is damaged.
        """
        path = self.folder / "metrics.json"
        found: Any = {}
        if path.is_file():
            found = read_json(path, dict[str, object], "figures by name")
        return found


def identity(folder: pathlib.Path) -> str | None:
    """What a run's checkpoints are known by; ``None`` for a run of an earlier version.

    Raises:
        UserError: When the file is damaged.
    """
    path = folder / IDENTITY
    return read_json(path, str, "the run's identity") if path.is_file() else None


def _origin(config: TrainConfig) -> WeightsOrigin:
    """What the weights that a run starts from were trained with."""
    origin = describe(config.model, config.weights or config.init_from)
    options = {**(origin.options if config.weights else {}), **_lasting_options(config)}
    # Whoever takes the weights chooses the size of the images.
    options.pop("input_shape", None)
    return dataclasses.replace(origin, options=options)


def _lasting_options(config: TrainConfig) -> dict[str, Any]:
    """The options of the trained network: auxiliary classifiers are for training alone."""
    options = parse_options(config.options)
    options.pop("auxiliary_heads", None)
    return options


def _some(names: tuple[str, ...], most: int = 4) -> str:
    return f"{len(names)}: {', '.join(names[:most])}{', ...' if len(names) > most else ''}"


def chosen_recipe(config: TrainConfig) -> Recipe:
    """The recipe of a configuration, or the one that it stands for without."""
    return config.recipe or default_recipe(config.model, config.data, config.task)


def load_data(config: TrainConfig) -> Dataset:
    """The data set of a run, with its splits."""
    from kerasnets.data import load

    return load(config.data, data_dir=config.data_dir, task=config.task, **splitting(config))


def splitting(config: TrainConfig) -> dict[str, Any]:
    """How a run splits its data: arguments of `kerasnets.data.load`."""
    return {
        "test_fraction": config.test_fraction,
        "validation_fraction": chosen_recipe(config).validation_fraction,
        "fold": (config.fold, config.folds) if config.fold and config.folds else None,
    }


def on_data(
    config: TrainConfig, data: str | None, data_dir: str | os.PathLike | None = None
) -> TrainConfig:
    """The configuration with other data, which the run's fold is not one of.

    Args:
        config: The configuration.
        data: The data; the run's own if not given.
        data_dir: Where TFDS keeps its data; the run's folder if not given.
    """
    if data_dir:
        config = dataclasses.replace(config, data_dir=pathlib.Path(data_dir))
    if data in (None, config.data):
        return config
    return dataclasses.replace(config, data=data, folds=None, fold=None)
