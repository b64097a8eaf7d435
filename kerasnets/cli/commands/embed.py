"""``kerasnets embed``, ``neighbours`` and ``probe``: images as a network's vectors."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from tyro.conf import Positional

from kerasnets.cli.checks import check_data, check_file, is_export
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.models import Chosen, chosen, readable
from kerasnets.embedding.store import ENDINGS, UNKNOWN, Embeddings, check_parquet
from kerasnets.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from kerasnets.data.sources import Dataset


@dataclass(frozen=True)
class Embed:
    """Write the vectors that a network makes of images: what its classifier takes."""

    model: Positional[str]
    """Run folder, or the name of a network (then with --weights)."""
    source: Positional[str]
    """Folder of image files, or a data set with classes: digits, folder:PATH, mnist..."""
    out: pathlib.Path
    """File to write: .npz or .parquet."""
    weights: Optional[str] = None  # noqa: UP045  # tyro loads typeguard for `str | None`
    """Weights of the network: a source of `kerasnets info NAME`, hf:OWNER/REPO, a file or a run."""
    options: Options = field(default_factory=dict)
    """Options of the network as NAME VALUE pairs; `kerasnets info NETWORK` lists them."""
    overwrite: bool = False
    """Replace --out where it is there."""

    def run(self) -> None:
        check_file(self.out, ENDINGS)
        check_parquet(self.out)
        if self.out.exists() and not self.overwrite:
            raise UserError(f"{str(self.out)!r} is there already; --overwrite replaces it.")
        found = chosen(self.model, self.weights, self.options)
        paths = _image_files(pathlib.Path(self.source))
        if paths is None:
            check_data(self.source)
        if found.random:
            raise UserError(
                f"{found.name} would have random weights, others each time; --weights SOURCE takes "
                "trained ones."
            )
        load_tensorflow(keras="tensorflow")
        dataset = _dataset(found, self.source) if paths is None else _unlabelled(paths)
        about = {"model": self.model, "weights": self.weights, "options": dict(self.options)}
        embeddings = _embedded(found, dataset, about)
        embeddings.save(self.out)
        count, width = embeddings.vectors.shape
        print(f"{count:,} images, {width} numbers of each, by {found.name}: {self.out}")


@dataclass(frozen=True)
class Neighbours:
    """Name the images of a file of `kerasnets embed` that are most alike to an image."""

    file: Positional[pathlib.Path]
    """File of `kerasnets embed`, or Parquet of `kerasnets predict --embeddings`."""
    image: Positional[pathlib.Path]
    """Image file; one of the embedded images needs no TensorFlow."""
    count: int = 5
    """Number of images to name."""

    def run(self) -> None:
        from kerasnets.cli.tables import show
        from kerasnets.embedding.probes import neighbours

        if self.count < 1:
            raise UserError(f"--count must be at least 1. Received: {self.count}.")
        found = Embeddings.load(self.file)
        name, own = str(self.image), UNKNOWN
        if name in found.names:
            own = found.names.index(name)
            vector = found.vectors[own : own + 1]
        else:
            readable([self.image])
            vector = _vector(self.image, found.about)
        (indices,), (cosines,) = neighbours(found, vector, self.count + 1)
        rows = [
            (found.names[index], found.class_of(index) or None, f"{cosine:.4f}")
            for index, cosine in zip(indices, cosines, strict=True)
            if index != own
        ]
        show(("image", "class", "cosine"), rows[: self.count], left=("image", "class"))


@dataclass(frozen=True)
class Probe:
    """Measure how much of the classes is in embeddings: by neighbours and a linear classifier.

    Both learn from the training images of a file of `kerasnets embed` and are measured on the
    others.
    """

    file: Positional[pathlib.Path]
    """File of `kerasnets embed` on a data set with classes and splits."""
    neighbours: int = 20
    """Neighbours that vote."""

    def run(self) -> None:
        from kerasnets.cli.tables import show
        from kerasnets.embedding.probes import knn, linear_probe, parts

        if self.neighbours < 1:
            raise UserError(f"--neighbours must be at least 1. Received: {self.neighbours}.")
        train, test = parts(Embeddings.load(self.file))
        count = min(self.neighbours, len(train.names))
        rows = [
            (f"{count} nearest neighbours", f"{knn(train, test, count):.2%}"),
            ("logistic regression", f"{linear_probe(train, test):.2%}"),
        ]
        show(("probe", "top-1"), rows, left=("probe",))
        print(f"On {len(test.names):,} images of {test.splits[0]}, from {len(train.names):,}.")


def _vector(image: pathlib.Path, about: Mapping[str, Any]) -> np.ndarray:
    """The vector, (1, D), of an image by the network of a file of embeddings."""
    if not is_export(about["model"]):
        by = chosen(about["model"], about["weights"], about["options"])
        load_tensorflow(keras="tensorflow")
        return _embedded(by, _unlabelled([image]), about).vectors
    load_tensorflow()
    from kerasnets.prediction.models import open_model
    from kerasnets.prediction.prediction import Unreadable, read_image

    (found,) = open_model(about["model"]).vectors([read_image(image)])
    if isinstance(found, Unreadable):
        raise found.error(image)
    return found[None]


def _image_files(source: pathlib.Path) -> list[pathlib.Path] | None:
    """The image files below a folder; ``None`` where the source is none."""
    if not source.is_dir():
        return None
    files = sorted(path for path in source.rglob("*") if path.is_file())
    if not files:
        raise UserError(f"There are no files in {str(source)!r}.")
    return readable(files)


def _dataset(found: Chosen, source: str) -> Dataset:
    """A data set, divided as a run has divided it."""
    from kerasnets.data import load

    if found.run is None:
        return load(source)
    config = found.run.config
    return load(
        source,
        data_dir=config.data_dir,
        test_fraction=config.test_fraction,
        validation_fraction=found.run.recipe.validation_fraction,
    )


def _unlabelled(paths: list[pathlib.Path]) -> Any:
    """Files whose classes nobody has told, as the one split of a data set."""
    import numpy as np

    from kerasnets.data import Paths, Split
    from kerasnets.data.sources import Dataset

    records = Paths(np.array([str(path) for path in paths], object))
    split = Split(records, np.full(len(paths), UNKNOWN, np.int32))
    return Dataset(name="files", class_names=(), splits={"": split})


def _embedded(found: Chosen, dataset: Dataset, about: Mapping[str, Any]) -> Embeddings:
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
        about=dict(about),
    )
