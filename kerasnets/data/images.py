"""From the bytes of an image file to the uint8 pixels a network takes. Works inside graphs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TypeAlias

import tensorflow as tf

from kerasnets.data import exif, formats
from kerasnets.data.graphs import apart, one_node, traced_once
from kerasnets.inputs import Preprocessing

# Of `tf.raw_ops.ScaleAndTranslate`, which antialiases; "nearest" and "area" need it not.
_KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic", "lanczos3": "lanczos3"}


def decode(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """The pixels of a JPEG, PNG, BMP, WebP or GIF (the first frame), upright.

    JPEG is decoded with the exact inverse transform, as Pillow does; TensorFlow's default is
    faster and differs in the last bits. CMYK becomes RGB; transparency is dropped, as Pillow's
    ``convert("RGB")`` does. What is larger than `marks.MAX_PIXELS` is refused undecoded.

    Args:
        encoded: A scalar string.
        channels: 1 for grayscale, 3 for RGB.

    Returns:
        (H, W, channels) uint8.
    """

    def jpeg() -> tf.Tensor:
        whole = formats.whole_jpeg(encoded)
        with tf.control_dependencies([formats.limited(tf.io.extract_jpeg_shape(whole)[:2])]):
            image = tf.io.decode_jpeg(whole, channels, dct_method="INTEGER_ACCURATE")
        return exif.upright(image, exif.orientation(encoded))

    def png() -> tf.Tensor:
        return formats.decode_png(encoded, channels)

    def other() -> tf.Tensor:
        return match_channels(apart(formats.decode_other)(encoded), channels)

    known = [(formats.is_format(encoded, "JPEG"), jpeg), (formats.is_format(encoded, "PNG"), png)]
    image = tf.case(known, default=other)
    return tf.ensure_shape(image, (None, None, channels))


# From (n, 2) int32, heights and widths of images, and (n,) int32, which of the images these are, to
# their windows: (n, 4) int32, top, left, height and width.
Choose: TypeAlias = "Callable[[tf.Tensor, tf.Tensor], tf.Tensor]"


def decode_windows(
    files: Sequence[tf.Tensor],
    channels: int,
    choose: Choose,
    size: tuple[int, int],
    sides: tf.Tensor | None = None,
) -> list[tf.Tensor]:
    """The pixels of a window of each of some images; of a JPEG nothing else is decoded.

    Args:
        files: N scalar strings.
        channels: 1 for grayscale, 3 for RGB.
        choose: See `Choose`.
        size: Height and width that will be made of the windows; see `_jpeg_window`.
        sides: (N, 2) int32, what `jpeg_sides` gives of each, where it is known.

    Returns:
        N times (height, width, channels) uint8.
    """

    def plain_jpegs() -> list[tf.Tensor]:
        known = sides
        if known is None:
            known = tf.stack([tf.io.extract_jpeg_shape(file)[:2] for file in files])
        windows = choose(formats.limited(known), tf.range(len(files)))
        window = traced_once(functools.partial(_jpeg_window, channels=channels, size=size))
        return [window(*each) for each in zip(files, tf.unstack(windows), strict=True)]

    def others() -> list[tf.Tensor]:
        def any_window(file: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
            def choose_one(sides: tf.Tensor) -> tf.Tensor:
                return choose(sides[tf.newaxis], at[tf.newaxis])[0]

            return _any_window(file, channels, choose_one, size)

        window = traced_once(any_window)
        return [window(file, tf.constant(at)) for at, file in enumerate(files)]

    are_plain = exif.are_plain_jpegs(files) if sides is None else tf.reduce_all(sides > 0)
    found = tf.cond(are_plain, plain_jpegs, one_node(others))
    return [tf.ensure_shape(image, (None, None, channels)) for image in found]


def _any_window(
    encoded: tf.Tensor,
    channels: int,
    window: Callable[[tf.Tensor], tf.Tensor],
    size: tuple[int, int],
) -> tf.Tensor:
    """The window, chosen from the sides, of a JPEG that may be turned or of another image."""

    def jpeg() -> tf.Tensor:
        orientation = exif.orientation(encoded)
        stored = formats.limited(tf.io.extract_jpeg_shape(encoded)[:2])
        sides = exif.upright_sides(stored, orientation)
        place = exif.stored_window(window(sides), sides, orientation)
        # The same exchange of height and width leads back.
        stored_size = exif.upright_sides(tf.constant(size), orientation)
        return exif.upright(_jpeg_window(encoded, place, channels, stored_size), orientation)

    def no_jpeg() -> tf.Tensor:
        image = apart(decode)(encoded, channels)
        image = tf.ensure_shape(image, (None, None, channels))
        return cut(image, window(tf.shape(image)[:2]))

    return tf.cond(formats.is_format(encoded, "JPEG"), jpeg, no_jpeg)


def jpeg_sides(encoded: tf.Tensor) -> tf.Tensor:
    """Height and width, (2,) int32, of a JPEG that is stored upright; zeros of any other image."""

    def sides() -> tf.Tensor:
        found = tf.io.extract_jpeg_shape(encoded)[:2]
        return tf.where(exif.orientation(encoded) == 1, found, 0)

    return tf.cond(formats.is_format(encoded, "JPEG"), sides, lambda: tf.zeros((2,), tf.int32))


def _jpeg_window(
    encoded: tf.Tensor, window: tf.Tensor, channels: int, size: tf.Tensor | tuple[int, int]
) -> tf.Tensor:
    """The window of a JPEG, at 1/2, 1/4 or 1/8 of its sides where that is not below `size`.

    The decoder then transforms fewer coefficients of each block, which is fast and antialiases;
    the window's corner and sides are rounded down to 2, 4 or 8 pixels.
    """
    size = tf.convert_to_tensor(size)

    def whole() -> tf.Tensor:
        return tf.io.decode_and_crop_jpeg(encoded, window, channels)

    def scaled() -> tf.Tensor:
        return apart(_scaled_window)(encoded, window, channels, size)

    return tf.cond(tf.reduce_all(window[2:] >= 2 * size), scaled, whole)


def _scaled_window(
    encoded: tf.Tensor, window: tf.Tensor, channels: int, size: tf.Tensor
) -> tf.Tensor:
    times = tf.reduce_min(window[2:] // size)

    def at(ratio: int) -> tf.Tensor:
        return tf.io.decode_and_crop_jpeg(encoded, window // ratio, channels, ratio=ratio)

    return tf.case([(times >= 8, lambda: at(8)), (times >= 4, lambda: at(4))], lambda: at(2))


def cut(image: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """The window (top, left, height, width) of an image."""
    top, left, height, width = tf.unstack(window)
    return image[top : top + height, left : left + width]


def resize_crop(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """A crop at the network's size: bilinear, in two steps where it shrinks to less than half."""
    sides = tf.shape(image)[:2]
    # A quarter faster than resizing uint8, while the cache holds the copy.
    image = tf.cast(image, tf.float32)
    resized = tf.cond(
        tf.reduce_any(sides > 2 * tf.constant(size)),
        lambda: apart(_shrunk)(image, size),
        lambda: tf.image.resize(image, size),
    )
    # Truncation after adding a half rounds; bilinear weights leave no value outside 0 to 255.
    return tf.cast(resized + 0.5, tf.uint8)


