"""ShuffleNet: grouped 1x1 convolutions with a shuffle of the channels between them.

Zhang, Zhou, Lin, Sun: "ShuffleNet: an extremely efficient convolutional neural network for mobile
devices", 2017, arXiv 1707.01083.

A 3x3 convolution and max pooling take an image of 224 pixels to 56; stages 2 to 4 of 4, 8 and 4
residual units at 28, 14 and 7 pixels follow, then global average and dense. A unit is a grouped
1x1 convolution to a quarter of its width, the shuffle, a 3x3 depthwise and a grouped 1x1
convolution. The first unit of a stage has stride 2, and concatenates with an average-pooled
shortcut instead of adding. More groups make the stages wider at about the same cost.

The network that the authors released later has ``shuffle="release"`` and ``logits_bias=False``; its
table of sizes is ours, since the paper's multiplier alone leaves widths that groups do not divide.

Deviations: none known. The paper says nothing of initial weights: convolutions, which batch
normalisation follows, have He's, and the classifier the release's, of 0.01. The shortcut's average
counts the padding's zeros, as in the release.
"""

from __future__ import annotations

from typing import Literal

from kerasnets import layers
from kerasnets.inputs import Preprocessing
from kerasnets.lazy import keras
from kerasnets.models.blocks import Stem, Style, Tensor, max_pool
from kerasnets.models.heads import average_pool_head, classifier_style
from kerasnets.models.naming import parts_of
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="ShuffleNet: an extremely efficient convolutional neural network for mobile devices",
    authors="Zhang, Zhou, Lin, Sun",
    year=2017,
    url="https://arxiv.org/abs/1707.01083",
)

# Table 1: units of stages 2, 3 and 4, and by groups the filters of stage 2, which each next stage
# doubles.
UNITS = (4, 8, 4)
FILTERS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}

# Of the authors' release: the stages' multiplier and the stem's filters.
SIZES = {"0.5x": (0.5, 12), "1x": (1.0, 24), "1.5x": (1.5, 24), "2x": (2.0, 48)}

STYLE = Style(normalization="batch", kernel_initializer="he_2015")

Shuffle = Literal["paper", "release"]


def shufflenet_v1(
    x: Tensor,
    style: Style = STYLE,
    *,
    stem: Stem = "imagenet",
    groups: Literal[1, 2, 3, 4, 8] = 3,
    size: Literal["0.5x", "1x", "1.5x", "2x"] = "1x",
    shuffle: Shuffle = "paper",
) -> Tensor:
    """(N, 224, 224, 3) to (N, 7, 7, 960), for three groups.

    Args:
        stem: ``"small"``: the first convolution has stride 1, and no pooling follows it.
        groups: Number of groups of the 1x1 convolutions.
        size: The width multiplier of the stages. The stem's width is the authors'; ``width``
            multiplies all widths instead.
        shuffle: ``"paper"``: in front of the depthwise convolution. ``"release"``: behind it, and
            by the inverse permutation.
    """
    multiplier, filters = SIZES[size]
    if size == "0.5x" and groups == 8:
        filters = 16  # a multiple of the groups
    filters, strides = style.widen(filters, groups=groups), 1 if stem == "small" else 2
    x = style.conv_norm_act(x, filters, 3, strides, padding=1, fixed_width=True, name="stem_conv")
    if stem == "imagenet":
        x = max_pool(x, 3, 2, padding=1, name="stem_pool")
    number = 0
    for stage, count in enumerate(UNITS, start=2):
        filters = round(multiplier * FILTERS[groups] * 2 ** (stage - 2))
        for block in range(1, count + 1):
            number += 1
            # Stage 2 begins with few channels, so its first convolution has no groups.
            x = unit(
                x,
                style,
                filters,
                strides=2 if block == 1 else 1,
                groups=groups,
                first_groups=1 if (stage, block) == (2, 1) else groups,
                shuffle=shuffle,
                progress=number / sum(UNITS),
                name=f"stage{stage}_block{block}",
            )
    return x


