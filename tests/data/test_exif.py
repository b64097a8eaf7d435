"""Orientation and colour as Pillow has them."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kerasnets.data.images import decode, decode_windows, jpeg_sides

SIDES = (24, 16)


def picture() -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(SIDES, Image.Resampling.BICUBIC)


def encoded(kind: str, image: Image.Image | None = None, **options) -> bytes:
    with io.BytesIO() as file:
        (image or picture()).save(file, kind, **options)
        return file.getvalue()


def tiff(
    value: int = 6, *, endian: str = ">", kind: int = 3, count: int = 1, far: int = 0
) -> bytes:
    """An EXIF directory with an orientation between two other tags, `far` bytes into the block."""
    form = {3: "HH", 4: "I", 8: "hH", 9: "i"}[kind]
    stored = struct.pack(endian + form, *((value, 0) if len(form) == 2 else (value,)))
    entries = [
        struct.pack(f"{endian}HHI4s", 0x010E, 2, 4, b"abc\0"),
        struct.pack(f"{endian}HHI", 0x0112, kind, count) + stored,
        struct.pack(f"{endian}HHII", 0x0128, 3, 1, 0),
    ]
    head = (b"MM\0*" if endian == ">" else b"II*\0") + struct.pack(f"{endian}I", 8 + far)
    return head + bytes(far) + struct.pack(f"{endian}H", 3) + b"".join(entries) + bytes(4)


def segment(mark: int, content: bytes) -> bytes:
    return b"\xff" + bytes([mark]) + struct.pack(">H", len(content) + 2) + content


def exif(content: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + content)


def xmp(value: int, form: str = 'tiff:Orientation="{}"') -> bytes:
    return b"<x:xmpmeta>" + bytes(form.format(value), "ascii") + b"</x:xmpmeta>"


def xmp_segment(content: bytes) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + content)


def jpeg(*segments: bytes, after: bytes = b"") -> bytes:
    """A JPEG with some segments before its tables, and some behind the first table."""
    plain = encoded("JPEG", quality=95)
    start, tables = plain[:20], plain[20:]
    length = 2 + int.from_bytes(tables[2:4], "big")
    return start + b"".join(segments) + tables[:length] + after + tables[length:]


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(early: bytes = b"", late: bytes = b"", image: Image.Image | None = None) -> bytes:
    plain = encoded("PNG", image)
    return plain[:33] + early + plain[33:-12] + late + plain[-12:]


PROFILE = b"ICC_PROFILE\0\1\1" + np.random.default_rng(1).bytes(60_000)
THUMBNAIL = encoded("JPEG", picture().resize((8, 8)))
ITXT = b"XML:com.adobe.xmp\0\0\0\0\0"
ORIENTATIONS = {
    **{f"EXIF {value}": jpeg(exif(tiff(value))) for value in range(10)},
    **{f"little EXIF {value}": jpeg(exif(tiff(value, endian="<"))) for value in (3, 8)},
    "behind a large ICC profile": jpeg(segment(0xE2, PROFILE), exif(tiff())),
    "behind many profiles": jpeg(*[segment(0xE2, PROFILE)] * 5, exif(tiff())),
    "behind a large XMP": jpeg(xmp_segment(b" " * 50_000), exif(tiff())),
    "behind a large APP0": jpeg(segment(0xE0, b"JFXX\0\x10" + THUMBNAIL * 20), exif(tiff(8))),
    "behind a thumbnail": jpeg(segment(0xED, b"Photoshop 3.0\0" + THUMBNAIL), exif(tiff())),
    "behind a comment": jpeg(segment(0xFE, b"made by hand"), exif(tiff())),
    "behind the first table": jpeg(after=exif(tiff())),
    "behind table and profile": jpeg(after=segment(0xE2, PROFILE) + exif(tiff())),
    "behind fill bytes": jpeg(b"\xff\xff\xff" + exif(tiff())),
    "a directory far into the block": jpeg(exif(tiff(far=30_000))),
    "LONG": jpeg(exif(tiff(kind=4))),
    "little LONG": jpeg(exif(tiff(kind=4, endian="<"))),
    "signed SHORT": jpeg(exif(tiff(kind=8))),
    "two values": jpeg(exif(tiff(count=2))),
    "no value": jpeg(exif(tiff(count=0))),
    "the mark in a comment": jpeg(segment(0xFE, b"Exif\0\0" + tiff())),
    "the mark in a profile": jpeg(segment(0xE2, b"Exif\0\0" + tiff())),
    "a comment, then EXIF": jpeg(segment(0xFE, b"Exif\0\0" + tiff(3)), exif(tiff(8))),
    "XMP": jpeg(xmp_segment(xmp(6))),
    "XMP as an element": jpeg(xmp_segment(xmp(8, "<tiff:Orientation>{}</tiff:Orientation>"))),
    "EXIF before XMP": jpeg(xmp_segment(xmp(8)), exif(tiff(3))),
    "EXIF of 1 before XMP": jpeg(xmp_segment(xmp(8)), exif(tiff(1))),
    "XMP before EXIF without any": jpeg(
        xmp_segment(xmp(8)), exif(tiff().replace(b"\x01\x12", b"\x01\x13"))
    ),
    "progressive": encoded("JPEG", progressive=True, quality=95, exif=b"Exif\0\0" + tiff(5)),
    "grayscale": encoded("JPEG", picture().convert("L"), quality=95, exif=b"Exif\0\0" + tiff(7)),
    **{f"PNG {value}": png(chunk(b"eXIf", tiff(value))) for value in range(1, 9)},
    "PNG behind the picture": png(late=chunk(b"eXIf", tiff(endian="<"))),
    "PNG with the mark in a text": png(chunk(b"tEXt", b"Comment\0eXIf" + tiff())),
    "PNG by XMP": png(chunk(b"iTXt", ITXT + xmp(6))),
    "PNG without": png(),
    "palette PNG": png(chunk(b"eXIf", tiff(3)), image=picture().quantize(16)),
    **{
        f"WebP {value}": encoded("WEBP", lossless=True, exif=tiff(value, endian="<"))
        for value in range(1, 9)
    },
    "WebP with the mark": encoded("WEBP", lossless=True, exif=b"Exif\0\0" + tiff(6)),
    "WebP by XMP": encoded("WEBP", lossless=True, xmp=xmp(3)),
    "WebP with a profile": encoded("WEBP", lossless=True, icc_profile=PROFILE, exif=tiff(8)),
    "WebP without": encoded("WEBP", lossless=True),
}  # fmt: skip


@pytest.fixture(scope="module")
def in_graph():
    spec = tf.TensorSpec((), tf.string)
    return tf.function(lambda content: decode(content, 3)).get_concrete_function(spec)


@pytest.fixture(scope="module")
def pixels(in_graph) -> dict[str, np.ndarray]:
    """All images decoded, at once: each test begins with a new seed, which empties caches."""
    files = {**ORIENTATIONS, **COLOURS}
    return {
        name: in_graph(tf.constant(file)).numpy().astype(np.int32) for name, file in files.items()
    }


@pytest.fixture(scope="module")
def windows() -> dict[str, np.ndarray]:
    """The lower right part of the images, as training decodes it."""

    def choose(sides: tf.Tensor, which: slice) -> tf.Tensor:
        return tf.concat([tf.tile([[5, 3]], [tf.shape(sides)[0], 1]), sides - [5, 3]], axis=1)

    spec = tf.TensorSpec((), tf.string)
    part = tf.function(lambda content: decode_windows([content], 3, choose, SIDES)[0])
    part = part.get_concrete_function(spec)
    return {name: part(tf.constant(file)).numpy() for name, file in ORIENTATIONS.items()}


def pillow(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.int32)


@pytest.mark.filterwarnings("ignore:Metadata Warning")  # of Pillow, for two values
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_images_are_turned_as_by_pillow(name, pixels, windows):
    expected, found = pillow(ORIENTATIONS[name]), pixels[name]
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1
    # Crops are decoded by the fast transform; another orientation is more than 30 off.
    assert np.abs(windows[name] - expected[5:, 3:]).mean() <= 8


def test_nothing_breaks_damaged_metadata(in_graph):
    """Whatever stands in a block, the picture is there; Pillow raises errors for some of these."""
    random = np.random.default_rng(2)
    whole = tiff(far=20)
    for _ in range(30):
        content = bytearray(whole)
        for at in random.integers(0, len(whole), 4):
            content[at] = random.integers(256)
        cut = bytes(content[: random.integers(1, len(whole))])
        for block in (bytes(content), cut):
            for file in (jpeg(exif(block)), png(chunk(b"eXIf", block))):
                assert sorted(in_graph(tf.constant(file)).shape) == [3, *sorted(SIDES)]
    for place in (0, 7, 0x7FFFFFFE, 0xFFFFFFF0):
        block = whole[:4] + struct.pack(">I", place) + whole[8:]
        assert in_graph(tf.constant(jpeg(exif(block)))).shape[2] == 3


def test_sides_are_known_of_upright_jpegs_alone():
    for name in ("EXIF 6", "behind a large ICC profile", "PNG 6", "XMP"):
        assert jpeg_sides(tf.constant(ORIENTATIONS[name])).numpy().tolist() == [0, 0]
    assert jpeg_sides(tf.constant(jpeg(segment(0xFE, b"x")))).numpy().tolist() == [16, 24]


def gif(*, transparency: int | None, corner: tuple[int, int] = (0, 0), own_palette: bool = False):
    """A GIF of 24x16 whose frame may be smaller; its pixels are the indices 0 to 3 in turn."""
    width, height = SIDES[0] - corner[0] - 2 * bool(corner[0]), SIDES[1] - corner[1]
    frame = Image.new("P", (width, height))
    frame.putdata([at % 4 for at in range(width * height)])
    frame.putpalette([200, 10, 20, 30, 210, 40, 50, 60, 220, 230, 240, 70])
    with io.BytesIO() as file:
        frame.save(file, "GIF", optimize=False)
        plain = file.getvalue()
    table = plain[13 : 13 + 3 * 2 ** ((plain[10] & 7) + 1)]
    at = plain.index(b",", 13 + len(table))
    flags = plain[10] & 7 | 0x80
    data = plain[at + 10 :]
    control = b""
    if transparency is not None:
        control = b"!\xf9\x04\x01\0\0" + bytes([transparency, 0])
    head = b"GIF89a" + struct.pack("<HHBBB", *SIDES, flags, 0, 0)
    other = bytes(255 - value for value in table)
    screen, own = (other, table) if own_palette else (table, b"")
    place = struct.pack("<HHHHB", *corner, width, height, flags if own_palette else 0)
    return head + screen + b"!\xfe\x05hello\0" + control + b"," + place + own + data


clear = picture()
clear.putalpha(Image.linear_gradient("L").resize(SIDES))
COLOURS = {
    "transparent GIF": gif(transparency=1),
    "transparent first colour": gif(transparency=0),
    "opaque GIF": gif(transparency=None),
    "palette of the frame": gif(transparency=2, own_palette=True),
    "small frame": gif(transparency=None, corner=(5, 3)),
    "small transparent frame": gif(transparency=3, corner=(5, 3)),
    "small frame with a palette": gif(transparency=3, corner=(4, 0), own_palette=True),
    "animated transparent GIF": encoded(
        "GIF", clear, save_all=True, append_images=[ImageOps.mirror(clear)]
    ),
    "interlaced GIF": encoded("GIF", interlace=1),
    "PNG with a palette": encoded("PNG", picture().quantize(16), transparency=3),
    "transparent PNG": encoded("PNG", clear),
    "transparent grey PNG": encoded("PNG", clear.convert("LA")),
    "PNG with a transparent colour": encoded("PNG", transparency=(0, 0, 0)),
    "PNG with a gamma": png(chunk(b"gAMA", struct.pack(">I", 100_000))),
    "black and white PNG": encoded("PNG", picture().convert("1")),
    "transparent WebP": encoded("WEBP", clear, lossless=True, exact=True),
    "palette BMP": encoded("BMP", picture().quantize(16)),
    "small palette BMP": encoded("BMP", picture().quantize(3)),
    "black and white BMP": encoded("BMP", picture().convert("1")),
    "32-bit BMP": encoded("BMP", clear),
    "BMP with more behind": encoded("BMP") + b"more",
    "grey JPEG": encoded("JPEG", picture().convert("L")),
    "CMYK JPEG": encoded("JPEG", picture().convert("CMYK"), quality=95),
    "JPEG 4:4:4": encoded("JPEG", subsampling=0),
    "RGB JPEG": encoded("JPEG", keep_rgb=True),
    "JPEG with more behind": encoded("JPEG") + b"more",
}  # fmt: skip


@pytest.mark.parametrize("name", COLOURS)
def test_colours_are_pillows(name, pixels):
    expected, found = pillow(COLOURS[name]), pixels[name]
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= (2 if "JPEG" in name else 0)