def _shrunk(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """To a quarter in two steps, in a fifth of the time that antialiasing takes."""
    sides, target = tf.shape(image)[:2], tf.constant(size)

    def in_steps() -> tf.Tensor:
        twice = tf.image.resize(image, tf.where(sides > 2 * target, 2 * target, target))
        # Halfway between two pixels bilinear interpolation is their mean.
        return tf.image.resize(twice, size)

    return tf.cond(
        tf.reduce_all(sides <= 4 * target),
        in_steps,
        lambda: tf.image.resize(image, size, antialias=True),
    )


def match_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    """Grayscale from colour (ITU-R 601 luma) or the reverse, where the number differs."""
    if image.shape[-1] == channels:
        return image
    if channels == 1:
        return tf.image.rgb_to_grayscale(image)
    return tf.repeat(image, channels, axis=-1)


def fit(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Brings an image to the size that the network takes; see `Preprocessing`.

    Args:
        image: (H, W, C) uint8.
        preprocessing: The network's.

    Returns:
        (*preprocessing.size, C) uint8. An image of that size already is returned as it is. The
        sides and the place of a crop are those of torchvision, with which torchvision's and timm's
        accuracies were measured; keras.applications tells none.
    """
    height, width = preprocessing.size
    side = preprocessing.resize_to
    if preprocessing.fit == "crop":
        sides = _sides(image, side)
        # To the even number where it is in the middle of two pixels, as Python rounds.
        corner = tf.cast(tf.round((sides - preprocessing.size) / 2), tf.int32)
        image = _resize(image, sides, corner, preprocessing.size, preprocessing)
    elif preprocessing.fit == "pad":
        image = _resize(image, (side, side), (0, 0), (side, side), preprocessing)
        image = tf.image.resize_with_crop_or_pad(image, height, width)
    else:
        image = stretch(image, preprocessing)
    return tf.ensure_shape(image, (height, width, image.shape[-1]))


def seen_part(sides: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """The part of each image that `fit` brings before the network.

    Args:
        sides: Heights and widths of images, (N, 2) int32.
        preprocessing: The network's.

    Returns:
        (N, 4) float32: top, left, height and width as fractions of the image's sides; with
        ``fit="pad"`` it reaches beyond the image.
    """
    size, side = tf.constant(preprocessing.size), preprocessing.resize_to
    if preprocessing.fit == "crop":
        resized = side * sides // tf.reduce_min(sides, axis=1, keepdims=True)
    else:
        resized = size if preprocessing.fit == "stretch" else tf.constant([side, side])
        resized = tf.broadcast_to(resized, tf.shape(sides))
    corner = tf.cast(tf.round((resized - size) / 2), tf.float32)
    resized = tf.cast(resized, tf.float32)
    return tf.concat([corner / resized, tf.cast(size, tf.float32) / resized], axis=1)


def short_side(image: tf.Tensor, side: int, preprocessing: Preprocessing) -> tf.Tensor:
    """The whole image with a short side of `side` pixels, resized as `fit` does."""
    sides = _sides(image, side)
    return _resize(image, sides, (0, 0), sides, preprocessing)


def stretch(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """The image resized to the network's size whatever its aspect."""
    size = preprocessing.size
    return tf.ensure_shape(
        _resize(image, size, (0, 0), size, preprocessing), (*size, image.shape[-1])
    )


def _sides(image: tf.Tensor, side: int) -> tf.Tensor:
    """Height and width once the short side is `side`; the long one is truncated."""
    before = tf.shape(image)[:2]
    return side * before // tf.reduce_min(before)


def _resize(
    image: tf.Tensor,
    sides: tf.Tensor | tuple[int, int],
    corner: tf.Tensor | tuple[int, int],
    size: tf.Tensor | tuple[int, int],
    preprocessing: Preprocessing,
) -> tf.Tensor:
    """What resizing to `sides` and then cutting `size` out at `corner` gives.

    Nothing outside the cut is computed. It is antialiased, in floating point, then rounded; an
    image of the right sides is cut alone. Where a kernel has negative weights the columns are
    rounded before the rows are resized, as Pillow does: values beyond 0 to 255 are lost there.
    """
    before = tf.shape(image)[:2]
    sides, corner, size = (tf.convert_to_tensor(each) for each in (sides, corner, size))

    def resized() -> tf.Tensor:
        method = preprocessing.interpolation
        if method not in _KERNELS:
            exact = cut(tf.image.resize(image, sides, method), tf.concat([corner, size], 0))
            return _to_uint8(tf.cast(exact, tf.float32))
        scale = tf.cast(sides, tf.float32) / tf.cast(before, tf.float32)
        if method == "bilinear":
            return _scaled(image, size, scale, corner, method)
        columns = tf.stack([before[0], size[1]])
        found = _scaled(image, columns, scale * (0, 1) + (1, 0), corner * (0, 1), method)
        return _scaled(found, size, scale * (1, 0) + (0, 1), corner * (1, 0), method)

    same = tf.reduce_all(before == sides)
    return tf.cond(same, lambda: cut(image, tf.concat([corner, size], 0)), resized)


def _scaled(
    image: tf.Tensor, size: tf.Tensor, scale: tf.Tensor, corner: tf.Tensor, method: str
) -> tf.Tensor:
    """What lies at `corner` of the image once it is scaled, uint8 of this size."""
    found = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=size,
        scale=scale,
        translation=-tf.cast(corner, tf.float32),
        kernel_type=_KERNELS[method],
        antialias=True,
    )
    return _to_uint8(found[0])


def _to_uint8(exact: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(tf.clip_by_value(exact, 0, 255)), tf.uint8)
