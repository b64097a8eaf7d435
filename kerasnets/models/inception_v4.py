"""Inception v4: one uniform block for each size of the map.

Szegedy, Ioffe, Vanhoucke, Alemi: "Inception-v4, Inception-ResNet and the impact of residual
connections on learning", 2016, arXiv 1602.07261, figures 3 to 9.

For images of 299x299 pixels: a stem that itself concatenates; 4 blocks A at 35x35, 7 blocks B at
17x17, 3 blocks C at 8x8, and between them reductions that halve the map. The released training code
puts Inception v3's auxiliary classifier on the 17x17 map (``auxiliary_heads=True``).

Deviations: none known. Figure 5 prints 1x7 twice in the second branch of block B; the released
network has 1x7 and 7x1, as here.
"""

from __future__ import annotations

import functools

from kerasnets import layers
from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import NO_RESIDUALS, Stem, Style, Tensor, max_pool, rematerializable
from kerasnets.models.heads import average_pool_head
from kerasnets.models.inception_branches import (
    SLIM_STYLE,
    auxiliary_head,
    average_pool_branch,
    branch,
    fork,
    stem_windows,
)
from kerasnets.models.naming import module_and_kind, parts_of
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="Inception-v4, Inception-ResNet and the impact of residual connections on learning",
    authors="Szegedy, Ioffe, Vanhoucke, Alemi",
    year=2016,
    url="https://arxiv.org/abs/1602.07261",
)

ROW, COLUMN = (1, 7), (7, 1)


def inception_v4(x: Tensor, style: Style = SLIM_STYLE, *, stem: Stem = "imagenet") -> Tensor:
    """Figure 9: (N, 299, 299, 3) to (N, 8, 8, 1536).

    Args:
        stem: See `image_stem`.
    """
    x = image_stem(x, style, stem)  # (N, 35, 35, 384)
    for number in range(1, 5):
        x = inception_a(x, style, name=f"inception_a{number}")
    x = reduction_a(x, style, (192, 224, 256, 384), name="reduction_a")  # (N, 17, 17, 1024)
    for number in range(1, 8):
        x = inception_b(x, style, name=f"inception_b{number}")
    x = reduction_b(x, style, name="reduction_b")  # (N, 8, 8, 1536)
    for number in range(1, 4):
        x = inception_c(x, style, name=f"inception_c{number}")
    return x


def image_stem(x: Tensor, style: Style, stem: Stem) -> Tensor:
    """Figure 3: (N, 299, 299, 3) to (N, 35, 35, 384).

    Args:
        x: The images.
        style: The network's options.
        stem: ``"small"`` keeps their size, (N, H, W, 384): strides are 1, windows are padded.
    """
    strides, pad = stem_windows(stem)
    x = style.conv_norm_act(x, 32, 3, strides, padding=pad, name="stem_conv1")  # (N, 149, 149, 32)
    x = style.conv_norm_act(x, 32, 3, padding=pad, name="stem_conv2")  # (N, 147, 147, 32)
    x = style.conv_norm_act(x, 64, 3, padding=1, name="stem_conv3")
    branches = [
        max_pool(x, 3, strides, padding=pad, name="stem_pool1"),
        style.conv_norm_act(x, 96, 3, strides, padding=pad, name="stem_conv4"),
    ]
    x = layers.InceptionConcat(name="stem_concat1")(branches)  # (N, 73, 73, 160)
    last = (96, 3, 1, pad)
    branches = [
        branch(x, style, (64, 1), last, name="stem_branch1"),
        branch(x, style, (64, 1), (64, ROW), (64, COLUMN), last, name="stem_branch2"),
    ]
    x = layers.InceptionConcat(name="stem_concat2")(branches)  # (N, 71, 71, 192)
    branches = [
        style.conv_norm_act(x, 192, 3, strides, padding=pad, name="stem_conv5"),
        max_pool(x, 3, strides, padding=pad, name="stem_pool2"),
    ]
    return layers.InceptionConcat(name="stem_concat3")(branches)


@rematerializable
def inception_a(x: Tensor, style: Style, *, name: str) -> Tensor:
    """Figure 4, at 35x35."""
    branches = [
        branch(x, style, (96, 1), name=f"{name}_branch1"),
        branch(x, style, (64, 1), (96, 3), name=f"{name}_branch2"),
        branch(x, style, (64, 1), (96, 3), (96, 3), name=f"{name}_branch3"),
        average_pool_branch(x, style, 96, name=f"{name}_branch4"),
    ]
    return layers.InceptionConcat(name=name)(branches)


@rematerializable
def reduction_a(x: Tensor, style: Style, widths: tuple[int, int, int, int], *, name: str) -> Tensor:
    """Figure 7, from 35x35 to 17x17, with the widths of table 1: k, l, m, n."""
    k, l_, m, n = widths
    branches = [
        branch(x, style, (n, 3, 2, "valid"), name=f"{name}_branch1"),
        branch(x, style, (k, 1), (l_, 3), (m, 3, 2, "valid"), name=f"{name}_branch2"),
        max_pool(x, 3, 2, name=f"{name}_pool"),
    ]
    return layers.InceptionConcat(name=name)(branches)


