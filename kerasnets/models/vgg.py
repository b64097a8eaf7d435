"""VGG: 11 to 19 layers with weights, nearly all of them 3x3 convolutions.

Simonyan, Zisserman: "Very deep convolutional networks for large-scale image recognition", 2014,
arXiv 1409.1556.

Five blocks of 3x3 convolutions (padding 1, ReLU), each ended by 2x2 max pooling, and three dense
layers with dropout. The filters double from 64 to 512; what differs from column to column of
table 1 is how many convolutions a block has. `vgg11`, `vgg13`, `vgg16` and `vgg19` are columns A,
B, D and E; `vgg11_lrn` is A-LRN; `vgg16_c` is C, whose blocks 3 to 5 end in a 1x1 convolution.
The `_bn` networks have batch normalisation after each convolution, as torchvision publishes them.

Deviations: the first weights are Glorot's, which the authors found to make their pre-training of
the deeper networks unnecessary (section 3.1). Images are divided by their standard deviation after
the mean is subtracted, as the published weights expect. The `_bn` networks keep the biases of the
convolutions.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from kerasnets import layers
from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import NO_RESIDUALS, Style, Tensor, max_pool, rematerializable
from kerasnets.models.heads import dense_layers_head
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="Very deep convolutional networks for large-scale image recognition",
    authors="Simonyan, Zisserman",
    year=2014,
    url="https://arxiv.org/abs/1409.1556",
)


@dataclass(frozen=True)
class Conv1:
    """conv1-FILTERS of table 1: a 1x1 convolution."""

    filters: int


LRN = "LRN"  # local response normalisation

# Table 1, a column in a row: blocks 1 to 5; 64 is conv3-64, a 3x3 convolution with 64 filters.
TABLE_1 = {
    "A": ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    "A-LRN": ((64, LRN), (128,), (256, 256), (512, 512), (512, 512)),
    "B": ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
    "C": (
        (64, 64),
        (128, 128),
        (256, 256, Conv1(256)),
        (512, 512, Conv1(512)),
        (512, 512, Conv1(512)),
    ),
    "D": ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
    "E": (
        (64, 64),
        (128, 128),
        (256, 256, 256, 256),
        (512, 512, 512, 512),
        (512, 512, 512, 512),
    ),
}

STYLE = Style()
BN_STYLE = Style(normalization="batch")


def vgg(x: Tensor, style: Style = STYLE, *, column: str) -> Tensor:
    """(N, 224, 224, 3) to (N, 7, 7, 512).

    Args:
        column: A column of `TABLE_1`.
    """
    for number, rows in enumerate(TABLE_1[column], start=1):
        x = block(x, style, rows, name=f"block{number}")
    return x


def vgg_bn(x: Tensor, style: Style = BN_STYLE, *, column: str) -> Tensor:
    """The same with batch normalisation."""
    return vgg(x, style, column=column)


@rematerializable
def block(x: Tensor, style: Style, rows: tuple[int | Conv1 | str, ...], *, name: str) -> Tensor:
    """Convolutions and pooling; (N, H, W, C) to (N, H // 2, W // 2, filters)."""
    for number, row in enumerate(rows, start=1):
        if isinstance(row, str):
            # Section 2.1: its constants are those of AlexNet.
            x = layers.LocalResponseNormalization(name=f"{name}_norm")(x)
            continue
        filters, size = (row.filters, 1) if isinstance(row, Conv1) else (row, 3)
        x = style.conv_norm_act(
            x, filters, size, padding=size // 2, use_bias=True, name=f"{name}_conv{number}"
        )
    return max_pool(x, 2, 2, name=f"{name}_pool")


def torchvision_names(layer: str, *, column: str, batch_norm: bool) -> str | tuple[str, str]:
    """The name that torchvision gives to a layer with weights."""
    if layer.startswith("block"):
        return _feature(layer, column, batch_norm)
    return {"fc6": "classifier.0", "fc7": "classifier.3"}.get(layer, "classifier.6"), "dense"


def timm_names(layer: str, *, column: str, batch_norm: bool) -> str | tuple[str, str]:
    """The name that timm gives to a layer with weights."""
    if layer.startswith("block"):
        return _feature(layer, column, batch_norm)
    if layer in ("fc6", "fc7"):
        return {"fc6": "pre_logits.fc1", "fc7": "pre_logits.fc2"}[layer], "conv"
    return "head.fc", "dense"


def keras_names(layer: str) -> str | tuple[str, str]:
    """The name that keras.applications gives to a layer with weights."""
    if layer.startswith("block"):
        return layer
    return {"fc6": "fc1", "fc7": "fc2"}.get(layer, "predictions"), "dense"


def _feature(layer: str, column: str, batch_norm: bool) -> str:
    """``features.N``, where convolutions, batch norms, ReLUs and poolings all count."""
    name, place = layer.removesuffix("_bn").split("_conv")
    width = 3 if batch_norm else 2
    before = TABLE_1[column][: int(name.removeprefix("block")) - 1]
    index = sum(width * len(rows) + 1 for rows in before) + width * (int(place) - 1)
    return f"features.{index + layer.endswith('_bn')}"


def _register(
    name: str,
    column: str,
    counts: tuple[int, int, int],
    layouts: Mapping[str, Layout],
    description: str,
) -> None:
    trainable, statistics, multiply_adds = counts
    register(
        name,
        paper=PAPER,
        description=description,
        backbone=vgg_bn if statistics else vgg,
        head=dense_layers_head,
        head_layers=("fc6", "fc7", "logits"),
        variant={
            "column": column,
            "map_size": 7,
            "dropout_first": False,
            "bias_initializer": "zeros",
        },
        fixed={
            **NO_RESIDUALS,
            "stem": "its first convolution has stride 1, and it takes images of 32 pixels as it is",
        },
        stages={f"stage{number}": f"block{number}_pool" for number in range(1, 6)},
        layouts=layouts,
        input_shape=(224, 224, 3),
        classes=1000,
        trainable_params=trainable,
        non_trainable_params=statistics,
        multiply_adds=multiply_adds,
        preprocessing=Preprocessing(size=(224, 224), resize=256),
        recipe="vgg2014",
    )


# Column, trainable parameters, multiply-adds; with batch normalisation: trainable, statistics.
COUNTS = {
    11: ("A", 132_863_336, 7_609_090_048, 132_868_840, 5_504),
    13: ("B", 133_047_848, 11_308_466_176, 133_053_736, 5_888),
    16: ("D", 138_357_544, 15_470_264_320, 138_365_992, 8_448),
    19: ("E", 143_667_240, 19_632_062_464, 143_678_248, 11_008),
}

for depth, (column, plain, multiply_adds, trainable, statistics) in COUNTS.items():
    for name, counts in (
        (f"vgg{depth}", (plain, 0, multiply_adds)),
        (f"vgg{depth}_bn", (trainable, statistics, multiply_adds)),
    ):
        batch_norm = name.endswith("_bn")
        suffix = ", with batch normalisation" if batch_norm else ""
        layouts = {
            project: Layout(
                names=functools.partial(names, column=column, batch_norm=batch_norm),
                first_layer="block1_conv1",
            )
            for project, names in (("torchvision", torchvision_names), ("timm", timm_names))
        }
        if name in ("vgg16", "vgg19"):
            layouts["keras"] = Layout(
                names=keras_names, framework="keras", first_layer="block1_conv1"
            )
        _register(name, column, counts, layouts, f"{depth} layers, column {column}{suffix}")

_register(
    "vgg11_lrn",
    "A-LRN",
    (132_863_336, 0, 7_609_090_048),
    {},
    "11 layers, column A-LRN: response normalisation after the first",
)
_register(
    "vgg16_c",
    "C",
    (133_638_952, 0, 11_770_888_192),
    {},
    "16 layers, column C: three of them 1x1 convolutions",
)
