"""ResNet v2: residual networks whose shortcuts carry the signal unchanged.

He, Zhang, Ren, Sun: "Identity mappings in deep residual networks", 2016, arXiv 1603.05027.

The networks of `kerasnets.models.resnet`, with batch norm and ReLU in front of each convolution
(pre-activation) instead of behind it, and nothing after the addition. Where the shape changes, one
pre-activation serves both the convolutions and the shortcut, a bare 1x1 convolution. The stem's
batch norm and ReLU serve the first block, and one more pair ends the network (appendix of the
paper). A bottleneck's stride is that of its 3x3 convolution.

``form="keras"`` is the network that keras.applications publishes, after TF-Slim: the stride is that
of the *last* block of stages 1 to 3, whose shortcut is every second pixel; the stem is a
convolution alone; the stem, the projections and the last convolution of a block have biases.
``form="timm"`` is timm's: it pools in front of the first batch norm.

Deviations: none known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from kerasnets import layers
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing
from kerasnets.lazy import keras
from kerasnets.models.blocks import Stem, Style, Tensor, max_pool
from kerasnets.models.heads import average_pool_head
from kerasnets.models.naming import parts_of
from kerasnets.models.resnet import BLOCKS as V1_BLOCKS
from kerasnets.models.resnet import (
    STAGE_FILTERS,
    STYLE,
    Unit,
    add_shortcut,
    image_stem,
    keras_names,
    units,
)
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="Identity mappings in deep residual networks",
    authors="He, Zhang, Ren, Sun",
    year=2016,
    url="https://arxiv.org/abs/1603.05027",
)

# Blocks at 56, 28, 14 and 7 pixels: those of v1, and 16 more at 28 pixels than 152 layers have.
BLOCKS = {**V1_BLOCKS, 200: (3, 24, 36, 3)}

# Depth: trainable parameters, batch-norm statistics, multiply-adds.
COUNTS = {
    18: (11_687_720, 7_808, 1_814_073_344),
    34: (21_795_880, 15_232, 3_663_761_408),
    50: (25_549_352, 45_440, 4_089_184_256),
    101: (44_541_480, 97_664, 7_801_405_440),
    152: (60_185_128, 143_744, 11_513_626_624),
    200: (64_666_152, 168_320, 15_007_481_856),
}


def resnet_v2(
    x: Tensor,
    style: Style = STYLE,
    *,
    depth: int,
    form: Literal["paper", "keras", "timm"] = "paper",
    stem: Stem = "imagenet",
) -> Tensor:
    """(N, 224, 224, 3) to (N, 7, 7, 512), or to (N, 7, 7, 2048) from 50 layers on.

    Args:
        depth: A row of `BLOCKS`.
        form: The paper's network, or that of keras.applications (from 50 layers on) or timm.
        stem: ``"small"`` is one 3x3 convolution without pooling, for images of some 32 pixels.
    """
    if form == "keras":
        return keras_form(x, style, depth, stem)
    x = image_stem(x, style, stem) if form == "paper" else timm_stem(x, style, stem)
    convolutions, expansion = (bottleneck, 4) if depth >= 50 else (basic, 1)
    for number, unit in enumerate(units(STAGE_FILTERS, BLOCKS[depth], expansion=expansion)):
        x = residual_unit(x, style, unit, convolutions, activated=number == 0 and form == "paper")
    return style.norm_act(x, name="final")


def timm_stem(x: Tensor, style: Style, stem: Stem) -> Tensor:
    """A convolution and pooling, without batch norm and ReLU."""
    if stem == "small":
        return style.conv(x, 64, 3, padding=1, name="stem_conv")
    x = style.conv(x, 64, 7, 2, padding=3, name="stem_conv")
    return max_pool(x, 3, 2, padding=1, name="stem_pool")


def residual_unit(
    x: Tensor,
    style: Style,
    unit: Unit,
    convolutions: Callable,
    *,
    activated: bool,
    shortcut: Literal["projection", "zero_pad"] = "projection",
    zero_placement: Literal["split", "append"] = "split",
) -> Tensor:
    """Figure 4 (e): nothing but the addition stands on the way from unit to unit.

    Args:
        x: Input of the unit.
        style: The network's options.
        unit: The unit.
        convolutions: `basic` or `bottleneck`.
        activated: Whether `x` is activated already, as the stem's output is.
        shortcut: Where the shape changes.
        zero_placement: Where option A's zeros go: see `kerasnets.layers.ResidualAdd`.
    """
    preactivated = x if activated else style.norm_act(x, name=f"{unit.name}_preact")
    residual = style.rematerialize(convolutions(preactivated, style, unit), x)
    residual = style.drop_path(residual, unit.progress, name=unit.name)
    if shortcut == "zero_pad":
        return add_shortcut(x, style, residual, unit, "zero_pad", zero_placement=zero_placement)
    if unit.strides > 1 or x.shape[-1] != residual.shape[-1]:
        x = style.conv(preactivated, unit.outputs, 1, unit.strides, name=f"{unit.name}_shortcut")
    return layers.ResidualAdd(name=f"{unit.name}_add")([x, residual])


def basic(x: Tensor, style: Style, unit: Unit) -> Tensor:
    """Two 3x3 convolutions, of an activated input."""
    filters, strides, name = unit.filters, unit.strides, unit.name
    x = style.conv_norm_act(x, filters, 3, strides, padding=1, name=f"{name}_conv1")
    return style.conv(x, filters, 3, padding=1, name=f"{name}_conv2")


def bottleneck(
    x: Tensor,
    style: Style,
    unit: Unit,
    *,
    strided: Literal["1x1", "3x3"] = "3x3",
    last_bias: bool | None = None,
) -> Tensor:
    """A 1x1, a 3x3 and a 1x1 convolution, of an activated input."""
    filters, name = unit.filters, unit.name
    first, second = (unit.strides, 1) if strided == "1x1" else (1, unit.strides)
    x = style.conv_norm_act(x, filters, 1, first, name=f"{name}_conv1")
    x = style.conv_norm_act(x, filters, 3, second, padding=1, name=f"{name}_conv2")
    return style.conv(x, unit.outputs, 1, use_bias=last_bias, name=f"{name}_conv3")


def keras_form(x: Tensor, style: Style, depth: int, stem: Stem) -> Tensor:
    """The network of keras.applications, layer for layer."""
    if depth < 50:
        raise UserError(
            "form='keras' has bottlenecks, which are of the networks from 50 layers on."
        )
    if stem == "small":
        x = style.conv(x, 64, 3, padding=1, use_bias=True, name="stem_conv")
    else:
        x = style.conv(x, 64, 7, 2, padding=3, use_bias=True, name="stem_conv")
        # Padded with zeros: no ReLU has been here, so a zero may be the maximum.
        x = keras.layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        x = max_pool(x, 3, 2, name="stem_pool")
    places = units(STAGE_FILTERS, BLOCKS[depth], expansion=4)
    # Each stride moves to the block before.
    strides = [unit.strides for unit in places[1:]] + [1]
    for unit, stride in zip(places, strides, strict=True):
        x = keras_unit(x, style, unit._replace(strides=stride))
    return style.norm_act(x, name="final")


def keras_unit(x: Tensor, style: Style, unit: Unit) -> Tensor:
    """A unit that keeps every `strides`-th pixel of its input, or projects it."""
    preactivated = style.norm_act(x, name=f"{unit.name}_preact")
    residual = style.rematerialize(bottleneck(preactivated, style, unit, last_bias=True), x)
    residual = style.drop_path(residual, unit.progress, name=unit.name)
    shortcut = f"{unit.name}_shortcut"
    if x.shape[-1] != residual.shape[-1]:
        x = style.conv(preactivated, unit.outputs, 1, use_bias=True, name=shortcut)
    elif unit.strides > 1:
        x = max_pool(x, 1, unit.strides, name=shortcut)
    return layers.ResidualAdd(name=f"{unit.name}_add")([x, residual])


def timm_names(layer: str) -> str | tuple[str, str]:
    """The name that timm gives to a layer with weights of its form."""
    if layer == "logits":
        return "head.fc", "conv"
    ends = {"stem_conv": "stem.conv", "final_bn": "norm"}
    if layer in ends or layer == "stem_conv_bn":
        return ends.get(layer, layer)  # timm's stem has no batch norm
    stage, block, place = parts_of(layer, r"stage(\d)_block(\d+)_(\w+)")
    places = {"shortcut": "downsample.conv", "preact_bn": "norm1"}
    places |= {"conv1_bn": "norm2", "conv2_bn": "norm3"}
    return f"stages.{int(stage) - 1}.blocks.{int(block) - 1}.{places.get(place, place)}"


KERAS = Layout(
    names=keras_names,
    framework="keras",
    options={"form": "keras", "norm_epsilon": 1.001e-5, "norm_momentum": 0.99},
)
TIMM = Layout(names=timm_names, options={"form": "timm"})

for depth, (trainable, statistics, multiply_adds) in COUNTS.items():
    register(
        f"resnet{depth}_v2",
        paper=PAPER,
        description=f"{depth} layers, pre-activation",
        backbone=resnet_v2,
        head=average_pool_head,
        variant={"depth": depth},
        stages={
            f"stage{stage}": f"stage{stage}_block{blocks}_add"
            for stage, blocks in enumerate(BLOCKS[depth][:3], start=1)
        }
        | {"stage4": "final_act"},
        layouts={"timm": TIMM} | ({"keras": KERAS} if depth in (50, 101, 152) else {}),
        input_shape=(224, 224, 3),
        classes=1000,
        trainable_params=trainable,
        non_trainable_params=statistics,
        multiply_adds=multiply_adds,
        preprocessing=Preprocessing(size=(224, 224), resize=256),
        recipe="resnet_v2_2016",
    )
