"""``kerasnets embed``, ``neighbours`` and ``probe``: images as a network's vectors."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional

from tyro.conf import Positional

from kerasnets.cli.checks import check_file, is_export
from kerasnets.cli.embedded import Asked, embedded, unlabelled
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.models import chosen, readable
from kerasnets.embedding.store import ENDINGS, UNKNOWN, Embeddings, check_parquet
from kerasnets.errors import UserError
from kerasnets.tasks import TaskName

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Embed:
    """Write the embeddings of images: what a network's classifier takes."""

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
    task: Optional[TaskName] = None  # noqa: UP045
    """What the labels are for; as the run was trained, or one class, if not given."""
    overwrite: bool = False
    """Replace --out where it is there."""

    def run(self) -> None:
        check_file(self.out, ENDINGS)
        check_parquet(self.out)
        if self.out.exists() and not self.overwrite:
            raise UserError(f"{str(self.out)!r} is there already; --overwrite replaces it.")
        asked = Asked.of(self.model, self.source, self.weights, self.options, self.task)
        load_tensorflow(keras="tensorflow")
        embeddings = asked.embeddings(asked.dataset())
        embeddings.save(self.out)
        count, width = embeddings.vectors.shape
        print(f"{count:,} images, {width} numbers of each, by {asked.network.name}: {self.out}")


@dataclass(frozen=True)
class Neighbours:
    """List the images of a `kerasnets embed` file most similar to an image."""

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
    """Measure how well k-NN and a linear probe predict labels from embeddings.

    Both learn from the training images of a file of `kerasnets embed` and are measured on the
    others.
    """

    file: Positional[pathlib.Path]
    """File of `kerasnets embed` on a data set with labels and splits."""
    neighbours: int = 20
    """Neighbours that vote."""

    def run(self) -> None:
        from kerasnets.cli.tables import show
        from kerasnets.embedding.probes import PROBES, knn, linear_probe, parts

        if self.neighbours < 1:
            raise UserError(f"--neighbours must be at least 1. Received: {self.neighbours}.")
        train, test = parts(Embeddings.load(self.file))
        count, probe = min(self.neighbours, len(train.names)), PROBES[train.task]
        rows = [
            (f"{count} nearest neighbours", probe.shown(knn(train, test, count))),
            (probe.model, probe.shown(linear_probe(train, test))),
        ]
        show(("probe", probe.measured), rows, left=("probe",))
        print(f"On {len(test.names):,} images of {test.splits[0]}, from {len(train.names):,}.")


def _vector(image: pathlib.Path, about: Mapping[str, Any]) -> np.ndarray:
    """The vector, (1, D), of an image by the network of a file of embeddings."""
    if not is_export(about["model"]):
        by = chosen(about["model"], about["weights"], about["options"])
        load_tensorflow(keras="tensorflow")
        return embedded(by, unlabelled([image]), about).vectors
    load_tensorflow()
    from kerasnets.prediction.models import open_model
    from kerasnets.prediction.prediction import Unreadable, read_image

    (found,) = open_model(about["model"]).vectors([read_image(image)])
    if isinstance(found, Unreadable):
        raise found.error(image)
    return found[None]
