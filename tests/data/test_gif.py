import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasnets.data import gif, images


def picture(rng):
    return Image.fromarray(rng.integers(0, 256, (40, 47, 3), dtype=np.uint8)).convert("P")


def saved(image, **options):
    with io.BytesIO() as file:
        image.save(file, "GIF", **options)
        return file.getvalue()


def test_the_first_frame_is_all_that_is_decoded(rng):
    frames = [picture(rng) for _ in range(3)]
    for options in ({}, {"save_all": True, "append_images": frames[1:], "comment": b"x" * 600}):
        encoded = saved(frames[0], **options)
        still, sides, corner, _ = gif.first_frame(tf.constant(encoded))
        assert Image.open(io.BytesIO(still.numpy())).n_frames == 1
        assert sides.numpy().tolist() == [40, 47]
        assert corner.numpy().tolist() == [0, 0]
        expected = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
        np.testing.assert_array_equal(images.decode(tf.constant(encoded), 3), expected)


def test_an_animation_costs_no_more_than_a_picture(rng):
    """A frame repeated 2,000 times is cut off as soon as one behind the first is."""
    image = picture(rng)
    once = saved(image, save_all=True, append_images=[image.rotate(90)])
    still = gif.first_frame(tf.constant(once))[0].numpy()
    behind = once.index(still[-400:-1]) + 399
    many = once[:behind] + once[behind:-1] * 2000 + b";"
    assert gif.first_frame(tf.constant(many))[0].numpy() == still


def test_frames_larger_than_the_limit_are_refused(rng):
    encoded = bytearray(saved(picture(rng)))
    at = encoded.index(b"\x2c\0\0\0\0")
    encoded[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than the limit"):
        images.decode(tf.constant(bytes(encoded)), 3)


SCREEN = b"GIF89a\1\0\1\0\0\0\0"
FRAME = b",\0\0\0\0\1\0\1\0\0\2"


@pytest.mark.parametrize(
    "blocks",
    [
        b"",
        b"\1a",
        b"\1a" * 3 * gif.WINDOW,
        b"\xff" + b"b" * 255,
        (b"\xff" + b"\0" * 255) * 50,
        b"\3\0\0\0" * gif.WINDOW,
        # The end on the last byte of a window, on the first behind it, and a block across.
        b"\1a" * (gif.WINDOW // 2 - 2) + b"\2bb",
        b"\1a" * (gif.WINDOW // 2),
        b"\1a" * (gif.WINDOW // 2 - 1) + b"\xff" + b"\0" * 255,
        b"".join(bytes([length]) + b"\7" * length for length in range(1, 256)),
    ],
)
def test_blocks_are_passed_over_to_their_end(blocks):
    comment, frame = b"!\xfe" + blocks + b"\0", FRAME + blocks + b"\0"
    still = gif.first_frame(tf.constant(SCREEN + comment + frame + comment + b";"))[0]
    assert still == SCREEN + frame + b";"


def test_what_does_not_end_is_refused(rng, monkeypatch):
    monkeypatch.setattr(gif, "MAX_SECTIONS", 50)
    endless = SCREEN + b"!\xfe\0" * 100 + FRAME + b"\0;"
    with pytest.raises(tf.errors.InvalidArgumentError, match="GIF of more than 50 blocks"):
        gif.first_frame(tf.constant(endless))
    whole = saved(picture(rng))
    for cut in (6, 13, 30, len(whole) // 2):
        with pytest.raises(tf.errors.InvalidArgumentError):
            images.decode(tf.constant(whole[:cut]), 3)