@rematerializable
def inception_b(x: Tensor, style: Style, *, name: str) -> Tensor:
    """Figure 5, at 17x17."""
    branch3 = (192, 1), (192, COLUMN), (224, ROW), (224, COLUMN), (256, ROW)
    branches = [
        branch(x, style, (384, 1), name=f"{name}_branch1"),
        branch(x, style, (192, 1), (224, ROW), (256, COLUMN), name=f"{name}_branch2"),
        branch(x, style, *branch3, name=f"{name}_branch3"),
        average_pool_branch(x, style, 128, name=f"{name}_branch4"),
    ]
    return layers.InceptionConcat(name=name)(branches)


@rematerializable
def reduction_b(x: Tensor, style: Style, *, name: str) -> Tensor:
    """Figure 8, from 17x17 to 8x8."""
    branch2 = (256, 1), (256, ROW), (320, COLUMN), (320, 3, 2, "valid")
    branches = [
        branch(x, style, (192, 1), (192, 3, 2, "valid"), name=f"{name}_branch1"),
        branch(x, style, *branch2, name=f"{name}_branch2"),
        max_pool(x, 3, 2, name=f"{name}_pool"),
    ]
    return layers.InceptionConcat(name=name)(branches)


@rematerializable
def inception_c(x: Tensor, style: Style, *, name: str) -> Tensor:
    """Figure 6, at 8x8."""
    branch2 = style.conv_norm_act(x, 384, 1, name=f"{name}_branch2_conv1")
    branch3 = branch(x, style, (384, 1), (448, (3, 1)), (512, (1, 3)), name=f"{name}_branch3")
    branches = [
        branch(x, style, (256, 1), name=f"{name}_branch1"),
        *fork(branch2, style, 256, name=f"{name}_branch2_conv2"),
        *fork(branch3, style, 256, name=f"{name}_branch3_conv4"),
        average_pool_branch(x, style, 256, name=f"{name}_branch4"),
    ]
    return layers.InceptionConcat(name=name)(branches)


# The end of figure 9, which keeps 0.8.
head = functools.partial(average_pool_head, dropout=0.2)

# Where timm's list of modules has the stem's layers and the first block of each kind.
TIMM_STEM = {
    "stem_conv1": "0",
    "stem_conv2": "1",
    "stem_conv3": "2",
    "stem_conv4": "3.conv",
    "stem_conv5": "5.conv",
}
TIMM_FIRST_BLOCK = {
    "stem": 4,
    "inception_a": 6,
    "reduction_a": 10,
    "inception_b": 11,
    "reduction_b": 18,
    "inception_c": 19,
}


def timm_names(layer: str) -> str:
    """The name that timm gives to a layer with weights."""
    if layer == "logits":
        return "last_linear"
    if layer.startswith("aux"):
        return layer  # timm has no auxiliary classifier
    layer, kind = module_and_kind(layer)
    if layer in TIMM_STEM:
        return f"features.{TIMM_STEM[layer]}.{kind}"
    block, number, place = parts_of(layer, r"(\w+?)(\d*)_(branch\w+)")
    module = TIMM_FIRST_BLOCK[block] + int(number or 1) - 1
    separator = "_" if block == "inception_c" else "."
    return f"features.{module}.{timm_branch(place, separator)}.{kind}"


def timm_branch(place: str, separator: str = ".") -> str:
    """``branch2_conv1`` as timm counts, from zero: ``branch1.0``."""
    branch, conv, fork = parts_of(place, r"branch(\d)_conv(\d?)([ab]?)")
    module = f"branch{int(branch) - 1}"
    if branch == "4":
        return f"{module}.1"  # after the pooling
    return f"{module}{separator}{int(conv) - 1}{fork}" if conv else module


register(
    "inception_v4",
    paper=PAPER,
    description="uniform blocks, no residual connections",
    backbone=inception_v4,
    head=head,
    auxiliary_heads={"aux1": "inception_b7"},
    auxiliary_head=auxiliary_head,
    fixed=NO_RESIDUALS,
    stages={
        "stage1": "stem_conv3_act",
        "stage2": "stem_concat2",
        "stage3": "inception_a4",
        "stage4": "inception_b7",
        "stage5": "inception_c3",
    },
    layouts={"timm": Layout(names=timm_names, first_layer="stem_conv1")},
    input_shape=(299, 299, 3),
    classes=1000,
    trainable_params=42_679_816,
    non_trainable_params=63_168,
    multiply_adds=12_253_974_624,
    preprocessing=Preprocessing(size=(299, 299), resize=342, mean=(0.5,) * 3, std=(0.5,) * 3),
    recipe="inception_v4_2016",
)
