"""What an image file costs to decode, from its headers alone.

Not by Pillow, which reads all of a hostile file's blocks before it tells the size.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from kerasnets.data.marks import format_of, refusal
from kerasnets.serving.status import invalid

# TensorFlow decodes JPEG XL too, whose headers are not read here: it is refused.
JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL")
# Every scan of a progressive JPEG goes over all pixels; encoders write ten or so.
MAX_SCANS = 32
# Segments, chunks and frames that a file may have: some, and one more for so many bytes.
MIN_BLOCKS = 256
BYTES_PER_BLOCK = 1024
# Parts of at most 255 bytes in a GIF that count as a block.
PARTS = 16
# Marks of a JPEG: the beginnings of frames, which give the size; what has no length.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE = {0x01, *range(0xD0, 0xDA)}
_SCAN = 0xDA


def pixels(encoded: bytes, limit: int) -> int:
    """The pixels of all frames of an image file.

    Bytes that do not begin as an image have none: decoding refuses them. Where the header cannot
    be read they count as `limit`, most likely decoding refuses them too, and tells why.

    Raises:
        RequestError: When it is a JPEG XL, or takes longer to decode than its pixels say.
    """
    if encoded.startswith(JPEG_XL):
        raise invalid(refusal(encoded))
    kind = format_of(encoded)
    if kind is None:
        return 0
    sizes: Callable[[bytes], Iterator[int]] = READERS[kind]
    most, total = MIN_BLOCKS + len(encoded) // BYTES_PER_BLOCK, 0
    try:
        for number, found in enumerate(sizes(encoded)):
            total += found
            if number > most:
                raise invalid(f"An image of {len(encoded)} bytes may have {most} blocks at most.")
    except (IndexError, struct.error):  # it ends within its header
        return limit
    return total or limit


# Readers give the pixels that each block of a file adds.


def _jpeg(encoded: bytes) -> Iterator[int]:
    at = 2
    while at < len(encoded):
        mark = encoded[at + 1]
        if encoded[at] != 0xFF or mark == 0xFF:  # not between segments, as decoders forgive
            at += 1
        elif mark in _BARE:
            at += 2
        elif mark == _SCAN:
            # Within a scan a zero follows each byte of ones.
            if (scans := encoded.count(b"\xff\xda", at)) > MAX_SCANS:
                raise invalid(f"A JPEG may have {MAX_SCANS} scans at most. Received: {scans}.")
            return
        else:
            size = 0
            if mark in _FRAMES:
                height, width = struct.unpack_from(">HH", encoded, at + 5)
                size = height * width
            at += 2 + max(2, struct.unpack_from(">H", encoded, at + 2)[0])
            yield size
            continue
        yield 0


def _png(encoded: bytes) -> Iterator[int]:
    width, height = struct.unpack_from(">II", encoded, 16)
    yield width * height
    at = 8
    while at + 8 <= len(encoded):
        length, name = struct.unpack_from(">I4s", encoded, at)
        if name == b"IEND":
            return
        at += 12 + length
        yield 0


def _webp(encoded: bytes) -> Iterator[int]:
    # RFC 9649, sections 2.5 to 2.7.
    kind = encoded[12:16]
    if kind == b"VP8X":
        sides = [1 + int.from_bytes(encoded[at : at + 3], "little") for at in (24, 27)]
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", encoded, 21)
        sides = [1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)]
    else:
        sides = [side & 0x3FFF for side in struct.unpack_from("<HH", encoded, 26)]
    yield sides[0] * sides[1]
    at = 12
    while at + 8 <= len(encoded):
        (length,) = struct.unpack_from("<I", encoded, at + 4)
        at += 8 + length + length % 2
        yield 0


def _bmp(encoded: bytes) -> Iterator[int]:
    width, height = struct.unpack_from("<ii", encoded, 18)
    yield abs(width * height)


def _gif(encoded: bytes) -> Iterator[int]:
    """All frames, though the first alone is decoded: another model may decode each."""
    width, height = struct.unpack_from("<HH", encoded, 6)
    canvas = width * height
    yield canvas
    at, parts = 13 + _palette_size(encoded[10]), 0
    while at < len(encoded):
        size = 0
        if encoded[at] == 0x2C:  # an image: its position, size, colours, data
            width, height, flags = struct.unpack_from("<HHB", encoded, at + 5)
            # The canvas holds the first.
            size, canvas = max(0, width * height - canvas), 0
            at += 11 + _palette_size(flags)
        elif encoded[at] == 0x21:  # an extension
            at += 2
        else:
            return
        while at < len(encoded) and encoded[at]:  # a part begins with its length
            at += 1 + encoded[at]
            parts += 1
            if parts % PARTS == 0:
                yield 0
        at += 1
        yield size


def _palette_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


READERS = {"JPEG": _jpeg, "PNG": _png, "WebP": _webp, "BMP": _bmp, "GIF": _gif}
