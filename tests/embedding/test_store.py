import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.embedding import Embeddings, knn, linear_probe
from kerasnets.embedding.probes import neighbours, parts
from kerasnets.embedding.store import UNKNOWN


def made(rng, count: int = 60) -> Embeddings:
    """Two classes in directions of their own, half of the images in each split."""
    labels = np.arange(count) % 2
    vectors = rng.normal(0, 0.3, (count, 8)) + np.eye(8)[labels] * 3
    return Embeddings(
        vectors=vectors.astype(np.float32),
        names=tuple(f"photos/{index}.jpg" for index in range(count)),
        labels=labels.astype(np.int32),
        splits=tuple("train" if index < count // 2 else "test" for index in range(count)),
        class_names=("Häuser", "rote Rosen"),
        about={"model": "resnet18", "weights": None, "options": {"stem": "small"}},
    )


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_a_file_gives_back_what_was_written(tmp_path, rng, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    embeddings = made(rng)
    embeddings.labels[3] = UNKNOWN
    embeddings.save(tmp_path / f"photos.{ending}")
    again = Embeddings.load(tmp_path / f"photos.{ending}")
    np.testing.assert_array_equal(again.vectors, embeddings.vectors)
    np.testing.assert_array_equal(again.labels, embeddings.labels)
    assert again.vectors.dtype == np.float32
    for field in ("names", "splits", "class_names", "about"):
        assert getattr(again, field) == getattr(embeddings, field)
    assert again.class_of(3) == ""
    assert again.class_of(0) == "Häuser"


def test_what_is_no_such_file_is_told(tmp_path):
    (tmp_path / "notes.npz").write_bytes(b"notes")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("notes.npz", "other.npz"):
        with pytest.raises(UserError, match=f"{name}' holds no embeddings of `kerasnets embed`"):
            Embeddings.load(tmp_path / name)
    with pytest.raises(UserError, match="none.npz' cannot be read: No such file"):
        Embeddings.load(tmp_path / "none.npz")


def test_without_pyarrow_parquet_is_refused(tmp_path, monkeypatch, rng):
    monkeypatch.setattr("kerasnets.embedding.store.installed", lambda _: False)
    with pytest.raises(UserError, match="needs pyarrow"):
        made(rng).save(tmp_path / "photos.parquet")


def test_neighbours_are_those_of_the_smallest_angle(rng):
    embeddings = made(rng)
    wanted = embeddings.vectors[:2] * 5  # the length does not count
    indices, cosines = neighbours(embeddings, wanted, 4)
    unit = embeddings.vectors / np.linalg.norm(embeddings.vectors, axis=1, keepdims=True)
    expected = unit[:2] @ unit.T
    assert indices[:, 0].tolist() == [0, 1]
    np.testing.assert_array_equal(indices, np.argsort(-expected, axis=1)[:, :4])
    np.testing.assert_allclose(cosines, -np.sort(-expected, axis=1)[:, :4], atol=1e-6)


def test_probes_find_classes_that_are_there_and_none_that_are_not(rng):
    train, test = parts(made(rng))
    assert (len(train.names), len(test.names)) == (30, 30)
    assert knn(train, test) == linear_probe(train, test) == 1
    wrong = Embeddings(**{**vars(test), "labels": 1 - test.labels})
    assert knn(train, wrong) == linear_probe(train, wrong) == 0


def test_a_probe_needs_splits_and_classes(rng):
    embeddings = made(rng)
    with pytest.raises(UserError, match="needs the splits train and test; .* Received: train"):
        parts(embeddings.of("train"))
    alone = Embeddings(**{**vars(embeddings), "labels": np.zeros(60, np.int32)})
    with pytest.raises(UserError, match="images of two classes"):
        parts(alone)
