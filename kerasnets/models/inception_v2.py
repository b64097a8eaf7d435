"""Inception-BN, also called Inception v2: GoogLeNet with batch normalisation.

Ioffe, Szegedy: "Batch normalization: accelerating deep network training by reducing internal
covariate shift", 2015, arXiv 1502.03167, section 4.2 and figure 5. (In arXiv 1512.00567 the name
Inception-v2 means another network.)

Ten Inception blocks for images of 224x224 pixels. Against GoogLeNet, the 5x5 convolutions have
become two of 3x3; 3c and 4e halve the map themselves, with strides in their last convolutions and
beside them a max pooling that is passed on as it is; the other blocks pool by averages, except 5b.

Deviations: figure 5 prints 128 projected maps in 4c and 4d too, with which its own outputs of 576
maps would be 608; here they are 96, as in TF-Slim's release. The first convolution is followed by
batch normalisation, as all others are; in the released network it has a bias instead
(``stem="separable_bias"``). Strided convolutions are padded alike on both sides, not as TensorFlow
pads them. The paper gives no initial weights; these are TF-Slim's for the Inception networks, but
for its deviations of single layers of this one.
"""

from __future__ import annotations

from typing import Literal

from kerasnets import layers
from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import NO_RESIDUALS, Style, Tensor, max_pool, rematerializable
from kerasnets.models.heads import average_pool_head
from kerasnets.models.inception_branches import SLIM_STYLE, average_pool_branch, branch
from kerasnets.registry import Paper, register

PAPER = Paper(
    title="Batch normalization: accelerating deep network training by reducing internal "
    "covariate shift",
    authors="Ioffe, Szegedy",
    year=2015,
    url="https://arxiv.org/abs/1502.03167",
)

# Figure 5: #1x1, #3x3 reduce, #3x3, double #3x3 reduce, double #3x3, pool, pool proj (of 4c and 4d:
# see the deviations).
FIGURE_5 = {
    "3a": (64, 64, 64, 64, 96, "avg", 32),
    "3b": (64, 64, 96, 64, 96, "avg", 64),
    "3c": (None, 128, 160, 64, 96, "max", None),
    "4a": (224, 64, 96, 96, 128, "avg", 128),
    "4b": (192, 96, 128, 96, 128, "avg", 128),
    "4c": (160, 128, 160, 128, 160, "avg", 96),
    "4d": (96, 128, 192, 160, 192, "avg", 96),
    "4e": (None, 128, 192, 192, 256, "max", None),
    "5a": (352, 192, 320, 160, 224, "avg", 128),
    "5b": (352, 192, 320, 192, 224, "max", 128),
}


def inception_v2(
    x: Tensor,
    style: Style = SLIM_STYLE,
    *,
    stem: Literal["separable", "separable_bias", "plain", "small"] = "separable",
) -> Tensor:
    """(N, 224, 224, 3) to (N, 7, 7, 1024).

    Args:
        stem: The first convolution, 7x7 at stride 2. ``"separable"``: each colour to 8 maps of its
            own, and 1x1 over them. ``"separable_bias"``: the same with a bias in place of the batch
            normalisation, as it was released. ``"plain"``: over all colours at once. ``"small"``:
            3x3 at stride 1, and nothing is pooled before block 3c, for images of some 32 pixels.
    """
    if stem == "small":
        x = style.conv_norm_act(x, 64, 3, padding=1, name="conv1")
    elif stem == "plain":
        x = style.conv_norm_act(x, 64, 7, 2, padding=3, name="conv1")
    else:
        x = separable_conv1(x, style, norm=stem == "separable")
    # (N, 112, 112, 64). All strided windows round an odd size up, so that blocks 3c and 4e fit.
    if stem != "small":
        x = max_pool(x, 3, 2, padding="same", name="pool1")  # (N, 56, 56, 64)
    x = style.conv_norm_act(x, 64, 1, name="conv2_reduce")
    x = style.conv_norm_act(x, 192, 3, padding=1, name="conv2")
    if stem != "small":
        x = max_pool(x, 3, 2, padding="same", name="pool2")  # (N, 28, 28, 192)
    for place, row in FIGURE_5.items():
        x = inception(x, style, *row, name=f"inception{place}")
    return x


def separable_conv1(x: Tensor, style: Style, *, norm: bool) -> Tensor:
    """7x7 at stride 2 on each channel by itself, 8 filters each; 1x1 to 64."""
    x = style.depthwise_conv(
        x, 7, 2, padding=3, multiplier=8, use_bias=False, name="conv1_depthwise"
    )  # (N, 112, 112, 24)
    if norm:
        return style.conv_norm_act(x, 64, 1, name="conv1")
    return style.activate(style.conv(x, 64, 1, use_bias=True, name="conv1"), name="conv1")


@rematerializable
def inception(
    x: Tensor,
    style: Style,
    conv1x1: int | None,
    conv3x3_reduce: int,
    conv3x3: int,
    double3x3_reduce: int,
    double3x3: int,
    pool: Literal["avg", "max"],
    pool_proj: int | None,
    *,
    name: str,
) -> Tensor:
    """A row of figure 5; without a 1x1 convolution and a projection it halves height and width."""
    last = (1, 1) if conv1x1 else (2, 1)  # strides, padding
    branches = [
        branch(x, style, (conv3x3_reduce, 1), (conv3x3, 3, *last), name=f"{name}_3x3"),
        branch(
            x,
            style,
            (double3x3_reduce, 1),
            (double3x3, 3),
            (double3x3, 3, *last),
            name=f"{name}_double3x3",
        ),
    ]
    if conv1x1:
        branches.insert(0, branch(x, style, (conv1x1, 1), name=f"{name}_1x1"))
    if pool_proj is None:
        branches.append(max_pool(x, 3, 2, padding="same", name=f"{name}_pool"))
    elif pool == "avg":
        branches.append(average_pool_branch(x, style, pool_proj, name=f"{name}_pool_proj"))
    else:
        pooled = max_pool(x, 3, 1, padding="same", name=f"{name}_pool")
        branches.append(branch(pooled, style, (pool_proj, 1), name=f"{name}_pool_proj"))
    return layers.InceptionConcat(name=name)(branches)


register(
    "inception_v2",
    paper=PAPER,
    description="GoogLeNet with batch normalisation, separable first convolution",
    backbone=inception_v2,
    head=average_pool_head,
    fixed=NO_RESIDUALS,
    stages={
        "stage1": "conv1_act",
        "stage2": "conv2_act",
        "stage3": "inception3b",
        "stage4": "inception4d",
        "stage5": "inception5b",
    },
    aliases=("inception_bn",),
    input_shape=(224, 224, 3),
    classes=1000,
    trainable_params=11_188_288,
    non_trainable_params=19_904,
    multiply_adds=1_934_857_216,
    preprocessing=Preprocessing(size=(224, 224), resize=256, mean=(0.5,) * 3, std=(0.5,) * 3),
    recipe="inception_bn2015",
)
