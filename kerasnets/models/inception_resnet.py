"""Inception-ResNet v1 and v2: Inception blocks with residual connections.

Szegedy, Ioffe, Vanhoucke, Alemi: "Inception-v4, Inception-ResNet and the impact of residual
connections on learning", 2016, arXiv 1602.07261, figures 10 to 20.

For images of 299x299 pixels: a stem, and blocks A at 35x35, B at 17x17 and C at 8x8 with reductions
between them, as in Inception v4. A block adds to its input what its branches found:
x = ReLU(x + s L(branches)), L a 1x1 convolution with a bias and without normalisation, s a constant
of 0.1 to 0.3 that keeps the training of wide networks stable.

`inception_resnet_v2` is by default the network that was released, which differs from the paper's:
Inception v3's stem and one Inception block in front, twice as many residual blocks, a last one
without scaling and ReLU, and a 1x1 convolution to 1536. ``form="paper"`` is that of the figures.
The released training code puts Inception v3's auxiliary classifier on the 17x17 map
(``auxiliary_heads=True``).

Deviations: the figures of v2 print 1154 and 2048 filters for L in the blocks B and C; they must be
1152 and 2144, the width of the input. The paper does not say which s its networks have; all forms
have the released one's, 0.17 in A, 0.10 in B, 0.20 in C (``residual_scaling`` sets another).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from kerasnets import layers
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing
from kerasnets.models import inception_v3, inception_v4
from kerasnets.models.blocks import Stem, Style, Tensor, max_pool, rematerializable
from kerasnets.models.inception_branches import (
    SLIM_STYLE,
    auxiliary_head,
    average_pool_branch,
    branch,
    stem_windows,
)
from kerasnets.models.naming import module_and_kind, numbered_names
from kerasnets.registry import Layout, register


@dataclass(frozen=True, kw_only=True)
class Form:
    """The widths of a network's blocks, branch by branch, and how often the blocks repeat."""

    block_a: tuple[int, int]  # the two 3x3 of the third branch
    reduction_a: tuple[int, int, int, int]  # table 1: k, l, m, n
    block_b: tuple[int, int, int, int]  # 1x1; 1x1, 1x7, 7x1
    reduction_b: tuple[int, int, int]  # 3x3 of the second branch; both 3x3 of the third
    block_c: tuple[int, int]  # 1x3, 3x1
    repeats: tuple[int, int, int] = (5, 10, 5)


V1 = Form(
    block_a=(32, 32),
    reduction_a=(192, 192, 256, 384),
    block_b=(128, 128, 128, 128),
    reduction_b=(256, 256, 256),
    block_c=(192, 192),
)
V2 = {
    "block_a": (48, 64),
    "reduction_a": (256, 256, 384, 384),
    "block_b": (192, 128, 160, 192),
    "reduction_b": (288, 288, 320),
    "block_c": (224, 256),
}
V2_FORMS = {"paper": Form(**V2), "released": Form(**V2, repeats=(10, 20, 10))}

# Of blocks A, B and C, as released.
SCALES = (0.17, 0.10, 0.20)

ROW, COLUMN = (1, 7), (7, 1)


def inception_resnet_v1(
    x: Tensor,
    style: Style = SLIM_STYLE,
    *,
    stem: Stem = "imagenet",
    residual_scaling: float | None = None,
) -> Tensor:
    """(N, 299, 299, 3) to (N, 8, 8, 1792).

    Args:
        stem: See `kerasnets.models.inception_v3.image_stem`.
        residual_scaling: The factor s of all blocks, in (0, 1], where 1 is none; ``None`` for
            0.17, 0.10 and 0.20 in A, B and C.
    """
    x = stem_v1(x, style, stem)
    x = residual_blocks(x, style, V1, additions(V1, _scales(residual_scaling)))
    return style.activate(x, name="stage5")


