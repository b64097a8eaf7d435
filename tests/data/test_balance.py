import numpy as np
import pytest

from kerasnets import Preprocessing, UserError
from kerasnets.data import load, training_batches, write_tfrecords
from kerasnets.data.balance import balanced_weights, oversampled
from kerasnets.data.pipeline import evaluation_batches, read
from kerasnets.data.records import Paths, Pixels
from kerasnets.data.sources.base import Split

SMALL = Preprocessing(size=(8, 8))


@pytest.fixture
def unequal():
    """Image k is filled with k; 12 of class 0, 4 of class 1, 1 of class 2."""
    images = np.broadcast_to(np.arange(17, dtype=np.uint8)[:, None, None, None], (17, 8, 8, 1))
    return Split(Pixels(images.copy()), np.repeat(np.arange(3, dtype=np.int32), [12, 4, 1]))


def test_balanced_weights_are_those_of_scikit_learn(unequal):
    from sklearn.utils.class_weight import compute_class_weight

    expected = compute_class_weight("balanced", classes=np.arange(3), y=unequal.labels)
    several = np.array([[1, 0], [1, 1], [1, 0], [0, 0]], np.float32)
    weights = balanced_weights(several, ("a", "b"))
    # As many as there are without, for each with.
    assert weights == pytest.approx({"a": 1 / 3, "b": 3.0})
    found = balanced_weights(unequal.labels, ("a", "b", "c"))
    assert list(found) == ["a", "b", "c"]
    np.testing.assert_allclose(list(found.values()), expected)
    with pytest.raises(UserError, match="'d' has no training images"):
        balanced_weights(unequal.labels, ("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("fraction", "counts"), [(0.0, [12, 4, 1]), (0.5, [12, 8, 7]), (1.0, [12, 12, 12])]
)
def test_rare_classes_are_repeated(unequal, fraction, counts):
    found = oversampled(unequal, fraction)
    assert np.bincount(found.labels).tolist() == counts
    # All images stay, and of a class all are there about as often.
    pixels = [int(image[0, 0, 0]) for batch, _ in
              evaluation_batches(found, SMALL, 1, batch_size=8) for image in batch]  # fmt: skip
    times = np.bincount(pixels, minlength=17)
    assert times.min() == 1
    for label in range(3):
        assert np.ptp(times[unequal.labels == label]) <= 1
    labels = unequal.labels[pixels]
    np.testing.assert_array_equal(labels, found.labels)


def test_an_oversampled_run_goes_on_from_any_step(unequal):
    split = oversampled(read(unequal, SMALL, 1), 1.0)

    def batches(first_step, count):
        options = {"batch_size": 8, "augment": "affine", "seed": 3}
        found = training_batches(split, SMALL, 1, first_step=first_step, **options)
        return list(found.take(count).as_numpy_iterator())

    whole = batches(0, 10)
    for (images, labels), (again, same) in zip(whole[5:], batches(5, 5), strict=True):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels, same)
    # The one image of class 2 is drawn another way each time.
    alone = [image for images, labels in whole[:4] for image in images[labels == 2]]
    assert len(alone) > 4
    assert len({image.tobytes() for image in alone}) > len(alone) // 2


def test_repeated_images_keep_their_names():
    split = Split(Paths(np.array(["a.png", "b.png", "c.png"], object)), np.array([0, 0, 1]))
    found = oversampled(split, 1.0)
    assert [found.name(index) for index in range(found.size)] == [
        "a.png", "b.png", "c.png", "c.png"
    ]  # fmt: skip
    assert [found.take(np.array([3, 0])).name(index) for index in (0, 1)] == ["c.png", "a.png"]


def test_images_in_tfrecord_files_cannot_be_repeated(image_folder, tmp_path):
    write_tfrecords(load(f"folder:{image_folder}"), tmp_path / "records")
    split = load(f"records:{tmp_path / 'records'}").split("train")
    with pytest.raises(UserError, match="oversample needs images that are found one by one"):
        oversampled(split, 1.0)
