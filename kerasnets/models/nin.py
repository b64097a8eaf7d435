"""Network in Network: 1x1 convolutions and global average pooling.

Lin, Chen, Yan: "Network in network", 2013, arXiv 1312.4400.

Each convolution is followed by two of 1x1 ("cccp": cascaded cross-channel parametric pooling), so
that a small multilayer perceptron slides over the maps; ReLU after every one. The last 1x1
convolution gives a map for each class, whose averages are the logits: there are no dense layers.
`nin` is the network for ImageNet in four such blocks, `nin_cifar10` that for CIFAR in three.

The paper prints no table; the sizes are those of the definitions that the authors released for
Caffe, with pooling that rounds sizes up.

Deviations: the paper sets initial weights by hand; here all are N(0, 0.05), which for `nin` is what
the released definition has but in three of twelve layers (0.01). CIFAR images are standardised
instead of whitened.
"""

from __future__ import annotations

from typing import Literal

from kerasnets import layers
from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import (
    FOR_SMALL_IMAGES,
    NO_RESIDUALS,
    Stem,
    Style,
    Tensor,
    drop,
    max_pool,
    rematerializable,
)
from kerasnets.models.heads import at_least_float32, average_logits, class_maps
from kerasnets.registry import Paper, register

PAPER = Paper(
    title="Network in network",
    authors="Lin, Chen, Yan",
    year=2013,
    url="https://arxiv.org/abs/1312.4400",
)

STYLE = Style(kernel_initializer={"class_name": "RandomNormal", "config": {"stddev": 0.05}})


def nin(
    x: Tensor,
    style: Style = STYLE,
    *,
    stem: Stem = "imagenet",
    pool_rounding: Literal["ceil", "floor"] = "ceil",
    dropout: float = 0.5,
) -> Tensor:
    """(N, 224, 224, 3) to (N, 6, 6, 1024).

    Args:
        stem: ``"small"``: the first convolution is 3x3 at stride 1, and no pooling follows it, so
            that images of 32 pixels leave maps of 32, 16 and 8.
        pool_rounding: Rounds the sizes after pooling: up as in Caffe, or down as in textbooks.
        dropout: Fraction of the inputs of the last block that is dropped in training, in [0, 1).
    """
    padding = "ceil" if pool_rounding == "ceil" else "valid"
    if stem == "small":
        x = mlpconv(x, style, (96, 3), {1: 96, 2: 96}, padding=1, name="conv1")
    else:
        x = mlpconv(x, style, (96, 11, 4), {1: 96, 2: 96}, name="conv1")  # (N, 54, 54, 96)
        x = max_pool(x, 3, 2, padding=padding, name="pool1")
    x = mlpconv(x, style, (256, 5), {3: 256, 4: 256}, padding=2, name="conv2")  # (N, 27, 27, 256)
    x = max_pool(x, 3, 2, padding=padding, name="pool2")
    x = mlpconv(x, style, (384, 3), {5: 384, 6: 384}, padding=1, name="conv3")  # (N, 13, 13, 384)
    x = max_pool(x, 3, 2, padding=padding, name="pool3")
    x = drop(x, dropout, name="pool3")
    return mlpconv(x, style, (1024, 3), {7: 1024}, padding=1, name="conv4")  # (N, 6, 6, 1024)


def nin_cifar(x: Tensor, style: Style = STYLE, *, dropout: float = 0.5) -> Tensor:
    """(N, 32, 32, 3) to (N, 8, 8, 192).

    Args:
        dropout: Fraction of the inputs of blocks 2 and 3 that is dropped in training, in [0, 1).
    """
    x = mlpconv(x, style, (192, 5), {1: 160, 2: 96}, padding=2, name="conv1")
    x = max_pool(x, 3, 2, padding="ceil", name="pool1")
    x = drop(x, dropout, name="pool1")
    x = mlpconv(x, style, (192, 5), {3: 192, 4: 192}, padding=2, name="conv2")  # (N, 16, 16, 192)
    x = layers.CeilPooling2D(3, 2, "average", name="pool2")(x)
    x = drop(x, dropout, name="pool2")
    return mlpconv(x, style, (192, 3), {5: 192}, padding=1, name="conv3")  # (N, 8, 8, 192)


@rematerializable
def mlpconv(
    x: Tensor,
    style: Style,
    convolution: tuple[int, ...],
    perceptron: dict[int, int],
    *,
    padding: int = 0,
    name: str,
) -> Tensor:
    """A convolution and a perceptron that slides over its maps: section 3.1.

    Args:
        x: (N, H, W, C).
        style: The network's options.
        convolution: Its filters, kernel size and strides (1 where there is none).
        perceptron: Filters of the 1x1 convolutions by their numbers in the network.
        padding: Pixels of zeros on each side, for the convolution.
        name: Name of the convolution.
    """
    x = style.conv_norm_act(x, *convolution, padding=padding, name=name)
    for number, width in perceptron.items():
        x = style.conv_norm_act(x, width, 1, name=f"cccp{number}")
    return x


def class_head(x: Tensor, style: Style, classes: int) -> Tensor:
    """A ReLU map for each class and its average: section 3.2."""
    x = class_maps(x, style, classes, name="class_maps")
    x = style.activate(x, dtype=at_least_float32(x), name="class_maps")
    return average_logits(x)


register(
    "nin",
    paper=PAPER,
    description="for ImageNet",
    backbone=nin,
    head=class_head,
    head_layers=("class_maps",),
    fixed=NO_RESIDUALS,
    stages={
        "stage1": "cccp2_act",
        "stage2": "cccp4_act",
        "stage3": "cccp6_act",
        "stage4": "cccp7_act",
    },
    input_shape=(224, 224, 3),
    classes=1000,
    trainable_params=7_595_176,
    non_trainable_params=0,
    multiply_adds=1_100_188_800,
    preprocessing=Preprocessing(size=(224, 224), resize=256),
    recipe="nin_imagenet2014",
)

register(
    "nin_cifar10",
    paper=PAPER,
    description="for images of 32x32",
    backbone=nin_cifar,
    head=class_head,
    head_layers=("class_maps",),
    fixed={**NO_RESIDUALS, **FOR_SMALL_IMAGES},
    stages={"stage1": "cccp2_act", "stage2": "cccp4_act", "stage3": "cccp5_act"},
    input_shape=(32, 32, 3),
    classes=10,
    trainable_params=966_986,
    non_trainable_params=0,
    multiply_adds=222_486_528,
    preprocessing=Preprocessing(size=(32, 32)),
    recipe="nin2013",
)