def inception_resnet_v2(
    x: Tensor,
    style: Style = SLIM_STYLE,
    *,
    form: Literal["released", "paper"] = "released",
    stem: Stem = "imagenet",
    residual_scaling: float | None = None,
) -> Tensor:
    """(N, 299, 299, 3) to (N, 8, 8, 1536), or (N, 8, 8, 2144) in the paper's form.

    Args:
        form: ``"released"`` or ``"paper"``, see the top of this file.
        stem: See `kerasnets.models.inception_v3.image_stem`, or that of `inception_v4` for the
            paper's form.
        residual_scaling: The factor s of all blocks, in (0, 1], where 1 is none; ``None`` for
            0.17, 0.10 and 0.20 in A, B and C. The released form's last block has none.
    """
    scales = _scales(residual_scaling)
    if form == "paper":
        x = inception_v4.image_stem(x, style, stem)  # (N, 35, 35, 384)
        x = residual_blocks(x, style, V2_FORMS[form], additions(V2_FORMS[form], scales))
    else:
        x = inception_v3.image_stem(x, style, stem)  # (N, 35, 35, 192)
        x = inception_5b(x, style, name="mixed5b")  # (N, 35, 35, 320)
        adds = additions(V2_FORMS[form], scales, last_scale=1.0)
        x = residual_blocks(x, style, V2_FORMS[form], adds)
        x = style.normalize(style.conv(x, 1536, 1, name="conv7b"), name="conv7b")
    return style.activate(x, name="stage5")


def _scales(residual_scaling: float | None) -> tuple[float, float, float]:
    if residual_scaling is None:
        return SCALES
    if not 0 < residual_scaling <= 1:
        raise UserError(f"residual_scaling must be in (0, 1]. Received: {residual_scaling}.")
    return residual_scaling, residual_scaling, residual_scaling


class Addition(NamedTuple):
    """How a block's residual comes to its input.

    Attributes:
        scale: The factor s.
        progress: The block's position over the number of blocks, in (0, 1].
    """

    scale: float
    progress: float


def additions(
    form: Form, scales: tuple[float, float, float], *, last_scale: float | None = None
) -> Iterator[Addition]:
    """One for each block, in order, from the scales of the blocks A, B and C."""
    factors = [
        scale for scale, count in zip(scales, form.repeats, strict=True) for _ in range(count)
    ]
    factors[-1] = last_scale or factors[-1]
    for number, scale in enumerate(factors, start=1):
        yield Addition(scale, number / len(factors))


def stem_v1(x: Tensor, style: Style, stem: Stem) -> Tensor:
    """Figure 14: Inception v3's stem with a convolution for its last pooling."""
    x = inception_v3.image_stem(x, style, stem, pool2=False)  # (N, 71, 71, 192)
    strides, padding = stem_windows(stem)
    return style.conv_norm_act(x, 256, 3, strides, padding=padding, name="stem_conv6")


def residual_blocks(x: Tensor, style: Style, form: Form, adds: Iterator[Addition]) -> Tensor:
    """Figure 15: from the stem to the last block, whose ReLU is left to the caller.

    Args:
        x: (N, 35, 35, C).
        style: The network's options.
        form: Widths and number of the blocks.
        adds: How each block's residual is added.
    """
    blocks_a, blocks_b, blocks_c = form.repeats
    for number in range(1, blocks_a + 1):
        x = block_a(x, style, form.block_a, next(adds), name=f"inception_a{number}")
        x = style.activate(x, name=f"inception_a{number}" if number < blocks_a else "stage3")
    x = inception_v4.reduction_a(x, style, form.reduction_a, name="reduction_a")  # 17x17
    for number in range(1, blocks_b + 1):
        x = block_b(x, style, form.block_b, next(adds), name=f"inception_b{number}")
        x = style.activate(x, name=f"inception_b{number}" if number < blocks_b else "stage4")
    x = reduction_b(x, style, form.reduction_b, name="reduction_b")  # 8x8
    for number in range(1, blocks_c):
        x = block_c(x, style, form.block_c, next(adds), name=f"inception_c{number}")
        x = style.activate(x, name=f"inception_c{number}")
    return block_c(x, style, form.block_c, next(adds), name=f"inception_c{blocks_c}")


