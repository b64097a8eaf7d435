import keras
import pytest

import kerasnets
from kerasnets.figures.boxes import theoretical_field
from kerasnets.inspection import layer_table, multiply_adds


def rows_by_name(name, **options):
    return {row.name: row for row in layer_table(kerasnets.build(name, **options))}


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("lenet5", {}, 325_680),
        ("lenet5_modern", {}, 416_520),
        # Reference figures of He et al. 2015, option A and option B.
        ("resnet20_cifar", {}, 40_551_040),
        ("resnet20_cifar", {"shortcut": "projection"}, 40_813_184),
        ("resnet56_cifar", {}, 125_485_696),
    ],
)
def test_multiply_adds(name, options, expected):
    assert multiply_adds(kerasnets.build(name, **options)) == expected


def test_multiply_adds_of_other_convolutions():
    images = keras.Input((10, 10, 4))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(images)  # 8 x 8 x 8
    x = keras.layers.SeparableConv2D(6, 3, strides=2)(x)  # 3 x 3 x 6
    x = keras.layers.Conv2D(8, 3, groups=2, padding="same")(x)  # 3 x 3 x 8
    expected = 9 * 4 * 2 * 64 + (9 * 8 + 8 * 6) * 9 + 9 * 3 * 8 * 9
    assert multiply_adds(keras.Model(images, x)) == expected


def test_multiply_adds_are_of_every_place_of_a_map():
    maps = keras.Input((14, 14, 64))
    pointwise = keras.layers.Conv2D(32, 1)(maps)
    dense = keras.layers.Dense(32)(maps)
    for output in (pointwise, dense):
        assert multiply_adds(keras.Model(maps, output)) == 14 * 14 * 64 * 32
    inner = keras.Model(maps, pointwise)
    assert multiply_adds(keras.Sequential([maps, inner])) == 14 * 14 * 64 * 32
    line = keras.Input((20, 4))
    assert multiply_adds(keras.Model(line, keras.layers.Conv1D(6, 3)(line))) == 3 * 4 * 6 * 18
    # Each pixel of the input is given out to a window.
    wider = keras.layers.Conv2DTranspose(8, 3, strides=2)(maps)
    assert multiply_adds(keras.Model(maps, wider)) == 14 * 14 * 9 * 64 * 8


def test_receptive_fields_grow_on_each_axis_by_itself():
    """Inception's 1x7 behind 7x1 adds 6 pixels to both sides, not 12."""
    x = images = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(4, (1, 7), padding="same", name="row")(x)
    x = keras.layers.Conv2D(4, (7, 1), padding="same", name="column")(x)
    x = keras.layers.Conv2D(4, 3, dilation_rate=2, padding="same", name="dilated")(x)
    model = keras.Model(images, x)
    fields = {row.name: row.receptive_field for row in layer_table(model)}
    assert [fields[name] for name in ("row", "column", "dilated")] == [7, 7, 11]
    for name in ("column", "dilated"):
        assert theoretical_field(model, model.get_layer(name), (64, 64)).size == (fields[name],) * 2


def test_receptive_fields_of_lenet():
    rows = rows_by_name("lenet5")
    fields = [rows[name].receptive_field for name in ("c1", "s2", "c3", "s4", "c5", "f6")]
    # C1 sees 5; S2 5+1; C3 6+4·2; S4 14+2; C5 16+4·4: the whole field of 32.
    assert fields == [5, 6, 14, 16, 32, None]


def test_receptive_field_takes_the_widest_branch():
    rows = rows_by_name("resnet20_cifar")
    assert rows["stem_conv"].receptive_field == 3
    assert rows["stage1_block1_conv2"].receptive_field == 7
    assert rows["stage1_block3_act"].receptive_field == 15
    # Each 3x3 adds 2 pixels times the strides before it.
    assert rows["stage2_block1_conv2"].receptive_field == 15 + 2 + 2 * 2


def test_rows_hold_kernels_strides_and_parameters():
    row = rows_by_name("resnet20_cifar")["stage2_block1_conv1"]
    assert (row.kernel, row.strides, row.output_shape) == ((3, 3), 2, (16, 16, 32))
    assert (row.trainable, row.non_trainable) == (9 * 16 * 32, 0)
    norm = rows_by_name("resnet20_cifar")["stage2_block1_conv1_bn"]
    assert (norm.trainable, norm.non_trainable) == (64, 64)


def test_unknown_sizes_count_no_multiply_adds():
    model = kerasnets.build("resnet20_cifar", input_shape=(None, None, 3))
    assert multiply_adds(model) == 640


def test_weights_biases_and_memory_are_apart():
    rows = rows_by_name("resnet20_cifar")
    norm = rows["stage2_block1_conv1_bn"]
    # Gamma and beta.
    assert (norm.trainable, norm.biases) == (64, 32)
    assert norm.activation_bytes == 16 * 16 * 32 * 4
    assert rows["stem_conv"].biases == 0
    dense = rows["logits"]
    assert (dense.trainable, dense.biases) == (64 * 10 + 10, 10)
    assert sum(row.biases for row in rows_by_name("lenet5").values()) == 6 + 6 + 16 + 16 + 120 + 84


def test_memory_is_that_of_the_layers_own_type():
    images = keras.Input((8, 8, 4))
    model = keras.Model(images, keras.layers.Conv2D(16, 1, dtype="mixed_bfloat16")(images))
    assert [row.activation_bytes for row in layer_table(model)] == [8 * 8 * 4 * 4, 8 * 8 * 16 * 2]
