"""GoogLeNet: the first Inception network.

Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich: "Going deeper with
convolutions", 2014, arXiv 1409.4842.

Three convolutions and nine Inception blocks for images of 224x224 pixels. A block looks at its
input through 1x1, 3x3 and 5x5 windows and through max pooling, side by side, and concatenates what
it sees; 1x1 convolutions in front of the large windows keep that affordable (figure 2). Two
auxiliary classifiers, after 4a and 4d, push gradients into the middle of the network in training
(``auxiliary_heads=True``); their losses count 0.3 each.

`googlenet` is the network of the paper, with local response normalisation and biases.
`googlenet_bn` is the batch-normalised form that torchvision publishes weights for.

Deviations of `googlenet`: the paper gives neither the constants of the response normalisation nor
initial weights; these are Caffe's, k = 1, alpha = 1e-4 / 5, Xavier and biases of 0.2.

Deviations of `googlenet_bn`: batch normalisation with epsilon 1e-3 in place of response
normalisation and biases; 3x3 windows where the paper has 5x5 (``kernel5=5`` for the paper's); pool4
has 2x2 windows; the auxiliary classifiers pool adaptively to 4x4; 20 % dropout instead of 40 %.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal

from kerasnets import layers
from kerasnets.inputs import Preprocessing
from kerasnets.lazy import keras
from kerasnets.models.blocks import (
    NO_RESIDUALS,
    Stem,
    Style,
    Tensor,
    max_pool,
    rematerializable,
    truncated_normal,
)
from kerasnets.models.heads import average_pool_head, logits
from kerasnets.models.naming import module_and_kind
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="Going deeper with convolutions",
    authors="Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich",
    year=2014,
    url="https://arxiv.org/abs/1409.4842",
)

# Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

# Of the hidden layers, as in Caffe's model zoo; without effect where there is no bias.
BIASES = {"class_name": "Constant", "config": {"value": 0.2}}

# Caffe's "xavier" looks at a filter's inputs alone, unlike Keras' "glorot_uniform".
STYLE = Style(kernel_initializer="lecun_uniform")
BN_STYLE = Style(
    normalization="batch", norm_epsilon=1e-3, kernel_initializer=truncated_normal(0.01)
)


def googlenet(
    x: Tensor,
    style: Style = STYLE,
    *,
    stem: Stem = "imagenet",
    block: Literal["inception", "naive"] = "inception",
) -> Tensor:
    """(N, 224, 224, 3) to (N, 7, 7, 1024).

    Args:
        stem: See `image_stem`.
        block: ``"inception"`` is figure 2(b); ``"naive"`` figure 2(a), without the 1x1 reductions
            and the projection.
    """
    x = image_stem(x, style, stem, response_norms=True)
    return blocks_3a_to_5b(x, style, {"inception": inception, "naive": naive_inception}[block])


def googlenet_bn(
    x: Tensor, style: Style = BN_STYLE, *, stem: Stem = "imagenet", kernel5: Literal[3, 5] = 3
) -> Tensor:
    """(N, 224, 224, 3) to (N, 7, 7, 1024).

    Args:
        stem: See `image_stem`.
        kernel5: Side of the windows in the "5x5" branch. Published weights have 3; put into the
            middle of 5x5 windows of zeros, they compute the same.
    """
    x = image_stem(x, style, stem, response_norms=False)
    return blocks_3a_to_5b(x, style, functools.partial(inception, kernel5=kernel5), pool4_size=2)


def image_stem(x: Tensor, style: Style, stem: Stem, *, response_norms: bool) -> Tensor:
    """The rows of table 1 up to inception (3a): (N, 224, 224, 3) to (N, 28, 28, 192).

    Args:
        x: The images.
        style: The network's options.
        stem: ``"small"`` keeps their size, (N, H, W, 192): conv1 is 3x3 at stride 1, and nothing is
            pooled.
        response_norms: Whether there is response normalisation.
    """
    if stem == "small":
        x = relu_conv(x, style, 64, 3, padding=1, name="conv1")
    else:
        x = relu_conv(x, style, 64, 7, 2, padding=3, name="conv1")  # (N, 112, 112, 64)
        x = max_pool(x, 3, 2, padding="ceil", name="pool1")  # (N, 56, 56, 64)
    if response_norms:
        x = response_norm(x, name="norm1")
    x = relu_conv(x, style, 64, 1, name="conv2_reduce")
    x = relu_conv(x, style, 192, 3, padding=1, name="conv2")
    if response_norms:
        x = response_norm(x, name="norm2")
    return x if stem == "small" else max_pool(x, 3, 2, padding="ceil", name="pool2")


def blocks_3a_to_5b(x: Tensor, style: Style, block: Callable, *, pool4_size: int = 3) -> Tensor:
    """The rows of table 1 from inception (3a) on: (N, 28, 28, 192) to (N, 7, 7, 1024)."""
    for place, widths in TABLE_1.items():
        if place == "4a":
            x = max_pool(x, 3, 2, padding="ceil", name="pool3")  # (N, 14, 14, 480)
        elif place == "5a":
            x = max_pool(x, pool4_size, 2, padding="ceil", name="pool4")  # (N, 7, 7, 832)
        x = block(x, style, *widths, name=f"inception{place}")
    return x


@rematerializable
def inception(
    x: Tensor,
    style: Style,
    conv1x1: int,
    conv3x3_reduce: int,
    conv3x3: int,
    conv5x5_reduce: int,
    conv5x5: int,
    pool_proj: int,
    *,
    kernel5: int = 5,
    name: str,
) -> Tensor:
    """Figure 2(b): a row of table 1."""
    branch1 = relu_conv(x, style, conv1x1, 1, name=f"{name}_conv1x1")
    branch2 = relu_conv(x, style, conv3x3_reduce, 1, name=f"{name}_conv3x3_reduce")
    branch2 = relu_conv(branch2, style, conv3x3, 3, padding=1, name=f"{name}_conv3x3")
    branch3 = relu_conv(x, style, conv5x5_reduce, 1, name=f"{name}_conv5x5_reduce")
    pad5 = kernel5 // 2
    branch3 = relu_conv(branch3, style, conv5x5, kernel5, padding=pad5, name=f"{name}_conv5x5")
    branch4 = max_pool(x, 3, 1, padding="same", name=f"{name}_pool")
    branch4 = relu_conv(branch4, style, pool_proj, 1, name=f"{name}_pool_proj")
    return layers.InceptionConcat(name=name)([branch1, branch2, branch3, branch4])


@rematerializable
def naive_inception(
    x: Tensor,
    style: Style,
    conv1x1: int,
    conv3x3_reduce: int,
    conv3x3: int,
    conv5x5_reduce: int,
    conv5x5: int,
    pool_proj: int,
    *,
    name: str,
) -> Tensor:
    """Figure 2(a): a row of table 1 without its reductions and its projection."""
    branches = [
        relu_conv(x, style, conv1x1, 1, name=f"{name}_conv1x1"),
        relu_conv(x, style, conv3x3, 3, padding=1, name=f"{name}_conv3x3"),
        relu_conv(x, style, conv5x5, 5, padding=2, name=f"{name}_conv5x5"),
        max_pool(x, 3, 1, padding="same", name=f"{name}_pool"),
    ]
    return layers.InceptionConcat(name=name)(branches)


def relu_conv(
    x: Tensor, style: Style, filters: int, kernel_size: int, strides: int = 1, **options: Any
) -> Tensor:
    """A convolution of this network, with its initial biases where it has biases."""
    return style.conv_norm_act(x, filters, kernel_size, strides, bias_initializer=BIASES, **options)


def response_norm(x: Tensor, *, name: str) -> Tensor:
    """Local response normalisation with the constants of Caffe's model zoo."""
    return layers.LocalResponseNormalization(
        size=5, k=1.0, alpha=1e-4, beta=0.75, alpha_convention="mean", name=name
    )(x)


