"""A run folder: everything that one training left behind."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kerasnets.errors import UserError
from kerasnets.files import make_folder, read_json, read_text, write_text
from kerasnets.inputs import Preprocessing
from kerasnets.pretrained.build import build
from kerasnets.registry import info
from kerasnets.config.training import TrainConfig, from_json, to_json
from kerasnets.training.networks import parse_options, starting_network
from kerasnets.pretrained.sources import RUN_FACTS, describe, write_run_facts

if TYPE_CHECKING:
    import keras

    from kerasnets.data.sources import Dataset


CONFIG = "config.json"
CLASSES = "classes.json"
# The number of images of each split, by which a run that goes on knows its data again.
SPLITS = "splits.json"


class FolderTakenError(UserError):
    """Another run began in the folder meanwhile."""


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
    def create(
        cls,
        folder: pathlib.Path,
        config: TrainConfig,
        class_names: tuple[str, ...],
        sizes: Mapping[str, int] | None = None,
    ) -> Run:
        """Makes the folder and writes down what the run is.

        Args:
            folder: Of the run.
            config: Of the run.
            class_names: By label.
            sizes: The number of images of each split, if they are known.

        Raises:
            FolderTakenError: When another run began in the folder meanwhile.
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
        write_run_facts(folder, _origin(config))
        # The last one: with it the folder is a run.
        write_text(folder / CONFIG, to_json(config))
        return cls(folder, config, class_names)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Run:
        """The run that is kept in a folder.

        Raises:
            UserError: When the folder holds none.
        """
        folder = pathlib.Path(folder)
        path = folder / CONFIG
        if not path.is_file():
            raise UserError(f"{str(folder)!r} is no run folder: it has no {CONFIG}.")
        config = from_json(read_text(path), str(path))
        class_names = read_json(folder / CLASSES, list[str], "a list of the classes' names")
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
        return origin.preprocessing.for_input(*self.input_shape)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Of the network, (height, width, channels): its paper's, or that of the run's options."""
        options = parse_options(self.config.options)
        shape = options.get("input_shape", info(self.config.model).input_shape)
        if None in shape:
            raise UserError(
                "A run needs images of one size: the option input_shape must be [HEIGHT, WIDTH, "
                f"CHANNELS]. Received: {json.dumps(shape)}."
            )
        return tuple(shape)

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
                f"kerasnets train --out {shlex.quote(str(self.folder))} --resume"
            )
        if not trained:
            return starting_network(self.config, len(self.class_names))
        return build(
            self.config.model,
            classes=len(self.class_names),
            classifier_activation=None,
            weights=self.folder,
            **{**_lasting_options(self.config), **overrides},
        )

    def check_classes(self, dataset: Dataset) -> None:
        """Raises a `UserError` where a data set has other classes than the run was trained on."""
        if dataset.class_names != self.class_names:
            raise UserError(
                f"The run in {str(self.folder)!r} was trained on the classes "
                f"{_some(self.class_names)}; {dataset.name} has {_some(dataset.class_names)}."
            )

    def check_data(self, dataset: Dataset) -> None:
        """Raises a `UserError` where a data set is not what it was when the run began."""
        self.check_classes(dataset)
        # Runs of earlier versions have no such file.
        if not (self.folder / SPLITS).is_file():
            return
        before = read_json(
            self.folder / SPLITS, dict[str, int], "the number of each split's images"
        )
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

    def metrics(self) -> dict[str, object]:
        """The figures that the evaluation at the end found; empty before.

        Raises:
            UserError: When the file is damaged.
        """
        path = self.folder / "metrics.json"
        return read_json(path, dict[str, object], "figures by name") if path.is_file() else {}


def _origin(config: TrainConfig) -> Origin:
    """What the network of a run takes: what its first weights were trained on."""
    origin = describe(config.model, config.weights or config.init_from)
    options = {**(origin.options if config.weights else {}), **_lasting_options(config)}
    # No option of the network: whoever takes its weights chooses the size of the images.
    options.pop("input_shape", None)
    return dataclasses.replace(origin, options=options)


def _lasting_options(config: TrainConfig) -> dict[str, object]:
    """The options of the finished network: side classifiers are for the training alone."""
    options = parse_options(config.options)
    options.pop("auxiliary_heads", None)
    return options


def _some(names: tuple[str, ...], most: int = 4) -> str:
    return f"{len(names)}: {', '.join(names[:most])}{', ...' if len(names) > most else ''}"


def run_folder(config: TrainConfig, resume: bool) -> pathlib.Path:
    """Where the run is kept: ``out``, or ``runs/MODEL-DATA-NUMBER``, the last or the next one."""
    if config.out is not None:
        return config.out
    data = pathlib.Path(config.data).name.replace(":", "-")
    stem = f"{info(config.model).name}-{data}"
    # Not by `glob`: names of data may hold its special characters.
    names = [path.name for path in pathlib.Path("runs").glob("*")]
    found = [re.fullmatch(re.escape(stem) + r"-([1-9]\d*)", name) for name in names]
    last = max((int(match[1]) for match in found if match), default=0)
    if resume and not last:
        raise UserError(f"There is no run runs/{stem}-* to resume.")
    return pathlib.Path("runs", f"{stem}-{last if resume else last + 1}")


def is_free(folder: pathlib.Path) -> bool:
    """Whether a run may begin there: nothing is, or only what a killed `Run.create` left."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        return False
    return all(_is_left(path) for path in folder.iterdir())


def clear(folder: pathlib.Path) -> None:
    """Removes from a free folder what a killed `Run.create` left."""
    # With a configuration it is a run by now.
    for path in () if (folder / CONFIG).exists() else list(folder.iterdir()):
        if _is_left(path):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def _is_left(path: pathlib.Path) -> bool:
    if path.name == "checkpoints":
        return path.is_dir() and not any(path.iterdir())
    return path.name.removeprefix(".partial-") in (CLASSES, SPLITS, RUN_FACTS) or (
        path.name == f".partial-{CONFIG}"
    )


def load_data(config: TrainConfig) -> Dataset:
    """The data set of a run, with its splits."""
    from kerasnets.data import load

    return load(
        config.data,
        data_dir=config.data_dir,
        test_fraction=config.test_fraction,
        validation_fraction=config.recipe.validation_fraction,
    )