def block_a(
    x: Tensor, style: Style, widths: tuple[int, int], add: Addition, *, name: str
) -> Tensor:
    """Figures 10 and 16, at 35x35."""
    conv1, conv2 = widths
    branches = [
        branch(x, style, (32, 1), name=f"{name}_branch1"),
        branch(x, style, (32, 1), (32, 3), name=f"{name}_branch2"),
        branch(x, style, (32, 1), (conv1, 3), (conv2, 3), name=f"{name}_branch3"),
    ]
    return residual(x, style, branches, add, name=name)


def block_b(
    x: Tensor, style: Style, widths: tuple[int, int, int, int], add: Addition, *, name: str
) -> Tensor:
    """Figures 11 and 17, at 17x17."""
    conv1, reduce, row, column = widths
    branches = [
        branch(x, style, (conv1, 1), name=f"{name}_branch1"),
        branch(x, style, (reduce, 1), (row, (1, 7)), (column, (7, 1)), name=f"{name}_branch2"),
    ]
    return residual(x, style, branches, add, name=name)


def block_c(
    x: Tensor, style: Style, widths: tuple[int, int], add: Addition, *, name: str
) -> Tensor:
    """Figures 13 and 19, at 8x8."""
    row, column = widths
    branches = [
        branch(x, style, (192, 1), name=f"{name}_branch1"),
        branch(x, style, (192, 1), (row, (1, 3)), (column, (3, 1)), name=f"{name}_branch2"),
    ]
    return residual(x, style, branches, add, name=name)


def residual(
    x: Tensor, style: Style, branches: list[Tensor], add: Addition, *, name: str
) -> Tensor:
    """Figure 20: x + scale * L(branches); the ReLU comes after it."""
    y = layers.InceptionConcat(name=name)(branches)
    y = style.conv(y, x.shape[-1], 1, use_bias=True, fixed_width=True, name=f"{name}_linear")
    y = style.drop_path(style.rematerialize(y, x), add.progress, name=name)
    return layers.ResidualAdd(add.scale, name=f"{name}_add")([x, y])


@rematerializable
def reduction_b(x: Tensor, style: Style, widths: tuple[int, int, int], *, name: str) -> Tensor:
    """Figures 12 and 18, from 17x17 to 8x8."""
    conv2, conv3, conv3_last = widths
    branches = [
        branch(x, style, (256, 1), (384, 3, 2, "valid"), name=f"{name}_branch1"),
        branch(x, style, (256, 1), (conv2, 3, 2, "valid"), name=f"{name}_branch2"),
        branch(x, style, (256, 1), (conv3, 3), (conv3_last, 3, 2, "valid"), name=f"{name}_branch3"),
        max_pool(x, 3, 2, name=f"{name}_pool"),
    ]
    return layers.InceptionConcat(name=name)(branches)


@rematerializable
def inception_5b(x: Tensor, style: Style, *, name: str) -> Tensor:
    """The released network's first block, of the kind of Inception v3's A."""
    branches = [
        branch(x, style, (96, 1), name=f"{name}_branch1"),
        branch(x, style, (48, 1), (64, 5), name=f"{name}_branch2"),
        branch(x, style, (64, 1), (96, 3), (96, 3), name=f"{name}_branch3"),
        average_pool_branch(x, style, 64, name=f"{name}_branch4"),
    ]
    return layers.InceptionConcat(name=name)(branches)


# Layers as timm calls them; those of the blocks follow a rule.
TIMM_STEM = {
    "stem_conv1": "conv2d_1a",
    "stem_conv2": "conv2d_2a",
    "stem_conv3": "conv2d_2b",
    "stem_conv4": "conv2d_3b",
    "stem_conv5": "conv2d_4a",
    "conv7b": "conv2d_7b",
}
TIMM_BLOCKS = {
    "mixed5b": "mixed_5b",
    "inception_a": "repeat",
    "reduction_a": "mixed_6a",
    "inception_b": "repeat_1",
    "reduction_b": "mixed_7a",
    "inception_c": "repeat_2",
}