def auxiliary_head(x: Tensor, style: Style, classes: int, *, name: str) -> Tensor:
    """Section 5: the auxiliary classifier on the 14x14 maps of 4a and 4d; returns its logits."""
    x = keras.layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)  # (N, 4, 4, C)
    return auxiliary_classifier(x, style, classes, name=name)


def auxiliary_head_bn(x: Tensor, style: Style, classes: int, *, name: str) -> Tensor:
    """The auxiliary classifier of the batch-normalised form; returns its logits."""
    x = layers.AdaptiveAveragePooling2D(4, name=f"{name}_pool")(x)  # (N, 4, 4, C)
    return auxiliary_classifier(x, style, classes, name=name)


def auxiliary_classifier(x: Tensor, style: Style, classes: int, *, name: str) -> Tensor:
    """1x1 to 128, dense 1024, 70 % dropout, dense."""
    x = relu_conv(x, style, 128, 1, name=f"{name}_conv")
    x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    x = style.dense_act(x, 1024, bias_initializer=BIASES, name=f"{name}_fc1")
    x = keras.layers.Dropout(0.7, name=f"{name}_dropout")(x)
    return logits(x, style, classes, name=f"{name}_logits")


# Layers as torchvision calls them; those of the blocks follow their block's name.
TORCHVISION = {
    "conv1": "conv1",
    "conv2_reduce": "conv2",
    "conv2": "conv3",
    "conv1x1": "branch1",
    "conv3x3_reduce": "branch2.0",
    "conv3x3": "branch2.1",
    "conv5x5_reduce": "branch3.0",
    "conv5x5": "branch3.1",
    "pool_proj": "branch4.1",
}


