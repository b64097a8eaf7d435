import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kerasnets.data.images import (
    decode,
    decode_windows,
    fit,
    jpeg_sides,
    match_channels,
    resize_crop,
)
from kerasnets.data.marks import MAX_PIXELS
from kerasnets.inputs import Preprocessing
from tests.slow import slow_except


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


def variants(photograph: Image.Image) -> dict[str, bytes]:
    """The photograph in every kind of file that people have."""
    shade = Image.linear_gradient("L").resize(photograph.size)
    clear = photograph.copy()
    clear.putalpha(shade)
    deep = np.array(photograph).astype(np.uint16) * 257
    animation = {"save_all": True, "append_images": [ImageOps.invert(photograph)]}
    return {
        "JPEG": encoded(photograph, "JPEG"),
        "progressive JPEG": encoded(photograph, "JPEG", progressive=True),
        "grayscale JPEG": encoded(photograph.convert("L"), "JPEG"),
        "CMYK JPEG": encoded(photograph.convert("CMYK"), "JPEG"),
        "JPEG 4:4:4": encoded(photograph, "JPEG", subsampling=0),
        "PNG": encoded(photograph, "PNG"),
        "grayscale PNG": encoded(photograph.convert("L"), "PNG"),
        "black and white PNG": encoded(photograph.convert("1"), "PNG"),
        "palette PNG": encoded(photograph.quantize(64), "PNG"),
        "transparent palette PNG": encoded(photograph.quantize(64), "PNG", transparency=3),
        "transparent PNG": encoded(clear, "PNG"),
        "transparent grayscale PNG": encoded(clear.convert("LA"), "PNG"),
        "16-bit PNG": tf.io.encode_png(tf.constant(deep)).numpy(),
        "BMP": encoded(photograph, "BMP"),
        "32-bit BMP": encoded(clear, "BMP"),
        "palette BMP": encoded(photograph.quantize(64), "BMP"),
        "black and white BMP": encoded(photograph.convert("1"), "BMP"),
        "GIF": encoded(photograph, "GIF"),
        "animated GIF": encoded(photograph, "GIF", **animation),
        "WebP": encoded(photograph, "WEBP"),
        "lossless WebP": encoded(photograph, "WEBP", lossless=True),
        "transparent WebP": encoded(clear, "WEBP"),
    }


@pytest.fixture(scope="module")
def in_graph():
    return tf.function(lambda content: decode(content, 3))


def test_every_kind_of_file_is_decoded_as_pillow_does(photograph, in_graph):
    for name, content in variants(photograph).items():
        expected = np.array(Image.open(io.BytesIO(content)).convert("RGB"), np.int32)
        found = in_graph(tf.constant(content)).numpy().astype(np.int32)
        assert found.shape == expected.shape, name
        assert np.abs(found - expected).mean() <= 2, name


def test_sixteen_bits_of_grey_become_the_upper_eight(in_graph):
    # Pillow cuts such values off at 255.
    deep = np.arange(0, 65536, 97, dtype=np.uint16).reshape(26, 26)
    content = encoded(Image.fromarray(deep), "PNG")
    np.testing.assert_array_equal(in_graph(tf.constant(content))[..., 0], deep >> 8)


def one_window(content: tf.Tensor, window: object, size: tuple[int, int]) -> tf.Tensor:
    def choose(sides: tf.Tensor, which: tf.Tensor) -> tf.Tensor:
        return tf.reshape(window, (1, 4))

    return decode_windows([content], 3, choose, size)[0]