def unit(
    x: Tensor,
    style: Style,
    filters: int,
    *,
    strides: int,
    groups: int,
    first_groups: int,
    shuffle: Shuffle,
    progress: float,
    name: str,
) -> Tensor:
    """Figure 2 (b), and (c) at stride 2, which has nothing that `drop_path` could drop."""
    outputs = style.widen(filters, groups=groups)
    if strides == 2:
        outputs -= x.shape[-1]
    inner = style.widen(filters // 4, groups=groups)
    y = pointwise(x, style, inner, first_groups, name=f"{name}_conv1")
    y = style.activate(y, name=f"{name}_conv1")
    if shuffle == "paper":
        y = layers.ChannelShuffle(groups, name=f"{name}_shuffle")(y)
    y = style.depthwise_conv(y, 3, strides, padding=1, name=f"{name}_depthwise")
    y = style.normalize(y, name=f"{name}_depthwise")
    if shuffle == "release":
        y = layers.ChannelShuffle(groups, inverse=True, name=f"{name}_shuffle")(y)
    y = style.rematerialize(pointwise(y, style, outputs, groups, name=f"{name}_conv2"), x)
    if strides == 1:
        y = style.drop_path(y, progress, name=name)
        return style.activate(layers.ResidualAdd(name=f"{name}_add")([x, y]), name=name)
    x = keras.layers.ZeroPadding2D(1, name=f"{name}_shortcut_pad")(x)
    x = keras.layers.AveragePooling2D(3, 2, name=f"{name}_shortcut")(x)
    return style.activate(keras.layers.Concatenate(name=f"{name}_concat")([x, y]), name=name)


def pointwise(x: Tensor, style: Style, filters: int, groups: int, *, name: str) -> Tensor:
    """A grouped 1x1 convolution and batch norm, without an activation."""
    x = style.conv(x, filters, 1, groups=groups, fixed_width=True, name=name)
    return style.normalize(x, name=name)


def head(
    x: Tensor, style: Style, classes: int, *, dropout: float = 0.0, logits_bias: bool = True
) -> Tensor:
    """`average_pool_head`, whose classifier starts with the small weights of the release.

    Behind sixteen additions the maps are large: He's weights would give a loss far above chance.
    """
    small = {"class_name": "RandomNormal", "config": {"stddev": 0.01}}
    style = classifier_style(style, STYLE, small)
    return average_pool_head(x, style, classes, dropout=dropout, logits_bias=logits_bias)


def megvii_names(layer: str) -> str:
    """The name that the authors' release gives to a layer with weights."""
    ends = {"stem_conv": "first_conv.0", "stem_conv_bn": "first_conv.1", "logits": "classifier.0"}
    if layer in ends:
        return ends[layer]
    stage, block, place = parts_of(layer, r"stage(\d)_block(\d)_(\w+)")
    unit = sum(UNITS[: int(stage) - 2]) + int(block) - 1
    module = {
        "conv1": "branch_main_1.0",
        "conv1_bn": "branch_main_1.1",
        "depthwise": "branch_main_1.3",
        "depthwise_bn": "branch_main_1.4",
        "conv2": "branch_main_2.0",
        "conv2_bn": "branch_main_2.1",
    }[place]
    return f"features.{unit}.{module}"


register(
    "shufflenet_v1",
    paper=PAPER,
    description="grouped 1x1 convolutions and shuffled channels; 3 groups, size 1x",
    backbone=shufflenet_v1,
    head=head,
    stages={"stage1": "stem_pool"}
    | {
        f"stage{stage}": f"stage{stage}_block{count}_act"
        for stage, count in enumerate(UNITS, start=2)
    },
    layouts={
        "megvii": Layout(names=megvii_names, options={"shuffle": "release", "logits_bias": False})
    },
    input_shape=(224, 224, 3),
    classes=1000,
    trainable_params=1_865_728,
    non_trainable_params=24_480,
    multiply_adds=137_460_672,
    preprocessing=Preprocessing(size=(224, 224), resize=256),
    recipe="shufflenet2017",
)
