"""Highway networks: layers with a learned gate between their transformation and their input.

Srivastava, Greff, Schmidhuber: "Training very deep networks", 2015, arXiv 1507.06228, and the
earlier "Highway networks", arXiv 1505.00387.

A highway layer computes ``y = H(x) * T(x) + x * (1 - T(x))``: H is an ordinary layer, the gate T
one with a sigmoid. Its bias starts negative, so that a new network hands its input on. Since y and
x have the same width, a plain layer stands where the width changes.

`highway19` is for CIFAR: the 19 layers of Fitnet 4 (Romero et al. 2014, arXiv 1412.6550), that is
3x3 convolutions at 32, 16 and 8 pixels and two more layers, as highway layers. `highway10_mnist` is
one plain and nine highway layers of 50 units, and the classifier.

Deviations: the paper does not print the CIFAR network. Filters are those of Fitnet 4; in place of
its dense layer of 500 units there is a 1x1 convolution to 500 maps and global average, as section
3.3 has it. Which layers are plain follows from the widths. The gates' first bias is one value for
all of a network; the paper chose it network by network.
"""

from __future__ import annotations

from kerasnets import layers
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import FOR_SMALL_IMAGES, Style, Tensor, max_pool, rematerializable
from kerasnets.models.heads import average_pool_head
from kerasnets.registry import Paper, register

PAPER = Paper(
    title="Training very deep networks",
    authors="Srivastava, Greff, Schmidhuber",
    year=2015,
    url="https://arxiv.org/abs/1507.06228",
)

# Fitnet 4: the filters of the convolutions at 32, 16 and 8 pixels.
FITNET_4 = (
    (32, 32, 32, 48, 48),
    (80, 80, 80, 80, 80, 80),
    (128, 128, 128, 128, 128, 128),
)

FIXED = {
    **FOR_SMALL_IMAGES,
    "drop_path_rate": "its layers have gates in place of residual branches that could be dropped",
}

STYLE = Style(kernel_initializer="he_2015")


def highway19(x: Tensor, style: Style = STYLE, *, gate_bias: float = -2.0) -> Tensor:
    """(N, 32, 32, 3) to (N, 8, 8, 500).

    Args:
        gate_bias: First bias of the gates; the deeper a network, the further below zero.
    """
    for stage, filters in enumerate(FITNET_4, start=1):
        if stage > 1:
            x = max_pool(x, 2, 2, name=f"stage{stage}_pool")
        for layer, width in enumerate(filters, start=1):
            name = f"stage{stage}_layer{layer}"
            x = highway_layer(x, style, width, 3, padding=1, gate_bias=gate_bias, name=name)
    return style.conv_norm_act(x, 500, 1, name="conv18")


def highway10_mnist(x: Tensor, style: Style = STYLE, *, gate_bias: float = -2.0) -> Tensor:
    """(N, 28, 28, 1) to (N, 1, 1, 50).

    Args:
        gate_bias: First bias of the gates; the deeper a network, the further below zero.
    """
    for layer in range(1, 11):
        # A dense layer is a convolution whose kernel is as large as its input.
        height, width = x.shape[1:3]
        if height is None or width is None:
            raise UserError("dense layers need an input of known height and width.")
        x = highway_layer(x, style, 50, (height, width), gate_bias=gate_bias, name=f"layer{layer}")
    return x


@rematerializable
def highway_layer(
    x: Tensor,
    style: Style,
    filters: int,
    kernel_size: int | tuple[int, int],
    *,
    padding: int = 0,
    gate_bias: float,
    name: str,
) -> Tensor:
    """Equation 3, or a plain layer where the shape changes.

    Raises:
        UserError: When gates would start half open or more.
    """
    if gate_bias >= 0:
        raise UserError(f"gate_bias must be below 0. Received: {gate_bias}.")
    transformed = style.conv_norm_act(x, filters, kernel_size, padding=padding, name=name)
    if transformed.shape != x.shape:
        return transformed
    gate = style.conv(
        x,
        filters,
        kernel_size,
        padding=padding,
        use_bias=True,
        bias_initializer={"class_name": "Constant", "config": {"value": gate_bias}},
        name=f"{name}_gate",
    )
    return layers.HighwayGate(name=f"{name}_highway")([x, transformed, gate])


register(
    "highway19",
    paper=PAPER,
    description="19 layers for 32x32 images, 13 of them with gates",
    backbone=highway19,
    head=average_pool_head,
    fixed=FIXED,
    stages={
        f"stage{stage}": f"stage{stage}_layer{len(filters)}_highway"
        for stage, filters in enumerate(FITNET_4, start=1)
    },
    input_shape=(32, 32, 3),
    classes=10,
    trainable_params=2_342_406,
    non_trainable_params=0,
    multiply_adds=355_931_016,
    preprocessing=Preprocessing(size=(32, 32)),
    recipe="cosine",
)

register(
    "highway10_mnist",
    paper=PAPER,
    description="10 dense layers of 50 units, 9 of them with gates",
    backbone=highway10_mnist,
    head=average_pool_head,
    fixed=FIXED,
    input_shape=(28, 28, 1),
    classes=10,
    trainable_params=85_660,
    non_trainable_params=0,
    multiply_adds=84_700,
    # Mean and standard deviation of the MNIST training images.
    preprocessing=Preprocessing(size=(28, 28), fit="stretch", mean=(0.1307,), std=(0.3081,)),
    recipe="lenet_modern",
)
