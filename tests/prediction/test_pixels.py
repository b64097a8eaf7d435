"""Pillow's pixels beside those of TensorFlow, which evaluation and SavedModels see."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasnets import Preprocessing
from kerasnets.data.images import decode, fit
from kerasnets.prediction.pixels import fitted
from kerasnets.prediction.prediction import Unreadable


def smooth(rng, height, width):
    """An image like a photograph: noise that is large beside the pixels."""
    small = Image.fromarray(rng.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def by_tensorflow(content, channels, preprocessing):
    return fit(decode(tf.constant(content), channels), preprocessing).numpy().astype(int)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WebP", "GIF"])
def test_every_format_has_the_pixels_of_tensorflow(kind, channels, rng):
    options = {"quality": 90} if kind == "JPEG" else {"lossless": True} if kind == "WebP" else {}
    content = saved(smooth(rng, 88, 120), kind, **options)
    before = Preprocessing(size=(48, 40), resize=56)
    found = fitted(content, channels, before)
    expected = by_tensorflow(content, channels, before)
    assert found.shape == (48, 40, channels)
    assert np.abs(found - expected).max() <= 3
    assert np.abs(found - expected).mean() < 0.7


def test_what_tensorflow_cannot_decode_is_refused(rng):
    more = {"save_all": True, "append_images": [Image.new("RGB", (64, 48))]}
    content = saved(smooth(rng, 48, 64), "WEBP", **more)
    found = fitted(content, 3, Preprocessing(size=(32, 32)))
    assert found == Unreadable("an animated WebP, which TensorFlow cannot decode")


@pytest.mark.parametrize("how", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "lanczos3", "area", "nearest"])
@pytest.mark.parametrize("sides", [(96, 128), (40, 32)])
def test_every_fit_and_kernel_is_that_of_tensorflow(how, kernel, sides, rng):
    content = saved(smooth(rng, *sides), "PNG")
    before = Preprocessing(size=(48, 48), resize=60 if how == "crop" else 40, fit=how)
    before = Preprocessing(**{**vars(before), "interpolation": kernel})
    found, expected = fitted(content, 3, before), by_tensorflow(content, 3, before)
    # Where a pixel is in the middle of two, the nearest may be either.
    assert np.abs(found - expected).mean() < (3 if kernel in ("nearest", "area") else 0.5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(orientation, rng):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(smooth(rng, 64, 96), "JPEG", quality=95, exif=exif.tobytes())
    before = Preprocessing(size=(32, 32))
    found, expected = fitted(content, 3, before), by_tensorflow(content, 3, before)
    assert np.abs(found - expected).max() <= 2


def test_sixteen_bits_and_transparency_are_as_tensorflow_has_them(rng):
    before = Preprocessing(size=(16, 16), fit="stretch")
    wide = Image.fromarray(rng.integers(0, 2**16, (16, 16), dtype=np.uint16))
    clear = Image.fromarray(rng.integers(0, 256, (16, 16, 4), dtype=np.uint8))
    for image in (wide, clear):
        content = saved(image, "PNG")
        np.testing.assert_array_equal(fitted(content, 3, before), by_tensorflow(content, 3, before))


def test_what_cannot_be_read_has_a_reason(rng):
    before = Preprocessing(size=(16, 16))
    whole = saved(smooth(rng, 64, 64), "PNG")
    for content, reason in (
        (b"a note", "no JPEG, PNG, GIF, BMP or WebP: it begins with the bytes 61 20"),
        (b"", "no JPEG, PNG, GIF, BMP or WebP: it is empty"),
        (whole[: len(whole) // 2], "truncated"),
        (saved(Image.new("1", (10_000, 9_000)), "PNG"), "larger than the limit of 89,478,485 pix"),
    ):
        found = fitted(content, 3, before)
        assert isinstance(found, Unreadable)
        assert reason in found.reason
        assert len(found.reason) <= 100
