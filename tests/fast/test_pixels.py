import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.fast.folding import folded
from kerasnets.fast.pixels import fewer_pixels
from tests.fast.test_folding import agree, randomize


def strided(network):
    """Names and strides of the convolutions that do not look at each pixel."""
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    return {layer.name: layer.strides[0] for layer in convolutions if layer.strides != (1, 1)}


def test_a_bottleneck_before_a_stride_makes_the_pixels_that_are_read(rng):
    # Stages of 19, 10, 5 and 3 pixels.
    network = kerasnets.build(
        "resnet50", input_shape=(75, 75, 3), width=0.125, classifier_activation=None
    )
    randomize(network, rng)
    small = fewer_pixels(folded(network))
    assert strided(network) == {
        "stem_conv": 2,
        **{f"stage{stage}_block1_conv1": 2 for stage in (2, 3, 4)},
        **{f"stage{stage}_block1_shortcut": 2 for stage in (2, 3, 4)},
    }
    assert strided(small) == {
        "stem_conv": 2,
        **{f"stage{stage}_block{block}_conv2": 2 for stage, block in ((1, 3), (2, 4), (3, 6))},
    }
    agree(network, small, rng)


def test_images_may_be_smaller_than_the_kernel(rng):
    # The 3x3 convolutions before the last stage see 2x2 pixels, with the padding that they had.
    network = kerasnets.build("resnet50", input_shape=(32, 32, 3), width=0.125)
    randomize(network, rng)
    agree(network, fewer_pixels(folded(network)), rng)


def answers(inputs, output, rng):
    network = keras.Model(inputs, output)
    for layer in network.layers:
        layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    small = fewer_pixels(network)
    agree(network, small, rng)
    return small


def test_a_stride_moves_through_what_is_read_by_nothing_else(rng):
    layers = keras.layers
    images = keras.Input((15, 14, 3))
    x = layers.Conv2D(4, 5, 3, padding="valid", name="first")(images)
    x = layers.ReLU()(x)
    x = layers.Conv2D(4, 1, 2, padding="same", activation="relu", name="second")(x)
    assert strided(answers(images, x, rng)) == {"first": 6}

    x = layers.Conv2D(4, (3, 5), padding="same", name="wide")(images)
    y = layers.Conv2D(4, 2, padding="same", name="even")(images)
    x = layers.Activation("tanh")(layers.Add()([x, y]))
    found = answers(images, layers.Conv2D(2, 1, 2, name="last")(x), rng)
    assert strided(found) == {"wide": 2}


def test_a_stride_stays_where_something_else_reads_the_pixels(rng):
    layers = keras.layers
    images = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, name="conv")(images)
    y = layers.Conv2D(4, 1, 2, name="one")(x)
    z = layers.Conv2D(4, 3, 2, padding="same", name="three")(x)
    assert strided(answers(images, layers.Add()([y, z]), rng)) == {"one": 2, "three": 2}
    assert strided(fewer_pixels(keras.Model(images, [x, y]))) == {"one": 2}


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_averages_are_taken_before_1x1_convolutions(padding, rng):
    images = keras.Input((9, 9, 3))
    x = keras.layers.Conv2D(4, 1, name="conv")(images)
    found = answers(images, keras.layers.AveragePooling2D(2, padding=padding)(x), rng)
    assert found.layers[-1].name == "conv"


def test_a_strided_convolution_does_not_change_places_with_an_average(rng):
    images = keras.Input((9, 9, 3))
    x = keras.layers.Conv2D(4, 1, 2, name="conv")(images)
    x = keras.layers.AveragePooling2D(2, padding="same")(x)
    found = answers(images, x, rng)
    assert found.layers[-1].name != "conv"
    assert np.array_equal(found.output_shape, (None, 3, 3, 4))
