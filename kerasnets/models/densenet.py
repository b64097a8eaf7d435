"""DenseNet: networks of 121 to 264 layers in which each layer sees the maps of all before it.

Huang, Liu, van der Maaten, Weinberger: "Densely connected convolutional networks", 2016,
arXiv 1608.06993.

A 7x7 convolution and max pooling take an image of 224 pixels to 56; four dense blocks at 56, 28,
14 and 7 pixels follow, then batch norm, ReLU, global average and dense. A dense layer is a 1x1
convolution to 4k maps and a 3x3 convolution to k maps (k: the growth rate), each behind batch norm
and ReLU; its maps are put behind those it was given. Between two blocks a transition reduces the
maps to a fraction of them, the compression, by a 1x1 convolution, and halves height and width.

``remat=True`` trains with about half of the memory: a dense layer's input, batch norm and ReLU up
to its first convolution are computed again in the backward pass (Pleiss et al. 2017,
arXiv 1707.06990).

Deviations: none known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from kerasnets import layers
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing
from kerasnets.lazy import keras
from kerasnets.models.blocks import NO_RESIDUALS, Stem, Style, Tensor, drop, max_pool
from kerasnets.models.heads import average_pool_head
from kerasnets.models.naming import parts_of
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="Densely connected convolutional networks",
    authors="Huang, Liu, van der Maaten, Weinberger",
    year=2016,
    url="https://arxiv.org/abs/1608.06993",
)

# Table 1: the growth rate, and dense layers at 56, 28, 14 and 7 pixels. 161 is from the authors'
# release.
GROWTH_RATE = {121: 32, 161: 48, 169: 32, 201: 32, 264: 32}
LAYERS = {
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}

# Depth: trainable parameters, batch-norm statistics, multiply-adds.
COUNTS = {
    121: (7_978_856, 83_648, 2_834_161_664),
    161: (28_681_000, 219_936, 7_727_907_072),
    169: (14_149_480, 158_400, 3_359_843_328),
    201: (20_013_928, 229_056, 4_291_365_888),
    264: (33_337_704, 398_528, 5_751_653_376),
}

STYLE = Style(normalization="batch", kernel_initializer="he_2015")


class Growth(NamedTuple):
    """How the dense blocks of a network grow.

    Attributes:
        rate: Maps that a layer adds, k.
        bottleneck: Whether a 1x1 convolution stands in front of the 3x3 one (DenseNet-B).
        compression: Fraction of its maps that a transition keeps (below 1: DenseNet-C).
        dropout: Fraction of the values that is dropped behind each convolution, in [0, 1).
    """

    rate: int
    bottleneck: bool = True
    compression: float = 0.5
    dropout: float = 0.0


def densenet(
    x: Tensor,
    style: Style = STYLE,
    *,
    depth: int,
    growth_rate: int | None = None,
    initial_filters: int | None = None,
    compression: float = 0.5,
    dropout: float = 0.0,
    stem: Stem = "imagenet",
) -> Tensor:
    """(N, 224, 224, 3) to (N, 7, 7, 1024), for 121 layers.

    Args:
        depth: A row of `LAYERS`.
        growth_rate: k; ``None``: that of the paper.
        initial_filters: Filters of the first convolution; ``None``: 2k.
        compression: Fraction of its maps that a transition keeps, in (0, 1].
        dropout: Fraction of the values that is dropped behind each convolution of the dense blocks
            and transitions, in [0, 1).
        stem: ``"small"`` is one 3x3 convolution without pooling, for images of some 32 pixels.
    """
    growth_rate = GROWTH_RATE[depth] if growth_rate is None else growth_rate
    filters = 2 * growth_rate if initial_filters is None else initial_filters
    growth = Growth(growth_rate, True, compression, dropout)
    check(growth, filters)
    if stem == "small":
        x = style.conv(x, filters, 3, padding=1, name="stem_conv")
    else:
        x = style.conv_norm_act(x, filters, 7, 2, padding=3, name="stem_conv")
        x = max_pool(x, 3, 2, padding=1, name="stem_pool")
    return dense_stages(x, style, filters, LAYERS[depth], growth)


def check(growth: Growth, filters: int) -> None:
    """Raises a `UserError` where a value is out of its range."""
    if growth.rate < 1:
        raise UserError(f"growth_rate must be at least 1. Received: {growth.rate}.")
    if filters < 1:
        raise UserError(f"initial_filters must be at least 1. Received: {filters}.")
    if not 0 < growth.compression <= 1:
        raise UserError(f"compression must be in (0, 1]. Received: {growth.compression}.")


def dense_stages(
    x: Tensor, style: Style, filters: int, repeats: Sequence[int], growth: Growth
) -> Tensor:
    """Dense blocks with transitions between them, and the last batch norm and ReLU.

    Args:
        x: Output of the stem.
        style: The network's options.
        filters: Channels of `x` at width 1.
        repeats: Number of layers of each block.
        growth: How the blocks grow.
    """
    for stage, count in enumerate(repeats, start=1):
        x = dense_block(x, style, count, growth, name=f"stage{stage}")
        filters += count * growth.rate
        if stage < len(repeats):
            filters = max(1, int(filters * growth.compression))
            x = transition(x, style, filters, growth, name=f"stage{stage}_transition")
    return style.norm_act(x, name="final")


def dense_block(x: Tensor, style: Style, count: int, growth: Growth, *, name: str) -> Tensor:
    """`count` dense layers: (N, H, W, C) to (N, H, W, C + count * k)."""
    parts = [x]
    for layer in range(1, count + 1):
        new = dense_layer(x, style, parts, growth, name=f"{name}_layer{layer}")
        # Taken from its parts, a concatenation need not be kept until the backward pass.
        parts = [*parts, new] if style.remat else [x, new]
        x = layers.DenseConcat(name=f"{name}_layer{layer}_concat")(parts)
    return x


def dense_layer(
    x: Tensor, style: Style, parts: Sequence[Tensor], growth: Growth, *, name: str
) -> Tensor:
    """The k maps that a layer adds to `x`, which is made of `parts`."""
    sizes = [(growth.rate, 3)]
    if growth.bottleneck:
        sizes.insert(0, (4 * growth.rate, 1))
    for number, (filters, kernel_size) in enumerate(sizes, start=1):
        part = f"{name}_conv{number}"
        x = norm_act_conv(x, style, filters, kernel_size, name=part)
        if number == 1:
            x = style.rematerialize(x, *parts)
        x = drop(x, growth.dropout, name=part)
    return x


def norm_act_conv(x: Tensor, style: Style, filters: int, kernel_size: int, *, name: str) -> Tensor:
    """Batch norm, ReLU, convolution: section 3, "composite function"."""
    x = style.norm_act(x, name=name)
    return style.conv(x, filters, kernel_size, padding=kernel_size // 2, name=name)


def transition(x: Tensor, style: Style, filters: int, growth: Growth, *, name: str) -> Tensor:
    """Between two blocks: (N, H, W, C) to (N, H/2, W/2, filters)."""
    x = norm_act_conv(x, style, filters, 1, name=f"{name}_conv")
    x = drop(x, growth.dropout, name=f"{name}_conv")
    return keras.layers.AveragePooling2D(2, name=f"{name}_pool")(x)


def torchvision_names(layer: str) -> str:
    """The name that torchvision and timm give to a layer with weights."""
    if layer == "logits":
        return "classifier"
    kind = "norm" if layer.endswith("_bn") else "conv"
    layer = layer.removesuffix("_bn")
    if layer == "stem_conv":
        return f"features.{kind}0"
    if layer == "final":
        return "features.norm5"
    if found := re.fullmatch(r"stage(\d+)_transition_conv", layer):
        return f"features.transition{found[1]}.{kind}"
    stage, number, place = parts_of(layer, r"stage(\d+)_layer(\d+)_conv(\d)")
    return f"features.denseblock{stage}.denselayer{number}.{kind}{place}"


def keras_names(layer: str) -> str:
    """The name that keras.applications gives to a layer with weights."""
    kind = "bn" if layer.endswith("_bn") else "conv"
    layer = layer.removesuffix("_bn")
    ends = {"stem_conv": f"conv1_{kind}", "final": "bn", "logits": "predictions"}
    if layer in ends:
        return ends[layer]
    stage, place = parts_of(layer, r"stage(\d)_(\w+)")
    stage = int(stage) + 1
    if place == "transition_conv":
        return f"pool{stage}_{kind}"
    number, convolution = parts_of(place, r"layer(\d+)_conv(\d)")
    # Theirs numbers a batch norm by the convolution in front of it.
    return f"conv{stage}_block{number}_{int(convolution) - (kind == 'bn')}_{kind}"


TORCHVISION = {"torchvision": Layout(names=torchvision_names)}
KERAS = {
    "keras": Layout(
        names=keras_names,
        framework="keras",
        options={"norm_epsilon": 1.001e-5, "norm_momentum": 0.99},
    )
}

for depth, (trainable, statistics, multiply_adds) in COUNTS.items():
    register(
        f"densenet{depth}",
        paper=PAPER,
        description=f"{depth} layers, growth rate {GROWTH_RATE[depth]}",
        backbone=densenet,
        head=average_pool_head,
        variant={"depth": depth},
        fixed=NO_RESIDUALS,
        stages={
            f"stage{stage}": f"stage{stage}_layer{count}_concat"
            for stage, count in enumerate(LAYERS[depth][:3], start=1)
        }
        | {"stage4": "final_act"},
        layouts=TORCHVISION | (KERAS if depth in (121, 169, 201) else {}),
        input_shape=(224, 224, 3),
        classes=1000,
        trainable_params=trainable,
        non_trainable_params=statistics,
        multiply_adds=multiply_adds,
        preprocessing=Preprocessing(size=(224, 224), resize=256),
        recipe="densenet161_2016" if depth == 161 else "densenet2016",
    )