def timm_names(layer: str) -> str:
    """The name that timm gives to a layer with weights of the released form."""
    if layer == "logits":
        return "classif"
    layer, kind = module_and_kind(layer)
    if layer in TIMM_STEM:
        return f"{TIMM_STEM[layer]}.{kind}"
    found = re.fullmatch(r"(mixed5b|\w+_[abc])(\d*)_(branch\w+|linear)", layer)
    if not found:
        return layer  # timm has no auxiliary classifier
    block, number, place = found.groups()
    module = TIMM_BLOCKS[block] + (f".{int(number) - 1}" if number else "")
    module = module.replace("repeat_2.9", "block8")
    if place == "linear":
        return f"{module}.conv2d"
    return f"{module}.{inception_v4.timm_branch(place)}.{kind}"


# Branches in the order of keras.applications, and how the names of their convolutions end.
KERAS_5B = {"1_conv": "", "2_conv": "1 2", "3_conv": "1 2 3", "4_conv": ""}
KERAS_A = {"1_conv": "", "2_conv": "1 2", "3_conv": "1 2 3"}
KERAS_B = {"1_conv": "", "2_conv": "1 2 3"}  # reduction A and blocks C too
KERAS_REDUCTION_B = {"1_conv": "1 2", "2_conv": "1 2", "3_conv": "1 2 3"}
KERAS = numbered_names(
    ("stem", inception_v3.KERAS_STEM),
    ("mixed5b_branch", KERAS_5B),
    *((f"inception_a{number}_branch", KERAS_A) for number in range(1, 11)),
    ("reduction_a_branch", KERAS_B),
    *((f"inception_b{number}_branch", KERAS_B) for number in range(1, 21)),
    ("reduction_b_branch", KERAS_REDUCTION_B),
    *((f"inception_c{number}_branch", KERAS_B) for number in range(1, 11)),
)


def keras_names(layer: str) -> str:
    """The name that keras.applications gives to a layer with weights of the released form."""
    ends = {"logits": "predictions", "conv7b": "conv_7b", "conv7b_bn": "conv_7b_bn"}
    if found := re.fullmatch(r"inception_([abc])(\d+)_linear", layer):
        block = {"a": "block35", "b": "block17", "c": "block8"}[found[1]]
        return f"{block}_{found[2]}_conv"
    return ends.get(layer) or KERAS.get(layer, layer)


FACTS = {
    "paper": inception_v4.PAPER,
    "head": inception_v4.head,
    # Forms differ in the stem, so that no one layer ends stage 2 in all.
    "stages": {
        "stage1": "stem_conv3_act",
        "stage3": "stage3_act",
        "stage4": "stage4_act",
        "stage5": "stage5_act",
    },
    "input_shape": (299, 299, 3),
    "classes": 1000,
    "preprocessing": Preprocessing(size=(299, 299), resize=342, mean=(0.5,) * 3, std=(0.5,) * 3),
    "recipe": "inception_v4_2016",
}

register(
    "inception_resnet_v1",
    description="residual Inception at the cost of v3, as published",
    backbone=inception_resnet_v1,
    trainable_params=22_756_328,
    non_trainable_params=27_040,
    multiply_adds=6_206_361_696,
    **FACTS,
)

register(
    "inception_resnet_v2",
    description="residual Inception at the cost of v4, as released",
    backbone=inception_resnet_v2,
    auxiliary_heads={"aux1": "stage4_act"},
    auxiliary_head=auxiliary_head,
    layouts={
        "timm": Layout(names=timm_names, first_layer="stem_conv1"),
        "keras": Layout(
            names=keras_names,
            framework="keras",
            options={"norm_momentum": 0.99},
            first_layer="stem_conv1",
        ),
    },
    trainable_params=55_843_464,
    non_trainable_params=60_544,
    multiply_adds=13_155_794_016,
    **FACTS,
)
