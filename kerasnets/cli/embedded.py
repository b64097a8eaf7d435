"""A network and the images that it turns into vectors, for the commands that take both."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasnets.cli.checks import check_data
from kerasnets.cli.models import Chosen, chosen, readable
from kerasnets.embedding.store import UNKNOWN, Embeddings
from kerasnets.errors import UserError
from kerasnets.tasks import TaskName

if TYPE_CHECKING:
    from kerasnets.data.sources import Dataset


@dataclass(frozen=True)
class Asked:
    """A network and images that are known to be there; nothing is loaded yet.

    Attributes:
        network: The network.
        source: The images.
        task: What their labels are for.
        files: The image files, where the source is a folder of them.
        about: The network as a command takes it.
        data_dir: Where TFDS keeps its data, if the user says so.
    """

    network: Chosen
    source: str
    task: TaskName
    files: list[pathlib.Path] | None
    about: Mapping[str, Any]
    data_dir: pathlib.Path | None = None

    @classmethod
    def of(
        cls,
        model: str,
        source: str,
        weights: str | None,
        options: Mapping[str, str],
        task: TaskName | None = None,
        data_dir: pathlib.Path | None = None,
    ) -> Asked:
        """What flags ask for; refuses what can be refused without TensorFlow.

        Args:
            model: A run folder, or the name of a network.
            source: A folder of image files, or a data set.
            weights: Value of --weights.
            options: Value of --options.
            task: What the labels are for; by default what the run was trained for, or one class.
            data_dir: Value of --data-dir.
        """
        found = chosen(model, weights, options)
        task = task or (found.run.config.task if found.run else "classification")
        files = _image_files(pathlib.Path(source))
        if files is None:
            check_data(source, task)
        if found.random:
            raise UserError(
                f"{found.name} would have random weights, others each time; --weights SOURCE takes "
                "trained ones."
            )
        about = {"model": model, "weights": weights, "options": dict(options)}
        return cls(found, source, task, files, about, data_dir)

    def dataset(self) -> Dataset:
        """The images, divided as the run has divided them."""
        from kerasnets.data import load
        from kerasnets.runs.run import load_data, on_data

        if self.files is not None:
            return unlabelled(self.files)
        run = self.network.run
        if run is None:
            return load(self.source, data_dir=self.data_dir, task=self.task)
        config = dataclasses.replace(run.config, task=self.task)
        return load_data(on_data(config, self.source, self.data_dir))

    def embeddings(self, dataset: Dataset) -> Embeddings:
        """The vectors of a data set."""
        return embedded(self.network, dataset, self.about)


def embedded(found: Chosen, dataset: Dataset, about: Mapping[str, Any]) -> Embeddings:
    """The vectors that a network makes of a data set.

    Args:
        found: The network.
        dataset: The images.
        about: The network as a command takes it.
    """
    import numpy as np

    from kerasnets.embedding.features import features

    network, preprocessing = found.load()
    splits = dataset.splits
    return Embeddings(
        vectors=np.concatenate(
            [features(network, preprocessing, split) for split in splits.values()]
        ),
        names=tuple(split.name(index) for split in splits.values() for index in range(split.size)),
        labels=np.concatenate([split.labels for split in splits.values()]),
        splits=tuple(name for name, split in splits.items() for _ in range(split.size)),
        class_names=dataset.class_names,
        task=dataset.task,
        about=dict(about),
    )


def unlabelled(paths: list[pathlib.Path]) -> Dataset:
    """Files whose classes nobody has told, as the one split of a data set."""
    import numpy as np

    from kerasnets.data import Paths, Split
    from kerasnets.data.sources import Dataset

    records = Paths(np.array([str(path) for path in paths], object))
    split = Split(records, np.full(len(paths), UNKNOWN, np.int32))
    return Dataset(name="files", class_names=(), splits={"": split})


def _image_files(source: pathlib.Path) -> list[pathlib.Path] | None:
    """The image files below a folder; ``None`` where the source is none."""
    if not source.is_dir():
        return None
    files = sorted(path for path in source.rglob("*") if path.is_file())
    if not files:
        raise UserError(f"There are no files in {str(source)!r}.")
    return readable(files)
