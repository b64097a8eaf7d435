"""Layers of Keras and keras-cv as augmentations."""

import numpy as np
import pytest

from kerasnets import Preprocessing, UserError
from kerasnets.data import Augment, Pixels, Split, augmentation, read, training_batches
from kerasnets.data.foreign import ForeignLayer
from kerasnets.data.transforms import Flip

SMALL = Preprocessing(size=(16, 16))


@pytest.fixture
def split(rng):
    images = rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    return Split(Pixels(images), np.arange(12, dtype=np.int32))


def by_label(split, count, **options):
    """The images of each batch, in the order of their labels."""
    batches = training_batches(split, SMALL, 3, batch_size=4, **options).take(count)
    return [images.numpy()[np.argsort(labels)] for images, labels in batches]


def test_parts_are_put_together():
    augment = augmentation("inception + keras:RandomHue(0.2) + keras_cv:GridMask(ratio_factor=0.5)")
    assert augment.crop == augmentation("inception").crop
    assert augment.transforms == (
        Flip(),
        ForeignLayer("keras:RandomHue(0.2)"),
        ForeignLayer("keras_cv:GridMask(ratio_factor=0.5)"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "keras:RandomHue(",
            "'keras:RandomHue\\(' is no augmentation. Expected a name, or a layer",
        ),
        ("torch:RandomHue", "'torch:RandomHue' is no augmentation"),
        ("", "'' is no augmentation"),
        ("keras:RandomHue(open('x'))", "arguments are numbers, True, False"),
        ("keras:RandomHue(0.2) + g(1)", "'g\\(1\\)' is no augmentation"),
        ("keras:RandomHue(0.1, seed=3)", "the run decides seed"),
        ("flip+inception", "Unknown augmentation 'flip'"),
        ("vgg+inception", "Only the first part of an augmentation may crop"),
    ],
)
def test_a_wrong_form_is_refused_at_once(text, message):
    with pytest.raises(UserError, match=message):
        augmentation(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keras:RandomHeu(0.2)", "Unknown layer of keras 'RandomHeu'. The closest: RandomHue"),
        ("keras:ops", "Unknown layer of keras 'ops'"),
        ("keras:RandomHue(0.1, strength=2)", "cannot be made: .*strength"),
        ("keras:RandomHue(7.0)", "cannot be made: .*factor"),
        ("keras:MixUp", "mixes images; for that there are --mixup and --cutmix"),
        ("keras:Dense(3)", "no augmentation of images \\(16, 16, 3\\): it has weights"),
        ("keras:Flatten", "no augmentation of images \\(16, 16, 3\\)"),
        ("keras:CenterCrop(8, 8)", "it makes \\(8, 8, 3\\) of them"),
    ],
)
def test_what_is_no_augmentation_is_refused_before_training(split, text, message):
    with pytest.raises(UserError, match=message):
        read(split, SMALL, 3, text)
    with pytest.raises(UserError, match=message):
        training_batches(split, SMALL, 3, batch_size=4, augment=text)


@pytest.mark.parametrize(
    "text", ["keras:RandomBrightness(0.4)", "keras_cv:RandomHue(0.5)", "keras_cv:GridMask"]
)
def test_an_image_depends_on_seed_epoch_and_index_alone(split, text, caplog):
    whole = by_label(split, 6, augment=text, seed=5)
    again = by_label(split, 6, augment=text, seed=5, threads=1)
    np.testing.assert_array_equal(whole, again)
    rest = by_label(split, 2, augment=text, seed=5, first_step=4)
    np.testing.assert_array_equal(whole[4:], rest)
    other = by_label(split, 6, augment=text, seed=6)
    assert not np.array_equal(whole, other)
    # Workers see the same images in other batches.
    one = sorted(image.tobytes() for batch in whole[:3] for image in batch)
    both = [
        image.tobytes()
        for worker in (0, 1)
        for images, _ in training_batches(
            split, SMALL, 3, batch_size=3, augment=text, seed=5, shard=(worker, 2)
        ).take(2)
        for image in images.numpy()
    ]
    assert sorted(both) == one
    assert len(set(one)) == 12
    assert caplog.messages == []


def test_numbers_of_its_own_are_told(split, caplog):
    caplog.set_level("WARNING", "kerasnets")
    ((images, _),) = training_batches(
        split, SMALL, 3, batch_size=4, augment="keras_cv:AugMix"
    ).take(1)
    assert images.shape == (4, 16, 16, 3)
    assert caplog.messages == [
        "keras_cv:AugMix draws from a generator of its own: a run that is resumed or repeated sees "
        "other images"
    ]


def test_pixels_are_rounded_and_stay_within_their_range(split):
    doubled = Augment(transforms=(ForeignLayer("keras:Rescaling(1.9)"),))
    found = by_label(split, 3, augment=doubled)
    images = split.records.values.astype(np.float32)
    expected = np.clip(np.round(images * np.float32(1.9)), 0, 255).astype(np.uint8)
    for batch in found:
        for image in batch:
            assert any(np.array_equal(image, each) for each in expected)
