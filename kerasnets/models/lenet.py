"""LeNet-5, as published in 1998 and as it is taught today.

LeCun, Bottou, Bengio, Haffner: "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), 1998, section II.B and figure 2.

`lenet5` is the network of the paper: subsampling layers with weights, the sparse connections of
C3, scaled hyperbolic tangents, and an output layer of distances to drawn digits. `lenet5_modern`
is the form of lectures and tutorials: full connections, pooling without weights, softmax; with
``activation="sigmoid"`` it is the lecture notes' older form.

Deviations of `lenet5`: the logits are the negated distances, so that the largest is the answer;
classes beyond the ten digits get random codes, since the paper draws characters alone.
"""

from __future__ import annotations

import random
from typing import Literal

from kerasnets import layers
from kerasnets.inputs import Preprocessing
from kerasnets.lazy import keras
from kerasnets.models.blocks import FOR_SMALL_IMAGES, NO_RESIDUALS, Style, Tensor, drop
from kerasnets.models.heads import at_least_float32, flattened, logits
from kerasnets.registry import Paper, register

PAPER = Paper(
    title="Gradient-based learning applied to document recognition",
    authors="LeCun, Bottou, Bengio, Haffner",
    year=1998,
    url="http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf",
)

# Table I: which maps of S2 each of the 16 maps of C3 sees.
C3_CONNECTIONS = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip

# Figure 3: the output layer's codes are digits drawn on 7x12 pixels.
DIGITS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...#... .#####. .#####. .....#. ####### ..####. ####### .#####. .#####.
.#...#. ..##... #.....# #.....# ....##. #...... .#..... ......# #.....# #.....#
#.....# .#.#... ......# ......# ...#.#. #...... #...... ......# #.....# #.....#
#.....# ...#... ......# ......# ..#..#. #...... #...... .....#. #.....# #.....#
#.....# ...#... .....#. ..####. .#...#. ######. ######. .....#. .#####. #.....#
#.....# ...#... ....#.. ......# #....#. ......# #.....# ....#.. #.....# .######
#.....# ...#... ...#... ......# ####### ......# #.....# ....#.. #.....# ......#
#.....# ...#... ..#.... ......# .....#. ......# #.....# ...#... #.....# ......#
.#...#. ...#... .#..... #.....# .....#. #.....# #.....# ...#... #.....# .....#.
..###.. .#####. ####### .#####. .....#. .#####. .#####. ...#... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""

STYLE = Style(activation="scaled_tanh", kernel_initializer="lecun_1998")
MODERN_STYLE = Style()


def lenet5(x: Tensor, style: Style = STYLE) -> Tensor:
    """C1 to C5: (N, 32, 32, 1) to (N, 1, 1, 120)."""
    x = style.conv_norm_act(x, 6, 5, name="c1")  # (N, 28, 28, 6)
    x = layers.TrainableSubsampling(2, name="s2")(x)  # (N, 14, 14, 6)
    x = style.activate(x, name="s2")
    x = layers.SparseConnectionConv2D(C3_CONNECTIONS, 5, name="c3")(x)  # (N, 10, 10, 16)
    x = style.norm_act(x, name="c3")
    x = layers.TrainableSubsampling(2, name="s4")(x)  # (N, 5, 5, 16)
    x = style.activate(x, name="s4")
    return style.conv_norm_act(x, 120, 5, name="c5")


def rbf_head(x: Tensor, style: Style, classes: int, *, dropout: float = 0.0) -> Tensor:
    """F6 and the distances of its 84 outputs to each class's code, negated.

    Args:
        x: (N, H, W, C).
        style: The network's options.
        classes: Their number.
        dropout: Fraction of F6's outputs that is dropped in training, in [0, 1).
    """
    x = flattened(x)
    x = drop(style.dense_act(x, 84, name="f6"), dropout, name="f6")
    dtype = at_least_float32(x)
    x = layers.EuclideanRBF(digit_codes(classes), dtype=dtype, name="rbf")(x)
    return keras.layers.Rescaling(-1.0, dtype=dtype, name="logits")(x)


def digit_codes(classes: int) -> list[list[int]]:
    """A code of 84 values of ±1 for each class: the drawn digits, then random ones.

    Returns:
        ``classes`` lists. The random codes are the same on every machine.
    """
    rows = [row.split() for row in DIGITS.split("\n") if row]
    glyphs = ["".join(row[digit] for row in rows) for digit in range(10)]
    codes = [[1 if pixel == "#" else -1 for pixel in glyph] for glyph in glyphs]
    draw = random.Random(1998)
    codes += [[draw.choice((-1, 1)) for _ in range(84)] for _ in range(classes - 10)]
    return codes[:classes]


def lenet5_modern(
    x: Tensor, style: Style = MODERN_STYLE, *, pool: Literal["max", "average"] = "max"
) -> Tensor:
    """The convolutions and poolings: (N, 28, 28, 1) to (N, 5, 5, 16)."""
    pooling = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}[pool]
    x = style.conv_norm_act(x, 6, 5, padding=2, name="conv1")  # (N, 28, 28, 6)
    x = pooling(2, name="pool1")(x)  # (N, 14, 14, 6)
    x = style.conv_norm_act(x, 16, 5, name="conv2")  # (N, 10, 10, 16)
    return pooling(2, name="pool2")(x)


def dense_head(x: Tensor, style: Style, classes: int, *, dropout: float = 0.0) -> Tensor:
    """Three dense layers: 120, 84, classes.

    Args:
        x: (N, H, W, C).
        style: The network's options.
        classes: Their number.
        dropout: Fraction of the hidden units that is dropped in training, in [0, 1).
    """
    x = flattened(x)
    x = drop(style.dense_act(x, 120, name="fc1"), dropout, name="fc1")
    x = drop(style.dense_act(x, 84, name="fc2"), dropout, name="fc2")
    return logits(x, style, classes)


FIXED = {
    **NO_RESIDUALS,
    **FOR_SMALL_IMAGES,
    "remat": "it has no blocks, and its maps are small",
}

register(
    "lenet5",
    paper=PAPER,
    description="as published: sparse C3, trainable subsampling, scaled tanh, RBF output",
    backbone=lenet5,
    head=rbf_head,
    head_layers=("f6", "rbf"),
    fixed=FIXED
    | {"width": "table I connects 6 maps to 16, and the codes of the classes have 84 values"},
    input_shape=(32, 32, 1),
    classes=10,
    trainable_params=60_000,
    non_trainable_params=840,
    multiply_adds=325_680,
    # Section II.B: a 28x28 digit in a 32x32 field; background -0.1, strokes 1.175.
    preprocessing=Preprocessing(
        size=(32, 32), fit="pad", resize=28, mean=(0.1 / 1.275,), std=(1 / 1.275,)
    ),
    recipe="lenet1998",
)

register(
    "lenet5_modern",
    paper=PAPER,
    description="as taught: full connections, ReLU, max pooling, softmax",
    backbone=lenet5_modern,
    head=dense_head,
    head_layers=("fc1", "fc2", "logits"),
    fixed=FIXED,
    input_shape=(28, 28, 1),
    classes=10,
    trainable_params=61_706,
    non_trainable_params=0,
    multiply_adds=416_520,
    # Mean and standard deviation of the MNIST training images.
    preprocessing=Preprocessing(size=(28, 28), fit="stretch", mean=(0.1307,), std=(0.3081,)),
    recipe="lenet_modern",
)
