"""ResNet for CIFAR: residual networks of 20 to 1202 layers for images of 32x32 pixels.

He, Zhang, Ren, Sun: "Deep residual learning for image recognition", 2015, arXiv 1512.03385,
section 4.2.

A convolution with 16 filters, three stages of n blocks at 32, 16 and 8 pixels with 16, 32 and 64
filters, global average, dense: 6n + 2 layers with weights. A block is two 3x3 convolutions; the
first of stages 2 and 3 has stride 2. Shortcuts have no parameters (option A). The plain networks
have none.

Deviations: images are standardized by the mean and the deviation of each channel; the paper
subtracts the mean of each pixel (section 4.2). It does not say where option A's zero channels go;
the default is that of the published checkpoints, half before and half after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import FOR_SMALL_IMAGES, NO_RESIDUALS, Style, Tensor
from kerasnets.models.heads import average_pool_head
from kerasnets.models.resnet import (
    PAPER,
    STYLE,
    Unit,
    add_shortcut,
    basic,
    plain_block,
    torchvision_names,
    units,
)
from kerasnets.registry import Layout, register

# Section 4.2: output size 32, 16, 8; filters 16, 32, 64; blocks n, n, n.
STAGE_FILTERS = (16, 32, 64)

# Depth: trainable parameters, batch-norm statistics, multiply-adds; with option A, 10 classes.
COUNTS = {
    20: (269_722, 1_376, 40_551_040),
    32: (464_154, 2_272, 68_862_592),
    44: (658_586, 3_168, 97_174_144),
    56: (853_018, 4_064, 125_485_696),
    110: (1_727_962, 8_096, 252_887_680),
    1202: (19_421_274, 89_632, 2_829_238_912),
}
PLAIN_DEPTHS = (20, 32, 44, 56)


def resnet_cifar(
    x: Tensor,
    style: Style = STYLE,
    *,
    depth: int,
    shortcut: Literal["zero_pad", "projection"] = "zero_pad",
    zero_placement: Literal["split", "append"] = "split",
) -> Tensor:
    """(N, 32, 32, 3) to (N, 8, 8, 64).

    Args:
        depth: 6n + 2.
        shortcut: Where the shape changes: option A, ``"zero_pad"``, or option B, ``"projection"``.
        zero_placement: Where option A's zero channels go, see `kerasnets.layers.ResidualAdd`.
    """
    x = style.conv_norm_act(x, 16, 3, padding=1, name="stem_conv")
    for unit in units_of(depth):
        residual = style.rematerialize(basic(x, style, unit), x)
        residual = style.drop_path(residual, unit.progress, name=unit.name)
        x = add_shortcut(x, style, residual, unit, shortcut, zero_placement=zero_placement)
        x = style.activate(x, name=unit.name)
    return x


def plain_cifar(x: Tensor, style: Style = STYLE, *, depth: int) -> Tensor:
    """The convolutions of `resnet_cifar` without shortcuts."""
    x = style.conv_norm_act(x, 16, 3, padding=1, name="stem_conv")
    for unit in units_of(depth):
        x = plain_block(x, style, unit)
    return x


def units_of(depth: int) -> list[Unit]:
    """The blocks of a network of `depth` = 6n + 2 layers."""
    return units(STAGE_FILTERS, [(depth - 2) // 6] * 3)


def pytorch_names(layer: str) -> str:
    """The name that akamaster/pytorch_resnet_cifar10 gives to a layer with weights."""
    if layer == "logits":
        return "linear"
    return torchvision_names(layer).replace("downsample", "shortcut")


def register_cifar(
    name: str,
    counts: Sequence[int],
    *,
    fixed: Mapping[str, str] | None = None,
    **facts,
) -> None:
    """Registers a residual network for CIFAR-10 with the facts that all of them have."""
    trainable, statistics, multiply_adds = counts
    register(
        name,
        head=average_pool_head,
        fixed={**FOR_SMALL_IMAGES, **(fixed or {})},
        input_shape=(32, 32, 3),
        classes=10,
        trainable_params=trainable,
        non_trainable_params=statistics,
        multiply_adds=multiply_adds,
        preprocessing=Preprocessing(size=(32, 32)),
        **facts,
    )


for depth, counts in COUNTS.items():
    register_cifar(
        f"resnet{depth}_cifar",
        counts,
        paper=PAPER,
        description=f"{depth} layers for 32x32 images, option-A shortcuts",
        backbone=resnet_cifar,
        variant={"depth": depth},
        stages={
            f"stage{stage}": f"stage{stage}_block{(depth - 2) // 6}_act" for stage in (1, 2, 3)
        },
        layouts={"akamaster": Layout(names=pytorch_names)},
        # Section 4.2: the deepest start at a tenth of the rate.
        recipe="resnet110_cifar" if depth >= 110 else "resnet_cifar",
    )

for depth in PLAIN_DEPTHS:
    register_cifar(
        f"plain{depth}_cifar",
        COUNTS[depth],
        paper=PAPER,
        description=f"{depth} layers for 32x32 images, no shortcuts",
        backbone=plain_cifar,
        variant={"depth": depth},
        fixed=NO_RESIDUALS,
        stages={
            f"stage{stage}": f"stage{stage}_block{(depth - 2) // 6}_conv2_act"
            for stage in (1, 2, 3)
        },
        recipe="resnet_cifar",
    )
