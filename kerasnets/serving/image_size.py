"""What an image file costs to decode and resize, from its headers alone."""

from __future__ import annotations

import io
import struct
import sys

from PIL import Image

from kerasnets.serving.status import invalid

# How files of the formats begin that the networks' graphs decode.
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF")
# TensorFlow decodes JPEG XL too, whose headers Pillow cannot read: it is refused.
STARTS += (b"\xff\x0a", b"\x00\x00\x00\x0cJXL")
# No network has the short side resized to more pixels; the long side grows along.
SHORT_SIDE = 512


def cost(encoded: bytes) -> int:
    """The most pixels that an image file becomes on its way into a network.

    Those of all its frames when it is decoded, or those of a long strip of an image when its short
    side is resized. Bytes that do not begin as an image cost nothing: decoding refuses them.

    Raises:
        RequestError: When the bytes begin as an image and their header cannot be read.
    """
    if not encoded.startswith(STARTS):
        return 0
    try:
        if encoded.startswith(b"GIF8"):
            width, height = struct.unpack_from("<HH", encoded, 6)
            decoded = _gif_pixels(encoded)
        else:
            with Image.open(io.BytesIO(encoded)) as image:
                width, height = image.size
                decoded = width * height * getattr(image, "n_frames", 1)
        return max(decoded, SHORT_SIDE**2 * max(width, height) // min(width, height))
    except Image.DecompressionBombError:
        return sys.maxsize
    # Pillow lets whatever its readers run into come through.
    except Exception as error:
        raise invalid("The header of the image cannot be read.") from error


def _gif_pixels(encoded: bytes) -> int:
    """Of all frames, which need not lie within the screen: TensorFlow's decoder holds every one."""
    flags = encoded[10]
    at = 13 + _colour_table(flags)
    total = 0
    while at < len(encoded):
        if encoded[at] == 0x2C:  # an image: its place, its size, its colours, its data
            width, height, flags = struct.unpack_from("<HHB", encoded, at + 5)
            total += width * height
            at += 11 + _colour_table(flags)
        elif encoded[at] == 0x21:  # an extension
            at += 2
        else:
            break
        while at < len(encoded) and encoded[at]:  # blocks that begin with their length
            at += 1 + encoded[at]
        at += 1
    return total


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
