"""The receptive field against published tables, and against what gradients reach."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets import UserError, figures
from kerasnets.explanation.graph import named
from kerasnets.figures.boxes import theoretical_field
from kerasnets.inspection.table import layer_table
from tests.models.families import every_network
from tests.models.test_registered import images, shallow, small


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        # Araujo et al. 2019, table "receptive field parameters"; AlexNet's is behind pool5.
        ("alexnet", "conv5", 163),
        ("alexnet", "pool5", 195),
        ("vgg16", "block5_pool", 212),
        ("mobilenet_v1", "stage5", 315),
        # By hand: 7, 11 behind the pooling, then three 3x3 at stride 4.
        ("resnet50", "stage1", 35),
        pytest.param("resnet50", "stage4", 483, marks=pytest.mark.slow),
        pytest.param("resnet101", "stage4", 1027, marks=pytest.mark.slow),
        pytest.param("inception_v3", "mixed7c", 1311, marks=pytest.mark.slow),
        pytest.param("inception_v4", "inception_c3", 2071, marks=pytest.mark.slow),
        # The stride of 2 in a block's second convolution halves what its 3x3 kernel sees.
        pytest.param("resnet50_v1_5", "stage4", 427, marks=pytest.mark.slow),
    ],
)
def test_the_size_is_that_of_the_published_table(name, layer, size):
    model = kerasnets.build(name, width=0.02, kernel_initializer="zeros")
    found = named(model, layer)
    assert theoretical_field(model, found, model.input_shape[1:3]).size == (size, size)
    # `kerasnets summary` reckons forwards, and without the averages of shortcuts.
    (row,) = (each for each in layer_table(model) if each.name == found.name)
    assert row.receptive_field == size


def _network(*layers, size=(33, 29)) -> keras.Model:
    x = inputs = keras.Input((*size, 2))
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x)


def test_strides_are_the_products_of_those_before():
    model = kerasnets.build("vgg16", width=0.02, kernel_initializer="zeros")
    field = theoretical_field(model, named(model, "block5_pool"), (224, 224))
    assert field.stride == (32, 32)
    model = _network(keras.layers.Conv2D(2, 3, (2, 3), name="uneven"))
    assert theoretical_field(model, named(model, "uneven"), (33, 29)).stride == (2, 3)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("unit_of", ["conv", "pool", "branches", "uneven", "adaptive"])
def test_the_box_is_where_gradients_are_not_zero(padding, unit_of):
    """With positive weights nothing cancels out."""
    conv = keras.layers.Conv2D
    options = {"kernel_initializer": "ones", "padding": padding}
    x = inputs = keras.Input((33, 29, 2))
    x = conv(3, (3, 5), 2, **options)(x)
    if unit_of == "conv":
        x = conv(3, 3, dilation_rate=(2, 1), **options)(x)
    elif unit_of == "pool":
        x = keras.layers.AveragePooling2D(3, 2, padding)(x)
    elif unit_of == "branches":
        wide = conv(3, (1, 5), padding="same", kernel_initializer="ones")(x)
        x = keras.layers.Add()([conv(3, 1, kernel_initializer="ones")(x), wide])
    elif unit_of == "uneven":
        x = conv(3, 3, 2, kernel_initializer="ones")(keras.layers.ZeroPadding2D((1, 0))(x))
    else:
        x = kerasnets.layers.AdaptiveAveragePooling2D(5)(x)
    x = conv(1, 1, kernel_initializer="ones", name="last")(x)
    arrays = figures.receptive_field(keras.Model(inputs, x), "last", np.ones((1, 33, 29, 2))).arrays
    rows, columns = np.nonzero(arrays["effective"])
    box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert tuple(arrays["box"]) == box


def test_a_network_behind_its_preprocessing():
    network = kerasnets.build("lenet5_modern")
    model = kerasnets.with_preprocessing(network, kerasnets.preprocessing(network))
    arrays = figures.receptive_field(model, "conv1").arrays
    assert arrays["size"].tolist() == [5, 5]
    assert arrays["effective_size"] == pytest.approx(5, abs=0.6)


def test_a_vector_sees_everything():
    arrays = figures.receptive_field(small("lenet5_modern"), "logits").arrays
    assert (arrays["effective"] > 0).any()
    assert arrays["box"].tolist()[:2] == [0, 0]


@pytest.mark.parametrize(
    ("layer", "message"),
    [("conv9", "Unknown layer of .* 'conv9'. The closest: conv"), ("up", "What up sees is not")],
)
def test_what_is_not_known_is_told(layer, message):
    model = _network(
        keras.layers.Conv2D(2, 3, name="conv1"), keras.layers.UpSampling2D(name="up"), size=(8, 8)
    )
    with pytest.raises(UserError, match=message):
        figures.receptive_field(model, layer)


@pytest.mark.slow
@pytest.mark.parametrize("name", kerasnets.list_models())
def test_every_network_has_a_field(name):
    model = kerasnets.build(name, kernel_initializer="zeros")
    layer = [layer for layer in model.layers if layer.name != "logits"][-1]
    found = theoretical_field(model, layer, model.input_shape[1:3])
    assert min(found.size) >= 1


@pytest.mark.parametrize("name", every_network())
def test_one_of_each_family(name):
    model = shallow(name)
    if name == "resnet1001_v2_cifar":
        # Its 333 blocks each double the variance until batch normalisation knows it.
        with pytest.raises(UserError, match="not finite"):
            figures.receptive_field(model, images=images(model))
        return
    arrays = figures.receptive_field(model, images=images(model)).arrays
    assert arrays["effective"].max() <= 1
    top, left, bottom, right = arrays["box"]
    outside = arrays["effective"].copy()
    outside[top:bottom, left:right] = 0
    assert not outside.any()
