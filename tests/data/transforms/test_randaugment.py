import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from kerasnets import UserError
from kerasnets.data.transforms import RandAugment
from kerasnets.data.transforms.randaugment import FILL, OPERATIONS


@pytest.fixture
def photograph(rng):
    coarse = rng.integers(20, 200, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((44, 36), Image.Resampling.BICUBIC)


def enhanced(kind, image, signed):
    return kind(image).enhance(1 + 0.9 * signed)


def warped(image, matrix):
    fill = (int(FILL),) * 3
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=fill
    )


PILLOW = {
    "identity": lambda image, signed: image,
    "auto_contrast": lambda image, signed: ImageOps.autocontrast(image),
    "equalize": lambda image, signed: ImageOps.equalize(image),
    "solarize": lambda image, signed: ImageOps.solarize(image, round(256 * (1 - abs(signed)))),
    "posterize": lambda image, signed: ImageOps.posterize(image, 8 - round(4 * abs(signed))),
    "color": lambda image, signed: enhanced(ImageEnhance.Color, image, signed),
    "contrast": lambda image, signed: enhanced(ImageEnhance.Contrast, image, signed),
    "brightness": lambda image, signed: enhanced(ImageEnhance.Brightness, image, signed),
    "sharpness": lambda image, signed: enhanced(ImageEnhance.Sharpness, image, signed),
    "rotate": lambda image, signed: image.rotate(30 * signed, fillcolor=(int(FILL),) * 3),
    # Pillow counts from the corner of a pixel, TensorFlow from its centre.
    "shear_x": lambda image, signed: warped(image, (1, 0.3 * signed, -0.15 * signed, 0, 1, 0)),
    "shear_y": lambda image, signed: warped(image, (1, 0, 0, 0.3 * signed, 1, -0.15 * signed)),
    "translate_x": lambda image, signed: warped(
        image, (1, 0, round(image.width * 150 / 331 * signed), 0, 1, 0)
    ),
    "translate_y": lambda image, signed: warped(
        image, (1, 0, 0, 0, 1, round(image.height * 150 / 331 * signed))
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_pillows(photograph, name):
    image = tf.constant(np.array(photograph))
    operation = tf.function(OPERATIONS[name])
    for signed in (-0.9, -0.3, 0.3, 0.9):
        found = operation(image, tf.constant(signed)).numpy().astype(int)
        expected = np.array(PILLOW[name](photograph, signed)).astype(int)
        # Nearest pixels may be taken from the other side of a tie.
        differ = np.abs(found - expected).max(axis=2) > 1
        assert differ.mean() < 0.03, signed


def test_a_flat_image_survives_stretching():
    flat = tf.fill((8, 8, 3), tf.constant(77, tf.uint8))
    for name in ("auto_contrast", "equalize"):
        np.testing.assert_array_equal(OPERATIONS[name](flat, 0.9), flat)


def test_solarize_at_its_ends(photograph):
    image = np.array(photograph)
    np.testing.assert_array_equal(OPERATIONS["solarize"](tf.constant(image), 0.0), image)
    np.testing.assert_array_equal(OPERATIONS["solarize"](tf.constant(image), 1.0), 255 - image)


def test_each_operation_and_direction_comes_as_often(rng):
    image = np.array(rng.integers(0, 256, (1, 6, 7, 3)), np.uint8)
    expected = {
        (name, sign): OPERATIONS[name](tf.constant(image[0]), tf.constant(sign * 0.9)).numpy()
        for name in OPERATIONS
        for sign in (-1.0, 1.0)
    }
    transform = RandAugment(1, 9)
    apply = tf.function(transform.__call__)
    for number, name in enumerate(OPERATIONS):
        for sign, coin in ((-1.0, 0.2), (1.0, 0.7)):
            draw = tf.constant([[(number + 0.5) / 14, coin]], tf.float32)
            np.testing.assert_array_equal(apply(image, draw)[0], expected[name, sign])


def test_two_layers_are_one_after_the_other(photograph):
    image = tf.constant(np.array(photograph))
    draw = tf.constant([[6.5 / 14, 0.9, 4.5 / 14, 0.9]])
    found = RandAugment(2, 5)(image[tf.newaxis], draw)[0]
    both = OPERATIONS["solarize"](OPERATIONS["posterize"](image, 0.5), 0.5)
    np.testing.assert_array_equal(found, both)


@pytest.mark.parametrize("options", [{"layers": 0}, {"magnitude": 11}, {"magnitude": -1}])
def test_what_is_out_of_range_is_told(options):
    with pytest.raises(UserError, match="1 layer at least and a magnitude in"):
        RandAugment(**options)
