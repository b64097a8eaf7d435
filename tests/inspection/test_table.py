import keras
import pytest

import kerasnets
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
