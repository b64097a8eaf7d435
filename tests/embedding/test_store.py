import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.embedding import Embeddings, knn, linear_probe, semantic_duplicates
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


@pytest.mark.needs("faiss")
def test_faiss_and_scikit_learn_find_the_same(rng, monkeypatch):
    embeddings = made(rng, 500)
    embeddings.vectors[7] = 0  # no direction
    by_faiss = neighbours(embeddings, embeddings.vectors[:40], 9)
    monkeypatch.setattr("kerasnets.embedding.probes.installed", lambda _: False)
    by_scikit_learn = neighbours(embeddings, embeddings.vectors[:40], 9)
    # What is at a right angle to all has no neighbours.
    rows = np.arange(40) != 7
    for one, other in zip(by_faiss, by_scikit_learn, strict=True):
        np.testing.assert_allclose(one[rows], other[rows], atol=1e-6)


def test_semantic_duplicates_are_pairs_that_hold_groups_together(rng):
    embeddings = made(rng)
    own = embeddings.vectors
    own[1], own[20] = own[0] * 3, own[0] + 0.01  # 1 is of the other class
    own[6], own[46] = own[4], own[2]  # 46 is in the other split
    own[50] = own[48] + [0, 0.04, *[0] * 6]
    pairs = semantic_duplicates(embeddings, 0.9999)
    places = [{(each.split, each.index) for each in (pair.first, pair.second)} for pair in pairs]
    found = {frozenset(place): pair for place, pair in zip(places, pairs, strict=True)}
    assert len(pairs) == 5
    leak, plain = (
        found[frozenset(each)]
        for each in ([("train", 2), ("test", 16)], [("train", 4), ("train", 6)])
    )
    assert (leak.leaks, leak.disagrees) == (True, False)
    assert str(plain).startswith("train, Häuser: 'photos/4.jpg' ~ train, Häuser: 'photos/6.jpg'")
    # The group is held together by the pairs of two classes.
    group = [pair for pair in pairs if pair.disagrees]
    assert {(pair.first.index, pair.second.index) for pair in group} == {(0, 1), (1, 20)}
    cosines = [pair.cosine for pair in pairs]
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[0] == pytest.approx(1, abs=1e-6)
    assert places[-1] == {("test", 18), ("test", 20)}
    assert not semantic_duplicates(embeddings.take(np.arange(7, 48)), 0.9999)


def test_probes_find_several_labels_and_numbers(rng, tmp_path):
    vectors = rng.normal(size=(200, 6)).astype(np.float32)
    splits = tuple("train" if index < 150 else "test" for index in range(200))
    several = made(rng, 200)
    for task, labels in (
        ("multilabel", (vectors[:, :2] > 0).astype(np.float32)),
        ("regression", (vectors @ np.arange(12).reshape(6, 2)).astype(np.float32) + 1000),
    ):
        found = Embeddings(
            **{
                **vars(several),
                "vectors": vectors,
                "labels": labels,
                "splits": splits,
                "task": task,
            }
        )
        train, test = parts(found)
        assert linear_probe(train, test) > 0.97
        assert 0.6 < knn(train, test) < linear_probe(train, test)
        for ending in ("npz", "parquet"):
            found.save(tmp_path / f"{task}.{ending}")
            again = Embeddings.load(tmp_path / f"{task}.{ending}")
            np.testing.assert_array_equal(again.labels, labels)
            assert again.task == task
            assert again.class_of(3) == found.class_of(3)
    two = Embeddings(
        **{**vars(several), "labels": np.ones((200, 2), np.float32), "task": "multilabel"}
    )
    assert two.class_of(0) == "Häuser|rote Rosen"


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


def test_pairs_across_blocks_are_found(rng, monkeypatch):
    monkeypatch.setattr("kerasnets.embedding.duplicates.BLOCK", 16)
    embeddings = made(rng)
    own = embeddings.vectors
    own[50], own[9], own[35] = own[2] * 2, own[7], own[33]
    pairs = semantic_duplicates(embeddings, 0.9999)
    found = {(pair.first.name, pair.second.name) for pair in pairs}
    expected = ((2, 50), (7, 9), (33, 35))
    assert found == {(f"photos/{one}.jpg", f"photos/{other}.jpg") for one, other in expected}


def test_nearer_neighbours_count_more():
    """One at 5 degrees against two at 75."""
    angles = np.radians([5, 75, -75])
    train = Embeddings(
        vectors=np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32),
        names=("a", "b", "c"),
        labels=np.array([0, 1, 1], np.int32),
        splits=("train",) * 3,
        class_names=("x", "y"),
    )
    test = Embeddings(
        vectors=np.array([[1, 0]], np.float32),
        names=("d",),
        labels=np.array([0], np.int32),
        splits=("test",),
        class_names=("x", "y"),
    )
    assert knn(train, test, 3) == 1
