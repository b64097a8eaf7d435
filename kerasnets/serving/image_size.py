"""How many pixels an image file decodes to, from its headers alone."""

from __future__ import annotations

import io
import struct
import sys

from PIL import Image

from kerasnets.data.marks import format_of, refusal
from kerasnets.serving.status import invalid

# TensorFlow decodes JPEG XL too, whose headers Pillow cannot read: it is refused.
JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL")


def pixels(encoded: bytes, limit: int) -> int:
    """The pixels of all frames of an image file.

    Bytes that do not begin as an image have none: decoding refuses them. Where the header cannot
    be read they count as `limit`, most likely decoding refuses them too, and tells why.

    Raises:
        RequestError: When it is a JPEG XL.
    """
    if encoded.startswith(JPEG_XL):
        raise invalid(refusal(encoded))
    if format_of(encoded) is None:
        return 0
    try:
        if encoded.startswith(b"GIF8"):
            return _gif_pixels(encoded)
        with Image.open(io.BytesIO(encoded)) as image:
            return image.width * image.height * getattr(image, "n_frames", 1)
    except Image.DecompressionBombError:
        return sys.maxsize
    # Pillow passes on whatever its readers raise.
    except Exception:
        return limit


def _gif_pixels(encoded: bytes) -> int:
    """The pixels of all frames: TensorFlow's decoder holds each, also what exceeds the screen."""
    at = 13 + _palette_size(encoded[10])
    total = 0
    while at < len(encoded):
        if encoded[at] == 0x2C:  # an image: its position, size, colours, data
            width, height, flags = struct.unpack_from("<HHB", encoded, at + 5)
            total += width * height
            at += 11 + _palette_size(flags)
        elif encoded[at] == 0x21:  # an extension
            at += 2
        else:
            break
        while at < len(encoded) and encoded[at]:  # blocks that begin with their length
            at += 1 + encoded[at]
        at += 1
    return total


def _palette_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
