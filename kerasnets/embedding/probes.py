"""How much of the classes is in the vectors: by neighbours, and by a linear classifier."""

from __future__ import annotations

import numpy as np

from kerasnets.embedding.store import Embeddings
from kerasnets.errors import UserError

# Wu et al. 2018, arXiv 1805.01978, and those after them take 20 to 200 neighbours of ImageNet.
NEIGHBOURS = 20


def neighbours(found: Embeddings, vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest images by the cosine of the angle between vectors.

    Args:
        found: Where to look.
        vectors: (M, D).
        count: How many; fewer where there are fewer.

    Returns:
        Their indices and their cosines, (M, count), the nearest first.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(count, len(found.names))
    index = NearestNeighbors(n_neighbors=count, metric="cosine").fit(found.vectors)
    distances, indices = index.kneighbors(vectors)
    return indices, 1 - distances


def knn(train: Embeddings, test: Embeddings, count: int = NEIGHBOURS) -> float:
    """The fraction of images whose nearest neighbours vote for their class.

    Each neighbour counts by its cosine.

    Args:
        train: Where neighbours are looked for.
        test: What is classified.
        count: Neighbours that vote.
    """
    indices, cosines = neighbours(train, test.vectors, count)
    votes = np.zeros((len(test.names), len(train.class_names)))
    rows = np.arange(len(test.names))[:, np.newaxis]
    np.add.at(votes, (rows, train.labels[indices]), np.maximum(cosines, 0) + 1e-6)
    return float(np.mean(votes.argmax(axis=1) == test.labels))


def linear_probe(train: Embeddings, test: Embeddings) -> float:
    """The accuracy of a logistic regression on the standardised vectors."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(train.vectors, train.labels)
    return float(classifier.score(test.vectors, test.labels))


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
    if len(np.unique(train.labels)) < 2:
        raise UserError("A probe needs images of two classes at least.")
    return train, found.of(held_out[0])
