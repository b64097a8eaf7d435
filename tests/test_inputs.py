import keras
import numpy as np
import pytest

from kerasnets import Preprocessing, UserError, with_preprocessing


def identity(channels: int) -> keras.Model:
    images = keras.Input((2, 3, channels))
    return keras.Model(images, keras.layers.Identity()(images))


def test_scales_by_mean_and_std_of_each_channel(rng):
    images = rng.integers(0, 256, (4, 2, 3, 3), dtype=np.uint8)
    preprocessing = Preprocessing(size=(2, 3), mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.2))
    scaled = with_preprocessing(identity(3), preprocessing)(images)
    expected = (images / 255.0 - [0.1, 0.2, 0.3]) / [0.5, 0.25, 0.2]
    np.testing.assert_allclose(scaled, expected, atol=1e-5)


def test_bgr_turns_the_channels_before_scaling(rng):
    images = rng.integers(0, 256, (1, 2, 3, 3), dtype=np.uint8)
    preprocessing = Preprocessing(
        size=(2, 3),
        mean=(103.939 / 255, 116.779 / 255, 123.68 / 255),
        std=(1 / 255,) * 3,
        channel_order="bgr",
    )
    scaled = with_preprocessing(identity(3), preprocessing)(images)
    expected = images[..., ::-1] - np.array([103.939, 116.779, 123.68])
    np.testing.assert_allclose(scaled, expected, atol=1e-3)


def test_for_input_keeps_the_fraction_that_is_cropped():
    imagenet = Preprocessing(size=(224, 224), resize=256)
    small = imagenet.for_input(112, 112, 3)
    assert (small.size, small.resize) == ((112, 112), 128)
    gray = imagenet.for_input(224, 224, 1)
    assert gray.mean == (pytest.approx((0.485 + 0.456 + 0.406) / 3),)


def test_statistics_must_match_the_channels():
    with pytest.raises(UserError, match=r"channel, 0.485 0.456 0.406; .*channels=4"):
        with_preprocessing(identity(4), Preprocessing(size=(2, 3)))


def test_lenet_puts_background_and_strokes_where_the_paper_does():
    import kerasnets

    preprocessing = kerasnets.info("lenet5").preprocessing
    images = np.array([[[[0], [255], [0]], [[0], [255], [0]]]], np.uint8)
    scaled = np.array(with_preprocessing(identity(1), preprocessing)(images))
    # Section II.B: background -0.1, foreground 1.175.
    np.testing.assert_allclose(np.unique(scaled), [-0.1, 1.175], atol=1e-6)
