import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasnets.data.images import decode, fit, match_channels
from kerasnets.inputs import Preprocessing


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def photograph(rng):
    """Smooth colours, as photographs have."""
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF"])
def test_decodes_as_pillow_does(photograph, kind):
    content = encoded(photograph, kind)
    expected = np.array(Image.open(io.BytesIO(content)).convert("RGB"), np.int32)
    for decoder in (decode, tf.function(decode)):
        found = decoder(tf.constant(content), 3).numpy()
        assert found.dtype == np.uint8
        assert np.abs(found - expected).max() <= (1 if kind == "JPEG" else 0)


def test_grayscale_files_and_networks(photograph):
    content = encoded(photograph.convert("L"), "PNG")
    color = decode(tf.constant(content), 3).numpy()
    np.testing.assert_array_equal(color[..., 0], color[..., 2])
    for kind in ("JPEG", "PNG", "BMP", "GIF"):
        content = encoded(photograph, kind)
        gray = decode(tf.constant(content), 1).numpy()
        expected = Image.open(io.BytesIO(content)).convert("RGB").convert("L")
        # JPEG stores the luma before colours are clipped; elsewhere only rounding differs.
        assert np.abs(gray[..., 0] - np.array(expected, np.int32)).mean() < 1, kind


def test_match_channels(rng):
    image = tf.constant(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    luma = image.numpy() @ [0.2989, 0.587, 0.114]
    np.testing.assert_allclose(match_channels(image, 1)[..., 0], luma, atol=1)
    assert match_channels(image, 3) is image
    assert match_channels(image[..., :1], 3).shape == (4, 5, 3)


def test_crop_takes_the_centre(rng):
    image = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    found = fit(tf.constant(image), Preprocessing(size=(20, 30), resize=40))
    np.testing.assert_array_equal(found, image[10:30, 15:45])


def test_resize_agrees_with_pillow(photograph):
    found = fit(tf.constant(np.array(photograph)), Preprocessing(size=(24, 24), resize=24)).numpy()
    expected = np.array(photograph.resize((32, 24), Image.Resampling.BILINEAR), np.int32)
    # Both antialias; they round at different stages.
    assert np.abs(found.astype(np.int32) - expected[:, 4:28]).max() <= 1


def test_pad_centres_on_black():
    image = tf.fill((8, 8, 1), tf.constant(200, tf.uint8))
    found = fit(image, Preprocessing(size=(32, 32), fit="pad", resize=28)).numpy()
    assert (found[2:30, 2:30] == 200).all()
    assert found.sum() == 200 * 28 * 28


@pytest.mark.parametrize("how", ["crop", "stretch"])
def test_an_image_of_the_right_size_stays_as_it_is(rng, how):
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    found = fit(tf.constant(image), Preprocessing(size=(32, 32), fit=how))
    np.testing.assert_array_equal(found, image)
