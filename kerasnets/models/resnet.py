"""ResNet: residual networks of 18 to 152 layers, and the plain networks they are compared with.

He, Zhang, Ren, Sun: "Deep residual learning for image recognition", 2015, arXiv 1512.03385.

A 7x7 convolution and max pooling take an image of 224 pixels to 56; four stages of residual blocks
at 56, 28, 14 and 7 pixels follow, then global average and dense. A block adds its input (the
shortcut) to what its convolutions make of it: two 3x3 ones, or from 50 layers on a bottleneck of
1x1, 3x3 and 1x1. The first block of stages 2 to 4 has stride 2. Where the shape changes, a 1x1
convolution projects the shortcut (option B).

``resnet50`` is the paper's version, "v1": a bottleneck's stride is that of its first 1x1
convolution. ``resnet50_v1_5`` has it on the 3x3, as fb.resnet.torch, torchvision and timm do; the
parameters are the same, but published PyTorch weights give right answers in v1.5 alone.

Deviations: images are standardized by the mean and the deviation of each channel; the paper
subtracts the mean of each pixel (section 3.4). `drop_path_rate` and `zero_gamma` came later; they
are off by default.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from kerasnets import layers
from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import NO_RESIDUALS, Stem, Style, Tensor, max_pool, rematerializable
from kerasnets.models.heads import average_pool_head
from kerasnets.models.naming import parts_of
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="Deep residual learning for image recognition",
    authors="He, Zhang, Ren, Sun",
    year=2015,
    url="https://arxiv.org/abs/1512.03385",
)

# Table 1: filters and blocks at 56, 28, 14 and 7 pixels; bottlenecks from 50 layers on.
STAGE_FILTERS = (64, 128, 256, 512)
BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}

# Name: depth, version, trainable parameters, batch-norm statistics, multiply-adds.
COUNTS = {
    "resnet18": (18, "v1", 11_689_512, 9_600, 1_814_073_344),
    "resnet34": (34, "v1", 21_797_672, 17_024, 3_663_761_408),
    "resnet50": (50, "v1", 25_557_032, 53_120, 3_857_973_248),
    "resnet101": (101, "v1", 44_549_160, 105_344, 7_570_194_432),
    "resnet152": (152, "v1", 60_192_808, 151_424, 11_282_415_616),
    "resnet50_v1_5": (50, "v1.5", 25_557_032, 53_120, 4_089_184_256),
    "resnet101_v1_5": (101, "v1.5", 44_549_160, 105_344, 7_801_405_440),
    "resnet152_v1_5": (152, "v1.5", 60_192_808, 151_424, 11_513_626_624),
}
PLAIN_COUNTS = {
    "plain18": (18, 11_515_688, 7_808, 1_794_805_760),
    "plain34": (34, 21_623_848, 15_232, 3_644_493_824),
}

STYLE = Style(normalization="batch", kernel_initializer="he_2015")

Shortcut = Literal["projection", "zero_pad", "project_all"]


class Unit(NamedTuple):
    """The place of one residual block in its network.

    Attributes:
        name: ``stage1_block1`` and so on.
        filters: Number of filters of the block's convolutions but a bottleneck's last.
        outputs: Channels of the block's output.
        strides: Stride of the block.
        progress: The block's position over the number of blocks, in (0, 1].
    """

    name: str
    filters: int
    outputs: int
    strides: int
    progress: float


def units(filters: Sequence[int], blocks: Sequence[int], *, expansion: int = 1) -> list[Unit]:
    """The blocks of a network in order; the first of each stage but stage 1 has stride 2.

    Args:
        filters: Number of filters of each stage.
        blocks: Their number in each stage.
        expansion: 4 for bottlenecks.
    """
    places = [
        (stage, block)
        for stage, count in enumerate(blocks, start=1)
        for block in range(1, count + 1)
    ]
    return [
        Unit(
            name=f"stage{stage}_block{block}",
            filters=filters[stage - 1],
            outputs=expansion * filters[stage - 1],
            strides=2 if stage > 1 and block == 1 else 1,
            progress=number / len(places),
        )
        for number, (stage, block) in enumerate(places, start=1)
    ]


def resnet(
    x: Tensor,
    style: Style = STYLE,
    *,
    depth: int,
    version: Literal["v1", "v1.5"],
    shortcut: Shortcut = "projection",
    stem: Stem = "imagenet",
    zero_gamma: bool = False,
) -> Tensor:
    """(N, 224, 224, 3) to (N, 7, 7, 512), or to (N, 7, 7, 2048) from 50 layers on.

    Args:
        depth: A row of `BLOCKS`.
        version: Where a bottleneck's stride is: first 1x1 (v1) or 3x3 (v1.5).
        shortcut: Option A, ``"zero_pad"``: no parameters; B, ``"projection"``: a convolution where
            the shape changes; C, ``"project_all"``: a convolution in every block.
        stem: ``"small"`` is one 3x3 convolution without pooling, for images of some 32 pixels.
        zero_gamma: Starts each block as the identity: its last batch norm's gamma is zero.
    """
    x = image_stem(x, style, stem)
    bottlenecks = depth >= 50
    for unit in units(STAGE_FILTERS, BLOCKS[depth], expansion=4 if bottlenecks else 1):
        if bottlenecks:
            strided = "1x1" if version == "v1" else "3x3"
            residual = bottleneck(x, style, unit, strided=strided, zero_gamma=zero_gamma)
        else:
            residual = basic(x, style, unit, zero_gamma=zero_gamma)
        residual = style.drop_path(style.rematerialize(residual, x), unit.progress, name=unit.name)
        x = add_shortcut(x, style, residual, unit, shortcut)
        x = style.activate(x, name=unit.name)
    return x


def image_stem(x: Tensor, style: Style, stem: Stem = "imagenet") -> Tensor:
    """(N, H, W, 3) to (N, H/4, W/4, 64), or to (N, H, W, 64) for small images."""
    if stem == "small":
        return style.conv_norm_act(x, 64, 3, padding=1, name="stem_conv")
    x = style.conv_norm_act(x, 64, 7, 2, padding=3, name="stem_conv")
    return max_pool(x, 3, 2, padding=1, name="stem_pool")


def basic(x: Tensor, style: Style, unit: Unit, *, zero_gamma: bool = False) -> Tensor:
    """The residual of two 3x3 convolutions: figure 5, left."""
    filters, strides, name = unit.filters, unit.strides, unit.name
    x = style.conv_norm_act(x, filters, 3, strides, padding=1, name=f"{name}_conv1")
    x = style.conv(x, filters, 3, padding=1, name=f"{name}_conv2")
    return style.normalize(x, zero_gamma=zero_gamma, name=f"{name}_conv2")


def bottleneck(
    x: Tensor,
    style: Style,
    unit: Unit,
    *,
    strided: Literal["1x1", "3x3"] = "1x1",
    zero_gamma: bool = False,
) -> Tensor:
    """The residual of a 1x1, a 3x3 and a 1x1 convolution: figure 5, right."""
    filters, name = unit.filters, unit.name
    first, second = (unit.strides, 1) if strided == "1x1" else (1, unit.strides)
    x = style.conv_norm_act(x, filters, 1, first, name=f"{name}_conv1")
    x = style.conv_norm_act(x, filters, 3, second, padding=1, name=f"{name}_conv2")
    x = style.conv(x, unit.outputs, 1, name=f"{name}_conv3")
    return style.normalize(x, zero_gamma=zero_gamma, name=f"{name}_conv3")


def add_shortcut(
    x: Tensor,
    style: Style,
    residual: Tensor,
    unit: Unit,
    shortcut: Shortcut,
    *,
    subsample: Literal["stride", "average"] = "stride",
    zero_placement: Literal["split", "append"] = "split",
) -> Tensor:
    """The residual plus the block's input, brought to its shape: equations 1 and 2.

    Args:
        x: Input of the block.
        style: The network's options.
        residual: What the block's convolutions made of it.
        unit: The block.
        shortcut: See `resnet`.
        subsample: How option A strides: see `kerasnets.layers.ResidualAdd`.
        zero_placement: Where option A's zeros go.
    """
    add = f"{unit.name}_add"
    changes = unit.strides > 1 or x.shape[-1] != residual.shape[-1]
    if changes and shortcut == "zero_pad":
        return layers.ResidualAdd(
            shortcut="zero_pad",
            shortcut_strides=unit.strides,
            subsample=subsample,
            zero_placement=zero_placement,
            name=add,
        )([x, residual])
    if changes or shortcut == "project_all":
        name = f"{unit.name}_shortcut"
        x = style.normalize(style.conv(x, unit.outputs, 1, unit.strides, name=name), name=name)
    return layers.ResidualAdd(name=add)([x, residual])


def plain(x: Tensor, style: Style = STYLE, *, depth: int, stem: Stem = "imagenet") -> Tensor:
    """The convolutions of `resnet` without shortcuts: figure 3, middle."""
    x = image_stem(x, style, stem)
    for unit in units(STAGE_FILTERS, BLOCKS[depth]):
        x = plain_block(x, style, unit)
    return x


@rematerializable
def plain_block(x: Tensor, style: Style, unit: Unit) -> Tensor:
    """Two 3x3 convolutions."""
    x = style.conv_norm_act(x, unit.filters, 3, unit.strides, padding=1, name=f"{unit.name}_conv1")
    return style.conv_norm_act(x, unit.filters, 3, padding=1, name=f"{unit.name}_conv2")


def torchvision_names(layer: str) -> str:
    """The name that torchvision (and timm) give to a layer with weights."""
    if layer == "logits":
        return "fc"
    norm = layer.endswith("_bn")
    layer = layer.removesuffix("_bn")
    if layer == "stem_conv":
        return "bn1" if norm else "conv1"
    layer = re.sub(
        r"stage(\d+)_block(\d+)_",
        lambda found: f"layer{found[1]}.{int(found[2]) - 1}.",
        layer,
    )
    if layer.endswith(".shortcut"):
        return layer.replace("shortcut", f"downsample.{int(norm)}")
    return layer.replace("conv", "bn") if norm else layer


def keras_names(layer: str) -> str:
    """The name that keras.applications gives to a layer with weights, here and in v2."""
    norm = "bn" if layer.endswith("_bn") else "conv"
    layer = layer.removesuffix("_bn")
    ends = {"stem_conv": f"conv1_{norm}", "final": "post_bn", "logits": "predictions"}
    if layer in ends:
        return ends[layer]
    stage, block, place = parts_of(layer, r"stage(\d)_block(\d+)_(\w+)")
    place = "0" if place == "shortcut" else place.removeprefix("conv")
    return f"conv{int(stage) + 1}_block{block}_{place}_{norm}"


TORCHVISION = {"torchvision": Layout(names=torchvision_names)}
# Its stride is in the first 1x1 of a bottleneck, torchvision's in the 3x3.
KERAS = {
    "keras": Layout(
        names=keras_names,
        framework="keras",
        convolution_bias=True,
        options={"norm_epsilon": 1.001e-5, "norm_momentum": 0.99},
    )
}

FACTS = {
    "paper": PAPER,
    "head": average_pool_head,
    "input_shape": (224, 224, 3),
    "classes": 1000,
    "preprocessing": Preprocessing(size=(224, 224), resize=256),
    "recipe": "resnet2015",
}


def stages(depth: int, end: str) -> dict[str, str]:
    """The last layer of the stem and of each stage; its name ends with that of the block's last."""
    blocks = enumerate(BLOCKS[depth], start=1)
    last = {f"stage{stage}": f"stage{stage}_block{count}_{end}" for stage, count in blocks}
    return {"stem": "stem_conv_act", **last}


for name, (depth, version, trainable, statistics, multiply_adds) in COUNTS.items():
    register(
        name,
        description=f"{depth} layers"
        + ("" if depth < 50 else f", stride in the {'first 1x1' if version == 'v1' else '3x3'}"),
        backbone=resnet,
        variant={"depth": depth, "version": version},
        stages=stages(depth, "act"),
        layouts=KERAS if depth >= 50 and version == "v1" else TORCHVISION,
        trainable_params=trainable,
        non_trainable_params=statistics,
        multiply_adds=multiply_adds,
        **FACTS,
    )

for name, (depth, trainable, statistics, multiply_adds) in PLAIN_COUNTS.items():
    register(
        name,
        description=f"{depth} layers without shortcuts",
        backbone=plain,
        variant={"depth": depth},
        fixed=NO_RESIDUALS,
        stages=stages(depth, "conv2_act"),
        trainable_params=trainable,
        non_trainable_params=statistics,
        multiply_adds=multiply_adds,
        **FACTS,
    )
