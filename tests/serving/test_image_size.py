"""What image files cost, against Pillow and the limits."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasnets.serving import image_size
from kerasnets.serving.status import RequestError

LIMIT = 10**6
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8))


def saved(kind: str, image: Image.Image = NOISE, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


JPEG, PROGRESSIVE, PNG, GIF = saved("JPEG"), saved("JPEG", progressive=True), saved("PNG"), None
GIF = saved("GIF")
GIF_FRAME = GIF.index(b",\0\0\0\0")
LAST_SCAN = PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2]
EXIF = Image.Exif()
EXIF[0x0112] = 6


@pytest.mark.parametrize(
    "encoded",
    [
        JPEG,
        PROGRESSIVE,
        saved("JPEG", NOISE.convert("L")),
        saved("JPEG", NOISE.convert("CMYK")),
        saved("JPEG", exif=EXIF, comment=b"c" * 60_000, icc_profile=b"i" * 200_000),
        JPEG[:2] + b"\xff\xff\xff" + JPEG[2:],
        JPEG + b"anything",
        PNG,
        saved("PNG", NOISE.convert("LA")),
        saved("PNG", exif=EXIF),
        saved("WEBP"),
        saved("WEBP", lossless=True),
        saved("WEBP", NOISE.convert("RGBA"), exif=EXIF),
        saved("BMP"),
        saved("BMP", NOISE.convert("P")),
        GIF,
        GIF[:GIF_FRAME] + b"!\xfe\3abc\0" * 100 + GIF[GIF_FRAME:],
    ],
)
def test_pixels_are_those_of_pillow(encoded):
    with Image.open(io.BytesIO(encoded)) as image:
        assert image_size.pixels(encoded, LIMIT) == image.width * image.height


def test_all_frames_of_an_animation_count():
    frames = [NOISE.rotate(angle) for angle in (10, 20, 30)]
    encoded = saved("GIF", save_all=True, append_images=frames)
    found = image_size.pixels(encoded, LIMIT)
    assert 3.5 * 37 * 53 < found <= 4 * 37 * 53


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (PROGRESSIVE[:-2] + LAST_SCAN * 100, "at most. Received: 110."),
        (PROGRESSIVE[:-2] + LAST_SCAN * 23, "32 scans at most. Received: 33."),
        (JPEG[:2] + b"\xff\xfe\0\2" * 1000 + JPEG[2:], "blocks at most"),
        (JPEG[:2] + b"\xff" * 1000 + JPEG[2:], "blocks at most"),
        (JPEG[:2] + b"\xff\xfe\0\2" + b"x" * 1000 + JPEG[2:], "blocks at most"),
        (JPEG[:2] + b"\xff\xd0" * 1000 + JPEG[2:], "blocks at most"),
        (PNG[:33] + chunk(b"teXt") * 1000 + PNG[33:], "blocks at most"),
        (saved("WEBP", exif=EXIF) + b"ABCD\0\0\0\0" * 1000, "blocks at most"),
        (GIF[:GIF_FRAME] + b"!\xfe\0" * 1000 + GIF[GIF_FRAME:], "blocks at most"),
        (GIF[:-1] + (GIF[GIF_FRAME : GIF_FRAME + 10] + b"\2\0") * 1000, "blocks at most"),
        (
            GIF[:GIF_FRAME] + b"!\xfe" + b"\1a" * 60_000 + b"\0" + GIF[GIF_FRAME:],
            "An image of 12.* bytes may have 3.. blocks at most",
        ),
        (b"\xff\x0a\xfa\x1f", "it is a JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "it is a JPEG XL"),
    ],
)
def test_what_takes_longer_than_its_pixels_is_refused(encoded, message):
    with pytest.raises(RequestError, match=message):
        image_size.pixels(encoded, LIMIT)


def test_real_files_of_many_blocks_are_not_refused():
    """Full blocks, a profile in 64 segments, as many scans as an encoder writes."""
    large = Image.effect_noise((2000, 2000), 80)
    assert image_size.pixels(saved("GIF", large), LIMIT) == 4_000_000
    with_profile = saved("JPEG", icc_profile=b"i" * 4_000_000)
    assert image_size.pixels(with_profile, LIMIT) == 37 * 53
    assert image_size.pixels(PROGRESSIVE[:-2] + LAST_SCAN * 22, LIMIT) == 37 * 53


@pytest.mark.parametrize("encoded", [JPEG, PNG, GIF, saved("BMP"), saved("WEBP")])
def test_a_header_that_ends_early_counts_as_the_limit_or_tells_the_size(encoded):
    for size in range(19, 200):
        assert image_size.pixels(encoded[:size], LIMIT) in (LIMIT, 37 * 53)


@pytest.mark.parametrize("encoded", [b"", b"\xff\xd8", b"no image", b"RIFF\0\0\0\0WAVE", b"BM"])
def test_what_is_no_image_has_no_pixels(encoded):
    assert image_size.pixels(encoded, LIMIT) == 0
