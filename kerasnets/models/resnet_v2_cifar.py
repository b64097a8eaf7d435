"""ResNet v2 for CIFAR: pre-activation networks of 110 to 1001 layers for images of 32x32 pixels.

He, Zhang, Ren, Sun: "Identity mappings in deep residual networks", 2016, arXiv 1603.05027,
table 2.

A convolution with 16 filters, three stages of n units at 32, 16 and 8 pixels, batch norm and ReLU,
global average, dense. Units are two 3x3 convolutions with 16, 32 and 64 filters (6n + 2 layers), or
bottlenecks of the same widths with four times as many outputs (9n + 2 layers), whose stride is that
of the first 1x1 convolution, as in the authors' code. A unit's shortcut is parameter-free (option
A) in the former, and a 1x1 convolution where the shape changes in the latter.

Deviations: none known. The paper does not say where option A's zero channels go; the default is
half before and half after. They are added to the signal as it is, not to its pre-activation.
"""

from __future__ import annotations

import functools
from typing import Literal

from kerasnets.models.blocks import Style, Tensor
from kerasnets.models.resnet import STYLE, units
from kerasnets.models.resnet_cifar import STAGE_FILTERS, register_cifar
from kerasnets.models.resnet_v2 import PAPER, basic, bottleneck, residual_unit

# Depth: block, trainable parameters, batch-norm statistics, multiply-adds; 10 classes.
COUNTS = {
    110: ("basic", 1_727_962, 8_096, 252_887_680),
    164: ("bottleneck", 1_703_258, 24_224, 244_500_992),
    1001: ("bottleneck", 10_327_706, 149_216, 1_487_849_984),
}


def resnet_v2_cifar(
    x: Tensor,
    style: Style = STYLE,
    *,
    depth: int,
    block: Literal["basic", "bottleneck"],
    shortcut: Literal["zero_pad", "projection"] = "zero_pad",
    zero_placement: Literal["split", "append"] = "split",
) -> Tensor:
    """(N, 32, 32, 3) to (N, 8, 8, 64), or to (N, 8, 8, 256) with bottlenecks.

    Args:
        depth: 6n + 2, or 9n + 2 with bottlenecks.
        block: Two 3x3 convolutions, or 1x1, 3x3 and 1x1.
        shortcut: Where the shape changes: option A, ``"zero_pad"``, or a 1x1 convolution.
        zero_placement: Where option A's zero channels go, see `kerasnets.layers.ResidualAdd`.
    """
    convolutions, layers_per_unit, expansion = {
        "basic": (basic, 2, 1),
        "bottleneck": (functools.partial(bottleneck, strided="1x1"), 3, 4),
    }[block]
    blocks = [(depth - 2) // (3 * layers_per_unit)] * 3
    x = style.conv_norm_act(x, 16, 3, padding=1, name="stem_conv")
    for number, unit in enumerate(units(STAGE_FILTERS, blocks, expansion=expansion)):
        x = residual_unit(
            x,
            style,
            unit,
            convolutions,
            activated=number == 0,
            shortcut=shortcut,
            zero_placement=zero_placement,
        )
    return style.norm_act(x, name="final")


for depth, (block, *counts) in COUNTS.items():
    blocks = (depth - 2) // (6 if block == "basic" else 9)
    register_cifar(
        f"resnet{depth}_v2_cifar",
        counts,
        paper=PAPER,
        description=f"{depth} layers for 32x32 images, pre-activation, {block} blocks",
        backbone=resnet_v2_cifar,
        variant={"depth": depth, "block": block}
        | ({} if block == "basic" else {"shortcut": "projection", "zero_placement": "split"}),
        stages={
            "stage1": f"stage1_block{blocks}_add",
            "stage2": f"stage2_block{blocks}_add",
            "stage3": "final_act",
        },
        recipe="resnet110_cifar",
    )
