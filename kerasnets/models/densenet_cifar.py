"""DenseNet for CIFAR: densely connected networks for images of 32x32 pixels.

Huang, Liu, van der Maaten, Weinberger: "Densely connected convolutional networks", 2016,
arXiv 1608.06993, sections 3 and 4.2.

A 3x3 convolution, three dense blocks of n layers at 32, 16 and 8 pixels with a transition between
them, batch norm, ReLU, global average, dense. A layer of the basic networks is one 3x3 convolution,
and transitions keep all maps: 3n + 4 layers with weights. A layer of the BC networks has a 1x1
convolution in front, and transitions keep half of the maps: 6n + 4 layers.

Deviations: initial weights as in `kerasnets.models.densenet`. The paper starts the basic networks
with 16 maps, the BC networks with 2k; the authors' released code starts all of them with 2k
(``initial_filters=2 * k``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import FOR_SMALL_IMAGES, NO_RESIDUALS, Style, Tensor
from kerasnets.models.densenet import PAPER, STYLE, Growth, check, dense_stages
from kerasnets.models.heads import average_pool_head
from kerasnets.models.naming import module_and_kind, parts_of
from kerasnets.registry import Layout, register


class Row(NamedTuple):
    """A network of table 2, and its counts for 10 classes."""

    depth: int
    growth_rate: int
    bottleneck: bool
    trainable_params: int
    non_trainable_params: int
    multiply_adds: int


TABLE_2 = {
    "densenet40_k12_cifar": Row(40, 12, False, 1_019_722, 18_096, 264_812_928),
    "densenet100_k12_cifar": Row(100, 12, False, 6_979_642, 117_216, 1_769_516_448),
    "densenet100_k24_cifar": Row(100, 24, False, 27_249_082, 231_264, 6_889_347_744),
    "densenet_bc100_k12_cifar": Row(100, 12, True, 769_162, 23_988, 287_929_692),
    "densenet_bc250_k24_cifar": Row(250, 24, True, 15_324_406, 257_976, 5_418_785_724),
    "densenet_bc190_k40_cifar": Row(190, 40, True, 25_624_430, 256_960, 9_301_945_740),
}


def densenet_cifar(
    x: Tensor,
    style: Style = STYLE,
    *,
    depth: int,
    growth_rate: int,
    bottleneck: bool,
    initial_filters: int | None = None,
    compression: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """(N, 32, 32, 3) to (N, 8, 8, 448), for 40 layers and growth rate 12.

    Args:
        depth: 3n + 4, or 6n + 4 with bottlenecks.
        growth_rate: k, the maps that a layer adds.
        bottleneck: Whether a 1x1 convolution stands in front of each 3x3 one.
        initial_filters: Filters of the first convolution; ``None``: 16, or 2k with bottlenecks.
        compression: Fraction of its maps that a transition keeps, in (0, 1]; ``None``: all, or half
            with bottlenecks.
        dropout: Fraction of the values that is dropped behind each convolution but the first, in
            [0, 1). The paper has 0.2 where images are not augmented.
    """
    filters = initial_filters
    if filters is None:
        filters = 2 * growth_rate if bottleneck else 16
    if compression is None:
        compression = 0.5 if bottleneck else 1.0
    growth = Growth(growth_rate, bottleneck, compression, dropout)
    check(growth, filters)
    x = style.conv(x, filters, 3, padding=1, name="stem_conv")
    count = (depth - 4) // (6 if bottleneck else 3)
    return dense_stages(x, style, filters, (count, count, count), growth)


def pytorchcv_names(layer: str) -> str:
    """The name that pytorchcv gives to a layer with weights."""
    layer, kind = module_and_kind(layer)
    ends = {"stem_conv": "features.init_block", "final": "features.post_activ.bn"}
    if layer in ends or layer == "logits":
        return ends.get(layer, "output")
    if found := re.fullmatch(r"stage(\d)_transition_conv", layer):
        stage = int(found[1]) + 1  # a transition begins a stage
        return f"features.stage{stage}.trans{stage}.conv.{kind}"
    stage, unit, number = parts_of(layer, r"stage(\d)_layer(\d+)_conv(\d)")
    return f"features.stage{stage}.unit{unit}.conv{number}.{kind}"


def pytorchcv(row: Row) -> Layout:
    """Its networks without bottlenecks compress too, and begin with 2k maps."""
    if row.bottleneck:
        return Layout(names=pytorchcv_names)
    return Layout(
        names=lambda layer: pytorchcv_names(layer).replace(".conv1.", ".conv."),
        options={"compression": 0.5, "initial_filters": 2 * row.growth_rate},
    )


for name, row in TABLE_2.items():
    count = (row.depth - 4) // (6 if row.bottleneck else 3)
    register(
        name,
        paper=PAPER,
        description=f"{row.depth} layers, growth rate {row.growth_rate}"
        + (", bottlenecks and compression" if row.bottleneck else ""),
        backbone=densenet_cifar,
        head=average_pool_head,
        variant={
            "depth": row.depth,
            "growth_rate": row.growth_rate,
            "bottleneck": row.bottleneck,
        },
        fixed={**NO_RESIDUALS, **FOR_SMALL_IMAGES},
        stages={
            "stage1": f"stage1_layer{count}_concat",
            "stage2": f"stage2_layer{count}_concat",
            "stage3": "final_act",
        },
        layouts={"pytorchcv": pytorchcv(row)},
        input_shape=(32, 32, 3),
        classes=10,
        trainable_params=row.trainable_params,
        non_trainable_params=row.non_trainable_params,
        multiply_adds=row.multiply_adds,
        preprocessing=Preprocessing(size=(32, 32)),
        recipe="densenet_cifar",
    )