def torchvision_names(layer: str) -> str:
    """The name that torchvision gives to a layer with weights."""
    if layer == "logits":
        return "fc"
    if layer.startswith("aux") and layer.endswith(("_fc1", "_logits")):
        return layer.replace("_logits", ".fc2").replace("_fc1", ".fc1")
    layer, kind = module_and_kind(layer)
    if layer in TORCHVISION:
        return f"{TORCHVISION[layer]}.{kind}"
    place, _, conv = layer.partition("_")
    return f"{place}.{TORCHVISION.get(conv, conv)}.{kind}"


FACTS = {
    "paper": PAPER,
    "fixed": NO_RESIDUALS,
    "auxiliary_heads": {"aux1": "inception4a", "aux2": "inception4d"},
    "input_shape": (224, 224, 3),
    "classes": 1000,
    "preprocessing": Preprocessing(size=(224, 224), resize=256, mean=(0.5,) * 3, std=(0.5,) * 3),
    "recipe": "googlenet2014",
}

register(
    "googlenet",
    description="as published: response normalisation, biases",
    backbone=googlenet,
    head=functools.partial(average_pool_head, dropout=0.4),
    auxiliary_head=auxiliary_head,
    stages={
        "stage1": "conv1_act",
        "stage2": "norm2",
        "stage3": "inception3b",
        "stage4": "inception4e",
        "stage5": "inception5b",
    },
    trainable_params=6_998_552,
    non_trainable_params=0,
    multiply_adds=1_582_671_872,
    **FACTS,
)

register(
    "googlenet_bn",
    description="torchvision's: batch normalisation, 3x3 in the 5x5 branch",
    backbone=googlenet_bn,
    head=functools.partial(average_pool_head, dropout=0.2),
    auxiliary_head=auxiliary_head_bn,
    stages={
        "stage1": "conv1_act",
        "stage2": "conv2_act",
        "stage3": "inception3b",
        "stage4": "inception4e",
        "stage5": "inception5b",
    },
    layouts={
        "torchvision": Layout(
            names=torchvision_names, auxiliary=("aux1.", "aux2."), first_layer="conv1"
        )
    },
    trainable_params=6_624_904,
    non_trainable_params=14_560,
    multiply_adds=1_498_376_192,
    **FACTS,
)
