"""A run folder: everything that one training left behind."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
from typing import TYPE_CHECKING

from kerasnets.errors import UserError
from kerasnets.files import make_folder, write_text
from kerasnets.inputs import Preprocessing
from kerasnets.models import build
from kerasnets.registry import info
from kerasnets.training.config import TrainConfig, from_json, to_json
from kerasnets.training.networks import parse_options, starting_network
from kerasnets.weights.sources import RUN_FACTS, Origin, describe, write_run_facts

if TYPE_CHECKING:
    import keras

    from kerasnets.data.sources import Dataset


@dataclasses.dataclass(frozen=True)
class Run:
    """A training run, under way or finished.

    Attributes:
        folder: Where it is kept.
        config: What was asked for.
        class_names: By label.
    """

    folder: pathlib.Path
    config: TrainConfig
    class_names: tuple[str, ...]

    @classmethod
    def create(cls, folder: pathlib.Path, config: TrainConfig, class_names: tuple[str, ...]) -> Run:
        """Makes the folder and writes down what the run is."""
        make_folder(folder / "checkpoints")
        run = cls(folder, config, class_names)
        write_text(folder / "config.json", to_json(config))
        write_text(folder / "classes.json", json.dumps(class_names, indent=2) + "\n")
        write_run_facts(folder, _origin(config))
        return run

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Run:
        """The run that is kept in a folder.

        Raises:
            UserError: When the folder holds none.
        """
        folder = pathlib.Path(folder)
        path = folder / "config.json"
        if not path.is_file():
            raise UserError(f"{str(folder)!r} is no run folder: it has no config.json.")
        config = from_json(path.read_text(encoding="utf-8"), str(path))
        try:
            class_names = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{str(folder)!r} has no readable classes.json: {error}") from error
        return cls(folder, config, tuple(class_names))

    @property
    def weights_path(self) -> pathlib.Path:
        """The trained network's weights; there once the run has finished."""
        return self.folder / "weights.safetensors"

    @property
    def finished(self) -> bool:
        """Whether the training came to its end."""
        return self.weights_path.is_file()

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes the network's input: as for the weights that the run starts from."""
        written = (self.folder / RUN_FACTS).is_file()
        origin = describe(self.config.model, self.folder) if written else _origin(self.config)
        return origin.preprocessing.for_input(*info(self.config.model).input_shape)

    def network(self, *, trained: bool = True, **overrides) -> keras.Model:
        """The network; it returns logits.

        Args:
            trained: With the weights of the finished run; otherwise as the run starts.
            **overrides: Other arguments of `kerasnets.build` for the finished network.

        Raises:
            UserError: When the run has not finished.
        """
        if trained and not self.finished:
            raise UserError(
                f"The run in {str(self.folder)!r} has not finished; go on with: "
                f"kerasnets train --out {self.folder} --resume"
            )
        if not trained:
            return starting_network(self.config, len(self.class_names))
        return build(
            self.config.model,
            classes=len(self.class_names),
            classifier_activation=None,
            weights=self.folder,
            **{**parse_options(self.config.options), **overrides},
        )

    def check_classes(self, dataset: Dataset) -> None:
        """Raises a `UserError` where a data set has other classes than the run was trained on."""
        if dataset.class_names != self.class_names:
            raise UserError(
                f"The run in {str(self.folder)!r} was trained on the classes "
                f"{_some(self.class_names)}; {dataset.name} has {_some(dataset.class_names)}."
            )

    def metrics(self) -> dict[str, object]:
        """The figures that the evaluation at the end found; empty before."""
        path = self.folder / "metrics.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _origin(config: TrainConfig) -> Origin:
    """What the network of a run takes: what its first weights were trained on."""
    origin = describe(config.model, config.weights or config.init_from)
    options = origin.options if config.weights else {}
    return dataclasses.replace(origin, options={**options, **parse_options(config.options)})


def _some(names: tuple[str, ...], most: int = 4) -> str:
    return f"{len(names)}: {', '.join(names[:most])}{', ...' if len(names) > most else ''}"


def run_folder(config: TrainConfig, resume: bool) -> pathlib.Path:
    """Where the run is kept: ``out``, or ``runs/MODEL-DATA-NUMBER``, the last or the next one."""
    if config.out is not None:
        return config.out
    data = pathlib.Path(config.data).name.replace(":", "-")
    stem = f"{config.model}-{data}"
    numbers = itertools.count(1)
    free = next(n for n in numbers if not pathlib.Path("runs", f"{stem}-{n}").exists())
    if resume and free == 1:
        raise UserError(f"There is no run runs/{stem}-* to resume.")
    return pathlib.Path("runs", f"{stem}-{free - 1 if resume else free}")


def load_data(config: TrainConfig) -> Dataset:
    """The data set of a run, with its splits."""
    from kerasnets.data import load

    return load(
        config.data,
        data_dir=config.data_dir,
        test_fraction=config.test_fraction,
        validation_fraction=config.recipe.validation_fraction,
    )
