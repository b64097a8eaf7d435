"""MobileNet: convolutions taken apart into a spatial one for each channel and a 1x1 one.

Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam: "MobileNets: efficient
convolutional neural networks for mobile vision applications", 2017, arXiv 1704.04861.

A 3x3 convolution at stride 2 takes an image of 224 pixels to 112; 13 blocks of a 3x3 depthwise and
a 1x1 convolution, each with batch norm and ReLU, take it to 7; global average, dense. ``width`` is
the paper's width multiplier, the input's size its resolution multiplier.

Deviations: the last depthwise convolution has stride 1, as table 1's output sizes require (the
table prints 2). The batch norm's epsilon and the initial weights, which the paper does not give,
are those of the authors' TensorFlow release. That release also has ``activation="relu6"``,
``padding="same"`` and ``dropout=0.001``; keras.applications has relu6, ``norm_momentum=0.99`` and
``padding="bottom_right"``, which differs at odd sizes; timm has relu6, ``norm_epsilon=1e-5`` and
our padding.
"""

from __future__ import annotations

from typing import Literal

from kerasnets.inputs import Preprocessing
from kerasnets.lazy import keras
from kerasnets.models.blocks import (
    NO_RESIDUALS,
    Stem,
    Style,
    Tensor,
    rematerializable,
    truncated_normal,
)
from kerasnets.models.heads import average_pool_head
from kerasnets.models.naming import parts_of
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="MobileNets: efficient convolutional neural networks for mobile vision applications",
    authors="Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam",
    year=2017,
    url="https://arxiv.org/abs/1704.04861",
)

# Table 1: filters and blocks at 112, 56, 28, 14 and 7 pixels.
STAGES = ((64, 1), (128, 2), (256, 2), (512, 6), (1024, 2))

STYLE = Style(normalization="batch", norm_epsilon=1e-3, kernel_initializer=truncated_normal(0.09))


def mobilenet_v1(
    x: Tensor,
    style: Style = STYLE,
    *,
    stem: Stem = "imagenet",
    shallow: bool = False,
    separable: bool = True,
    padding: Literal["symmetric", "same", "bottom_right"] = "symmetric",
) -> Tensor:
    """(N, 224, 224, 3) to (N, 7, 7, 1024).

    Args:
        stem: ``"small"``: the first convolution has stride 1.
        shallow: Whether the five blocks that keep 14x14x512 are left out (table 5).
        separable: Whether blocks are taken apart; ``False`` makes each a full 3x3 convolution
            (table 4).
        padding: At stride 2 convolutions pad a pixel on each side, or ``"same"``, which pads the
            bottom and right alone where height and width are even. With ``"bottom_right"``
            depthwise convolutions do so where they are odd too.
    """
    pad = 1 if padding == "symmetric" else "same"
    x = style.conv_norm_act(x, 32, 3, 1 if stem == "small" else 2, padding=pad, name="stem_conv")
    for stage, (filters, blocks) in enumerate(STAGES, start=1):
        # Blocks are left out from the front, so that a stage ends with the same layer always.
        first = blocks if shallow and filters == 512 else 1
        for number in range(first, blocks + 1):
            strides = 2 if stage > 1 and number == first else 1
            name = f"stage{stage}_block{number}"
            block = separable_block if separable else full_block
            x = block(x, style, filters, strides, padding=padding, name=name)
    return x


@rematerializable
def full_block(
    x: Tensor, style: Style, filters: int, strides: int, *, padding: str, name: str
) -> Tensor:
    """Figure 3, left: a 3x3 convolution, batch norm and ReLU."""
    pad = 1 if padding == "symmetric" else "same"
    return style.conv_norm_act(x, filters, 3, strides, padding=pad, name=f"{name}_conv")


@rematerializable
def separable_block(
    x: Tensor, style: Style, filters: int, strides: int, *, padding: str, name: str
) -> Tensor:
    """Figure 3, right: depthwise and 1x1 convolution, each with batch norm and ReLU."""
    depthwise = f"{name}_depthwise"
    pad = 1 if padding == "symmetric" else "same"
    if padding == "bottom_right" and strides > 1:
        x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{depthwise}_pad")(x)
        pad = "valid"
    x = style.depthwise_conv(x, 3, strides, padding=pad, name=depthwise)
    x = style.norm_act(x, name=depthwise)
    return style.conv_norm_act(x, filters, 1, name=f"{name}_conv")


def timm_names(layer: str) -> str:
    """The name that timm's ``mobilenetv1_100`` gives to a layer with weights."""
    names = {"stem_conv": "conv_stem", "stem_conv_bn": "bn1", "logits": "classifier"}
    if layer in names:
        return names[layer]
    stage, block, place = parts_of(layer, r"stage(\d)_block(\d)_(\w+)")
    module = {
        "depthwise": "conv_dw",
        "depthwise_bn": "bn1",
        "conv": "conv_pw",
        "conv_bn": "bn2",
    }[place]
    return f"blocks.{int(stage) - 1}.{int(block) - 1}.{module}"


def keras_names(layer: str) -> str | tuple[str, str]:
    """The name that keras.applications gives to a layer with weights."""
    if layer == "logits":
        return "conv_preds", "conv"
    if layer.startswith("stem"):
        return layer.replace("stem_conv", "conv1")
    stage, block, kind, norm = parts_of(layer, r"stage(\d)_block(\d)_(depthwise|conv)(_bn)?")
    number = sum(blocks for _, blocks in STAGES[: int(stage) - 1]) + int(block)
    return f"conv_{'dw' if kind == 'depthwise' else 'pw'}_{number}{norm or ''}"


register(
    "mobilenet_v1",
    paper=PAPER,
    description="depthwise separable convolutions; width=0.75, 0.5, 0.25 for the smaller ones",
    backbone=mobilenet_v1,
    head=average_pool_head,
    fixed=NO_RESIDUALS,
    stages={
        f"stage{stage}": f"stage{stage}_block{blocks}_conv_act"
        for stage, (_, blocks) in enumerate(STAGES, start=1)
    },
    layouts={
        "keras": Layout(
            names=keras_names,
            framework="keras",
            options={"activation": "relu6", "padding": "bottom_right", "norm_momentum": 0.99},
        ),
        "timm": Layout(names=timm_names, options={"activation": "relu6", "norm_epsilon": 1e-5}),
    },
    input_shape=(224, 224, 3),
    classes=1000,
    trainable_params=4_231_976,
    non_trainable_params=21_888,
    multiply_adds=568_740_352,
    preprocessing=Preprocessing(size=(224, 224), resize=256, mean=(0.5,) * 3, std=(0.5,) * 3),
    recipe="mobilenet2017",
)
