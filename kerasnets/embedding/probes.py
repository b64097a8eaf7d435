"""How much of the labels is in the vectors: by neighbours, and by a linear model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kerasnets.embedding.store import Embeddings, unit
from kerasnets.errors import UserError
from kerasnets.lazy import installed
from kerasnets.tasks import TaskName

# Wu et al. 2018, arXiv 1805.01978, and those after them take 20 to 200 neighbours of ImageNet.
NEIGHBOURS = 20


def neighbours(found: Embeddings, vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest images by the cosine of the angle between vectors.

    By faiss where it is installed, or else by scikit-learn; both compare with every image.

    Args:
        found: Where to look.
        vectors: (M, D).
        count: How many; fewer where there are fewer.

    Returns:
        Their indices and their cosines, (M, count), the nearest first.
    """
    count, own, asked = min(count, len(found.names)), found.unit, unit(vectors)
    if installed("faiss"):
        import faiss

        index = faiss.IndexFlatIP(own.shape[1])
        index.add(own)
        cosines, indices = index.search(asked, count)
        return indices, cosines
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=count, metric="cosine").fit(own)
    distances, indices = nearest.kneighbors(asked)
    return indices, 1 - distances


def knn(train: Embeddings, test: Embeddings, count: int = NEIGHBOURS) -> float:
    """How well the mean of an image's nearest neighbours gives its label, see `PROBES`.

    Each neighbour counts by its cosine.

    Args:
        train: Where neighbours are looked for.
        test: What is to be told.
        count: Neighbours that vote.
    """
    indices, cosines = neighbours(train, test.vectors, count)
    weights = np.maximum(cosines, 0) + 1e-6
    weights /= weights.sum(1, keepdims=True)
    if train.labels.ndim == 1:
        # Not a row of all classes for each neighbour: of ImageNet these would be 8 GB.
        said = np.zeros((len(indices), len(train.class_names)))
        np.add.at(said, (np.arange(len(indices))[:, np.newaxis], train.labels[indices]), weights)
    else:
        said = np.einsum("mk,mkc->mc", weights, train.labels[indices])
    return PROBES[train.task].score(said, test.labels)


def linear_probe(train: Embeddings, test: Embeddings) -> float:
    """How well a linear model of the standardised vectors gives the labels, see `PROBES`."""
    from sklearn.preprocessing import StandardScaler

    scaler, probe = StandardScaler().fit(train.vectors), PROBES[train.task]
    own, asked = (np.asarray(scaler.transform(each.vectors)) for each in (train, test))
    return probe.score(probe.linear(own, train.labels, asked), test.labels)


@dataclass(frozen=True)
class Probe:
    """How a task's labels are told from vectors.

    Attributes:
        measured: What `score` is called.
        model: What the linear model is called.
        score: From what was said, (M, columns), and the labels to a figure; more is better.
        linear: From vectors and labels, and the vectors to tell them of, to (M, columns).
    """

    measured: str
    model: str
    score: Callable[[np.ndarray, np.ndarray], float]
    linear: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

    def shown(self, figure: float) -> str:
        """The figure as it is printed; R2 may be below 0."""
        return f"{figure:.4f}" if self.measured == "R2" else f"{figure:.2%}"


def _accuracy(said: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(said.argmax(axis=1) == labels))


def _mean_average_precision(said: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    columns = zip((labels > 0).T, said.T, strict=True)
    return float(np.mean([average_precision_score(own, x) for own, x in columns if own.any()]))


def _r2(said: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(labels, said))


def _one_class(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1000).fit(train, labels)
    said = np.zeros((len(test), int(labels.max()) + 1))
    said[:, model.classes_] = model.predict_proba(test)
    return said


def _several_classes(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """A model of each class; of one that all or no images have nothing can be learned."""
    said = np.zeros((len(test), labels.shape[1]))
    for column, own in enumerate((labels > 0).astype(int).T):
        if len(np.unique(own)) == 2:
            said[:, column] = _one_class(train, own, test)[:, 1]
    return said


def _numbers(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import RidgeCV

    said = RidgeCV(np.logspace(-2, 4, 7)).fit(train, labels).predict(test)
    return said.reshape(len(test), -1)


PROBES: dict[TaskName, Probe] = {
    "classification": Probe("top-1", "logistic regression", _accuracy, _one_class),
    "multilabel": Probe(
        "mean average precision",
        "logistic regressions",
        _mean_average_precision,
        _several_classes,
    ),
    "regression": Probe("R2", "ridge regression", _r2, _numbers),
}


def parts(found: Embeddings) -> tuple[Embeddings, Embeddings]:
    """The training images, and those that were held out, of embeddings with labels.

    Raises:
        UserError: When either is missing, or there are no labels.
    """
    train = found.of("train")
    held_out = [split for split in ("test", "validation") if split in found.splits]
    if not train.names or not held_out:
        splits = sorted(set(found.splits) - {""})
        raise UserError(
            "A probe needs the splits train and test; embed a data set, such as folder:PATH. "
            f"Received: {', '.join(splits) or 'none'}."
        )
    if len(np.unique(train.labels, axis=0)) < 2:
        raise UserError("A probe needs images of two classes at least.")
    return train, found.of(held_out[0])
