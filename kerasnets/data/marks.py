"""How files begin: of the formats that are decoded, and of what else stands in image folders."""

from __future__ import annotations

from typing import NamedTuple

# Offsets and the bytes there, of each format that is decoded.
FORMATS = {
    "JPEG": ((0, b"\xff\xd8\xff"),),
    "PNG": ((0, b"\x89PNG\r\n\x1a\n"),),
    "GIF": ((0, b"GIF8"),),
    # The upper bytes of a header's length, to tell it from text.
    "BMP": ((0, b"BM"), (15, b"\0\0\0")),
    "WebP": ((0, b"RIFF"), (8, b"WEBP")),
}


# Pillow's limit on what may be no attack, 256 MiB of RGB.
MAX_PIXELS = 89_478_485
ANIMATED_WEBP = "an animated WebP, which TensorFlow cannot decode"


class Foreign(NamedTuple):
    """A kind of file that is not decoded.

    Attributes:
        name: What it is, for "it is ...".
        offset: Where its mark stands.
        mark: Its bytes.
    """

    name: str
    offset: int
    mark: bytes


FOREIGN = (
    Foreign("gzip-compressed", 0, b"\x1f\x8b"),
    Foreign("a ZIP archive", 0, b"PK\x03\x04"),
    Foreign("a 7z archive", 0, b"7z\xbc\xaf\x27\x1c"),
    Foreign("a RAR archive", 0, b"Rar!\x1a\x07"),
    Foreign("a PDF", 0, b"%PDF"),
    Foreign("a TIFF", 0, b"II*\0"),
    Foreign("a TIFF", 0, b"MM\0*"),
    Foreign("a HEIC, AVIF or MP4", 4, b"ftyp"),
    Foreign("a JPEG XL", 0, b"\xff\x0a"),
    Foreign("a JPEG XL", 0, b"\0\0\0\x0cJXL "),
    Foreign("a JPEG 2000", 0, b"\0\0\0\x0cjP  "),
    Foreign("a Photoshop file", 0, b"8BPS"),
    Foreign("an icon", 0, b"\0\0\1\0"),
    Foreign("a Git LFS pointer", 0, b"version https://git-lfs"),
    Foreign("HTML or XML", 0, b"<"),
    Foreign("JSON", 0, b"{"),
    Foreign("a NumPy array", 0, b"\x93NUMPY"),
    Foreign("zeros at its beginning", 0, bytes(16)),
)
# Bytes that hold all of these marks.
START = 24
# Bytes that are shown of what is none of these.
SHOWN = 8

REFUSAL = "no JPEG, PNG, GIF, BMP or WebP: "


def format_of(start: bytes) -> str | None:
    """The name in `FORMATS` of a file's format, from its first `START` bytes."""
    for name, marks in FORMATS.items():
        if all(start[at : at + len(mark)] == mark for at, mark in marks):
            return name
    return None


def refusal(start: bytes) -> str:
    """Why a file is not decoded whose first bytes are those of no format in `FORMATS`."""
    for name, at, mark in FOREIGN:
        if start[at : at + len(mark)] == mark:
            return f"{REFUSAL}it is {name}"
    if not start:
        return f"{REFUSAL}it is empty"
    return f"{REFUSAL}it begins with the bytes {start[:SHOWN].hex(' ')}"
