"""ResNet for CIFAR: residual networks of 20 to 110 layers for images of 32x32 pixels.

He, Zhang, Ren, Sun: "Deep residual learning for image recognition", 2015, arXiv 1512.03385,
section 4.2.

A convolution with 16 filters, three stages of n blocks at 32, 16 and 8 pixels with 16, 32 and 64
filters, global average, dense: 6n + 2 layers with weights. A block is two 3x3 convolutions; the
first of stages 2 and 3 has stride 2. Shortcuts have no parameters (option A).

Deviations: none known. The paper does not say where option A's zero channels go; the default is
that of the published checkpoints, half before and half after.
"""

from __future__ import annotations

import re
from typing import Literal

from kerasnets.lazy import keras, layers
from kerasnets.models.blocks import (
    activate,
    average_pool_head,
    conv,
    conv_norm_act,
    normalize,
    widen,
)
from kerasnets.preprocessing import Preprocessing
from kerasnets.registry import Paper, register

PAPER = Paper(
    title="Deep residual learning for image recognition",
    authors="He, Zhang, Ren, Sun",
    year=2015,
    url="https://arxiv.org/abs/1512.03385",
)

# Section 4.2: output size 32, 16, 8; filters 16, 32, 64; blocks n, n, n.
STAGE_FILTERS = (16, 32, 64)

# Depth: trainable parameters, batch-norm statistics, multiply-adds; with option A, 10 classes.
COUNTS = {
    20: (269_722, 1_376, 40_551_040),
    32: (464_154, 2_272, 68_862_592),
    44: (658_586, 3_168, 97_174_144),
    56: (853_018, 4_064, 125_485_696),
    110: (1_727_962, 8_096, 252_887_680),
}

Shortcut = Literal["zero_pad", "projection"]
ZeroPlacement = Literal["split", "append"]


def resnet_cifar(
    x: keras.KerasTensor,
    *,
    depth: int,
    shortcut: Shortcut = "zero_pad",
    zero_placement: ZeroPlacement = "split",
) -> keras.KerasTensor:
    """(N, 32, 32, 3) to (N, 8, 8, 64).

    Args:
        depth: 6n + 2.
        shortcut: Where the shape changes: option A, ``"zero_pad"``, or option B, ``"projection"``.
        zero_placement: Of option A's zero channels, see `kerasnets.layers.ZeroPadShortcut`.
    """
    x = conv_norm_act(x, 16, 3, padding=1, name="stem_conv")
    for stage, filters in enumerate(STAGE_FILTERS, start=1):
        for block in range(1, (depth - 2) // 6 + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            name = f"stage{stage}_block{block}"
            identity = x
            if strides > 1 and shortcut == "zero_pad":
                identity = layers.ZeroPadShortcut(
                    widen(filters), strides, zero_placement, name=f"{name}_shortcut"
                )(x)
            elif strides > 1:
                identity = conv(x, filters, 1, strides, name=f"{name}_shortcut")
                identity = normalize(identity, name=f"{name}_shortcut")
            x = basic_block(x, identity, filters, strides, name=name)
    return x


def basic_block(
    x: keras.KerasTensor, identity: keras.KerasTensor, filters: int, strides: int, *, name: str
) -> keras.KerasTensor:
    """Two 3x3 convolutions, plus the shortcut: figure 2."""
    x = conv_norm_act(x, filters, 3, strides, padding=1, name=f"{name}_conv1")
    x = conv(x, filters, 3, padding=1, name=f"{name}_conv2")
    x = normalize(x, name=f"{name}_conv2")
    x = keras.layers.Add(name=f"{name}_add")([identity, x])
    return activate(x, name=name)


def pytorch_names(layer: str) -> str:
    """The name that akamaster/pytorch_resnet_cifar10 gives to a layer with weights."""
    if layer == "logits":
        return "linear"
    layer = layer.removeprefix("stem_")
    norm = layer.endswith("_bn")
    layer = layer.removesuffix("_bn")
    layer = re.sub(
        r"stage(\d+)_block(\d+)_",
        lambda found: f"layer{found[1]}.{int(found[2]) - 1}.",
        layer,
    )
    if layer.endswith("shortcut"):
        return f"{layer}.{int(norm)}"
    layer = "conv1" if layer == "conv" else layer
    return layer.replace("conv", "bn") if norm else layer


for depth, (trainable, statistics, multiply_adds) in COUNTS.items():
    register(
        f"resnet{depth}_cifar",
        paper=PAPER,
        description=f"{depth} layers for 32x32 images, option-A shortcuts",
        backbone=resnet_cifar,
        head=average_pool_head,
        variant={"depth": depth},
        style={"normalization": "batch", "kernel_initializer": "he_normal"},
        stages={
            f"stage{stage}": f"stage{stage}_block{(depth - 2) // 6}_act" for stage in (1, 2, 3)
        },
        layout=pytorch_names,
        input_shape=(32, 32, 3),
        classes=10,
        trainable_params=trainable,
        non_trainable_params=statistics,
        multiply_adds=multiply_adds,
        preprocessing=Preprocessing(size=(32, 32)),
        recipe="resnet_cifar",
    )