@pytest.mark.parametrize("endian", ["<", ">"])
def test_exif_orientation_is_applied(photograph, in_graph, endian):
    window = tf.constant([5, 7, 20, 30])
    part = tf.function(lambda content: one_window(content, window, (20, 30)))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif.endian = endian
        exif[0x0112], exif[0x010F], exif[0x0132] = orientation, "Camera", "2020:01:01 00:00:00"
        content = tf.constant(encoded(photograph, "JPEG", exif=exif))
        file = Image.open(io.BytesIO(content.numpy()))
        expected = np.array(ImageOps.exif_transpose(file), np.int32)
        np.testing.assert_array_equal(in_graph(content), expected)
        # Crops are decoded by the fast transform.
        assert np.abs(part(content).numpy() - expected[5:25, 7:37]).mean() <= 2


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("times", [1, 2, 3, 5, 9])
def test_large_windows_of_jpegs_are_decoded_smaller(rng, times, orientation):
    """Not below the size asked for, and within rounding what Pillow makes of the whole."""
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((500, 400), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(image, "JPEG", quality=95, exif=exif)
    size = (32, 40)
    window = (16, 24, 32 * times, 40 * times)
    decoded = one_window(tf.constant(content), window, size)
    ratio = {1: 1, 2: 2, 3: 2, 5: 4, 9: 8}[times]
    assert decoded.shape == (*(side * times // ratio for side in size), 3)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    top, left, height, width = window
    expected = upright.crop((left, top, left + width, top + height)).resize(
        size[::-1], Image.Resampling.BILINEAR
    )
    found = resize_crop(decoded, size).numpy().astype(int)
    assert np.abs(found - np.array(expected)).mean() <= 2


@pytest.mark.parametrize(
    "sides", [(40, 65), (70, 100), (65, 128), (128, 40), (129, 40), (300, 20), (20, 24)]
)
def test_crops_shrink_without_aliases(rng, sides):
    """Noise is averaged, if not as much as by Pillow; bilinear interpolation alone picks from it."""
    size = (32, 32)
    noise = rng.integers(0, 256, (*sides, 3), dtype=np.uint8)
    found = tf.function(lambda image: resize_crop(image, size))(tf.constant(noise))
    assert found.shape == (*size, 3)
    assert found.dtype == tf.uint8
    pillow = Image.fromarray(noise).resize(size[::-1], Image.Resampling.BILINEAR)
    alone = tf.image.resize(noise, size)
    errors = [np.abs(np.float32(each) - np.float32(pillow)).mean() for each in (found, alone)]
    if max(sides[0] / size[0], sides[1] / size[1]) <= 2:
        assert errors[0] == pytest.approx(errors[1], abs=0.5)
    else:
        assert errors[0] < 0.75 * errors[1]


def oriented(photograph: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(photograph, "JPEG", exif=exif)


@pytest.mark.parametrize("sides_known", slow_except([True], [False, True]))
@pytest.mark.parametrize("kinds", [("JPEG", "JPEG 4:4:4"), ("JPEG", "turned", "PNG", "BMP")])
def test_windows_of_several_files_are_those_of_each(photograph, kinds, sides_known):
    files = {**variants(photograph), "turned": oriented(photograph, 6)}
    windows = tf.constant([[5 + n, 7 - n, 20 + n, 30 - n] for n in range(len(kinds))])
    contents = [tf.constant(files[kind]) for kind in kinds]

    def choose(sides: tf.Tensor, which: tf.Tensor) -> tf.Tensor:
        tf.debugging.assert_positive(sides)
        return tf.gather(windows, which)

    @tf.function
    def together(*contents: tf.Tensor) -> list[tf.Tensor]:
        sides = tf.stack([jpeg_sides(content) for content in contents]) if sides_known else None
        return decode_windows(contents, 3, choose, (20, 30), sides)

    for content, window, found in zip(contents, windows, together(*contents), strict=True):
        alone = one_window(content, window, (20, 30))
        np.testing.assert_array_equal(found, alone)


def test_sides_are_told_of_jpegs_that_are_stored_upright(photograph):
    find = tf.function(jpeg_sides)
    for name, content in variants(photograph).items():
        expected = [48, 64] if "JPEG" in name else [0, 0]
        assert find(tf.constant(content)).numpy().tolist() == expected, name
    for orientation in range(1, 9):
        expected = [48, 64] if orientation == 1 else [0, 0]
        content = oriented(photograph, orientation)
        assert find(tf.constant(content)).numpy().tolist() == expected


def test_a_damaged_orientation_is_none(photograph, in_graph):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(photograph, "JPEG", exif=exif)
    broken = content.replace(b"\x01\x12\x00\x03", b"\x01\x12\xff\x03").replace(
        b"MM\x00*\x00\x00\x00\x08", b"MM\x00*\x00\x00\xff\xff"
    )
    assert broken != content
    assert in_graph(tf.constant(broken)).shape == (48, 64, 3)


def torchvision_crop(image: Image.Image, size: int, side: int, method: str) -> np.ndarray:
    """torchvision's Resize and CenterCrop of a Pillow image."""
    width, height = image.size
    short = min(width, height)
    if short != side:
        width, height = int(side * width / short), int(side * height / short)
        image = image.resize((width, height), Image.Resampling[method.upper()])
    left, top = round((width - size) / 2.0), round((height - size) / 2.0)
    return np.array(image.crop((left, top, left + size, top + size)), np.int32)


@pytest.mark.parametrize(("method", "tolerance"), [("bilinear", 1), ("bicubic", 2)])
# torchvision's first and second weights, timm's, and the Inceptions'.
@pytest.mark.parametrize(
    ("size", "side"),
    [
        (224, 256),
        (224, 232),
        (224, 235),
        (224, 224),
        (288, 288),
        (299, 333),
        (299, 341),
        (299, 342),
    ],
)
def test_the_crop_of_an_evaluation_is_torchvisions(rng, method, tolerance, size, side):
    preprocessing = Preprocessing(size=(size, size), resize=side, interpolation=method)
    fitted = tf.function(lambda image: fit(image, preprocessing), autograph=False)
    for sides in ((225, 640), (501, 333), (side, side + 99)):
        # Edges of full contrast, which an error of one pixel moves and a kernel overshoots.
        coarse = rng.integers(0, 2, (sides[0] // 9, sides[1] // 9, 3), dtype=np.uint8) * 255
        image = Image.fromarray(coarse).resize(sides[::-1], Image.Resampling.BICUBIC)
        expected = torchvision_crop(image, size, side, method)
        found = fitted.get_concrete_function(tf.TensorSpec((None, None, 3), tf.uint8))(
            tf.constant(np.array(image))
        )
        difference = np.abs(found.numpy() - expected)
        assert difference.max() <= tolerance, sides
        assert difference.mean() < 0.2, sides


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP"])
def test_pixels_beyond_the_limit_are_refused_undecoded(in_graph, kind):
    sides = (10_000, 9_000) if kind == "WEBP" else (20_000, 4_500)
    assert np.prod(sides) > MAX_PIXELS
    content = encoded(Image.new("L", sides), kind)
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than the limit of 89,478,485"):
        in_graph(tf.constant(content))


@pytest.mark.parametrize("sides", [None, tf.constant([(9, 9), (20_000, 4_500)])])
def test_one_image_beyond_the_limit_among_several_is_refused(sides):
    contents = [
        tf.constant(encoded(Image.new("L", sides), "JPEG")) for sides in ((9, 9), (20_000, 4_500))
    ]
    window = tf.constant([[0, 0, 1, 1]] * 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than the limit of 89,478,485"):
        decode_windows(contents, 3, lambda sides, which: tf.gather(window, which), (8, 8), sides)


def test_images_of_extreme_sides_are_fitted(in_graph):
    preprocessing = Preprocessing(size=(32, 32), resize=36)
    for sides in ((1, 1), (20_000, 1), (1, 20_000), (20_000, 3)):
        image = in_graph(tf.constant(encoded(Image.new("RGB", sides, (9, 99, 199)), "PNG")))
        assert (fit(image, preprocessing).numpy() == (9, 99, 199)).all()


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"GIF89a", b"BM", b"RIFF", b"\x89PNG", b"\xff\xd8\xff"]
)
def test_what_is_no_image_is_an_error(in_graph, content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        in_graph(tf.constant(content))


def test_animated_webp_is_refused(photograph, in_graph):
    animation = {"save_all": True, "append_images": [ImageOps.invert(photograph)]}
    with pytest.raises(tf.errors.InvalidArgumentError, match="an animated WebP"):
        in_graph(tf.constant(encoded(photograph, "WEBP", **animation)))
