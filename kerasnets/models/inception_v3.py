"""Inception v3: factorised convolutions.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: "Rethinking the Inception architecture for computer
vision", 2015, arXiv 1512.00567.

For images of 299x299 pixels. Blocks A at 35x35 have two 3x3 convolutions for a 5x5 (figure 5);
blocks C at 17x17 have 1x7 and 7x1 for 7x7 (figure 6); blocks E at 8x8 spread into 1x3 and 3x1 side
by side (figure 7). B and D halve the map by strides and pooling in parallel (figure 10). An
auxiliary classifier on the 17x17 map regularises training (``auxiliary_heads=True``).

Deviations: this is the network that was released and that TF-Slim, torchvision, Keras and timm
agree on; the paper's table 1 differs in the stem and keeps no 5x5 convolution. The moving averages
of batch normalisation have a decay of 0.9, torchvision's, for which short trainings suffice.
"""

from __future__ import annotations

import re

from kerasnets import layers
from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import (
    NO_RESIDUALS,
    Stem,
    Style,
    Tensor,
    max_pool,
    rematerializable,
    truncated_normal,
)
from kerasnets.models.heads import average_pool_head, classifier_style
from kerasnets.models.inception_branches import (
    AveragePool,
    auxiliary_head,
    average_pool_branch,
    branch,
    fork,
    stem_windows,
)
from kerasnets.models.naming import module_and_kind, numbered_names
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="Rethinking the Inception architecture for computer vision",
    authors="Szegedy, Vanhoucke, Ioffe, Shlens, Wojna",
    year=2015,
    url="https://arxiv.org/abs/1512.00567",
)

# Of the training code released with the network; TF-Slim's later one draws as for Inception v4.
STYLE = Style(normalization="batch", norm_epsilon=1e-3, kernel_initializer=truncated_normal(0.1))


def inception_v3(
    x: Tensor,
    style: Style = STYLE,
    *,
    stem: Stem = "imagenet",
    average_pool: AveragePool = "exclude_pad",
) -> Tensor:
    """(N, 299, 299, 3) to (N, 8, 8, 2048).

    Args:
        stem: See `image_stem`.
        average_pool: Whether average pooling counts the zeros around the map. The network was
            trained with ``"exclude_pad"``, and Keras' form has it; the modules of torchvision and
            timm count them, ``"include_pad"``: their results need it.
    """
    x = image_stem(x, style, stem)
    x = inception_a(x, style, 32, average_pool, name="mixed5b")  # (N, 35, 35, 256)
    x = inception_a(x, style, 64, average_pool, name="mixed5c")  # (N, 35, 35, 288)
    x = inception_a(x, style, 64, average_pool, name="mixed5d")
    x = inception_b(x, style, name="mixed6a")  # (N, 17, 17, 768)
    x = inception_c(x, style, 128, average_pool, name="mixed6b")
    x = inception_c(x, style, 160, average_pool, name="mixed6c")
    x = inception_c(x, style, 160, average_pool, name="mixed6d")
    x = inception_c(x, style, 192, average_pool, name="mixed6e")
    x = inception_d(x, style, name="mixed7a")  # (N, 8, 8, 1280)
    x = inception_e(x, style, average_pool, name="mixed7b")  # (N, 8, 8, 2048)
    return inception_e(x, style, average_pool, name="mixed7c")


def image_stem(x: Tensor, style: Style, stem: Stem, *, pool2: bool = True) -> Tensor:
    """(N, 299, 299, 3) to (N, 35, 35, 192).

    Args:
        x: The images.
        style: The network's options.
        stem: ``"small"`` keeps their size, (N, H, W, 192): strides are 1, convolutions are padded,
            and nothing is pooled.
        pool2: Whether pooling ends the stem; Inception-ResNet v1 has a convolution there.
    """
    strides, pad = stem_windows(stem)
    x = style.conv_norm_act(x, 32, 3, strides, padding=pad, name="stem_conv1")  # (N, 149, 149, 32)
    x = style.conv_norm_act(x, 32, 3, padding=pad, name="stem_conv2")  # (N, 147, 147, 32)
    x = style.conv_norm_act(x, 64, 3, padding=1, name="stem_conv3")
    if stem != "small":
        x = max_pool(x, 3, 2, name="stem_pool1")  # (N, 73, 73, 64)
    x = style.conv_norm_act(x, 80, 1, name="stem_conv4")
    x = style.conv_norm_act(x, 192, 3, padding=pad, name="stem_conv5")  # (N, 71, 71, 192)
    return max_pool(x, 3, 2, name="stem_pool2") if pool2 and stem != "small" else x


@rematerializable
def inception_a(
    x: Tensor, style: Style, pool_proj: int, average_pool: AveragePool, *, name: str
) -> Tensor:
    """Figure 5, at 35x35."""
    branches = [
        branch(x, style, (64, 1), name=f"{name}_branch1x1"),
        branch(x, style, (48, 1), (64, 5), name=f"{name}_branch5x5"),
        branch(x, style, (64, 1), (96, 3), (96, 3), name=f"{name}_branch3x3dbl"),
        average_pool_branch(x, style, pool_proj, average_pool, name=f"{name}_branch_pool"),
    ]
    return layers.InceptionConcat(name=name)(branches)


@rematerializable
def inception_b(x: Tensor, style: Style, *, name: str) -> Tensor:
    """Figure 10, from 35x35 to 17x17."""
    branches = [
        branch(x, style, (384, 3, 2, "valid"), name=f"{name}_branch3x3"),
        branch(x, style, (64, 1), (96, 3), (96, 3, 2, "valid"), name=f"{name}_branch3x3dbl"),
        max_pool(x, 3, 2, name=f"{name}_branch_pool"),
    ]
    return layers.InceptionConcat(name=name)(branches)


@rematerializable
def inception_c(
    x: Tensor, style: Style, reduce: int, average_pool: AveragePool, *, name: str
) -> Tensor:
    """Figure 6 with n = 7, at 17x17."""
    r, rows, columns = reduce, (1, 7), (7, 1)
    dbl = (r, 1), (r, columns), (r, rows), (r, columns), (192, rows)
    branches = [
        branch(x, style, (192, 1), name=f"{name}_branch1x1"),
        branch(x, style, (r, 1), (r, rows), (192, columns), name=f"{name}_branch7x7"),
        branch(x, style, *dbl, name=f"{name}_branch7x7dbl"),
        average_pool_branch(x, style, 192, average_pool, name=f"{name}_branch_pool"),
    ]
    return layers.InceptionConcat(name=name)(branches)


@rematerializable
def inception_d(x: Tensor, style: Style, *, name: str) -> Tensor:
    """Figure 10 with a factorised 7x7, from 17x17 to 8x8."""
    branch7x7x3 = (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2, "valid")
    branches = [
        branch(x, style, (192, 1), (320, 3, 2, "valid"), name=f"{name}_branch3x3"),
        branch(x, style, *branch7x7x3, name=f"{name}_branch7x7x3"),
        max_pool(x, 3, 2, name=f"{name}_branch_pool"),
    ]
    return layers.InceptionConcat(name=name)(branches)


@rematerializable
def inception_e(x: Tensor, style: Style, average_pool: AveragePool, *, name: str) -> Tensor:
    """Figure 7, at 8x8."""
    branch3x3 = style.conv_norm_act(x, 384, 1, name=f"{name}_branch3x3_conv1")
    branch3x3dbl = style.conv_norm_act(x, 448, 1, name=f"{name}_branch3x3dbl_conv1")
    branch3x3dbl = style.conv_norm_act(
        branch3x3dbl, 384, 3, padding=1, name=f"{name}_branch3x3dbl_conv2"
    )
    branches = [
        branch(x, style, (320, 1), name=f"{name}_branch1x1"),
        *fork(branch3x3, style, 384, name=f"{name}_branch3x3_conv2"),
        *fork(branch3x3dbl, style, 384, name=f"{name}_branch3x3dbl_conv3"),
        average_pool_branch(x, style, 192, average_pool, name=f"{name}_branch_pool"),
    ]
    return layers.InceptionConcat(name=name)(branches)


def head(
    x: Tensor, style: Style, classes: int, *, dropout: float = 0.2, logits_bias: bool = True
) -> Tensor:
    """`average_pool_head`, whose classifier starts with smaller weights than the convolutions.

    Its 2048 inputs would make logits of about 2 of theirs: a loss above that of chance.
    Published trainings drop 20 % (TF-Slim) or 50 %.
    """
    style = classifier_style(style, STYLE, truncated_normal(0.01))
    return average_pool_head(x, style, classes, dropout=dropout, logits_bias=logits_bias)


# Layers as torchvision and timm call them; those of the blocks follow a rule.
TORCHVISION = {
    "stem_conv1": "Conv2d_1a_3x3",
    "stem_conv2": "Conv2d_2a_3x3",
    "stem_conv3": "Conv2d_2b_3x3",
    "stem_conv4": "Conv2d_3b_1x1",
    "stem_conv5": "Conv2d_4a_3x3",
    "aux1_conv1": "AuxLogits.conv0",
    "aux1_conv2": "AuxLogits.conv1",
}


def torchvision_names(layer: str) -> str:
    """The name that torchvision and timm give to a layer with weights."""
    if layer.endswith("logits"):
        return {"logits": "fc", "aux1_logits": "AuxLogits.fc"}[layer]
    layer, kind = module_and_kind(layer)
    module = TORCHVISION.get(layer)
    if module is None:
        # mixed5b_branch3x3dbl_conv2 is Mixed_5b.branch3x3dbl_2; a branch's only one has no number.
        module = re.sub(r"mixed(\w\w)_(\w+)_conv(\w*)", r"Mixed_\1.\2_\3", layer).rstrip("_")
    return f"{module}.{kind}"


# Branches in the order of keras.applications, and how the names of their convolutions end.
KERAS_STEM = {"_conv": "1 2 3 4 5"}
KERAS_A = {"1x1_conv": "", "5x5_conv": "1 2", "3x3dbl_conv": "1 2 3", "_pool_conv": ""}
KERAS_B = {"3x3_conv": "", "3x3dbl_conv": "1 2 3"}
KERAS_C = {"1x1_conv": "", "7x7_conv": "1 2 3", "7x7dbl_conv": "1 2 3 4 5", "_pool_conv": ""}
KERAS_D = {"3x3_conv": "1 2", "7x7x3_conv": "1 2 3 4"}
KERAS_E = {"1x1_conv": "", "3x3_conv": "1 2a 2b", "3x3dbl_conv": "1 2 3a 3b", "_pool_conv": ""}
KERAS = numbered_names(
    ("stem", KERAS_STEM),
    *((f"mixed5{block}_branch", KERAS_A) for block in "bcd"),
    ("mixed6a_branch", KERAS_B),
    *((f"mixed6{block}_branch", KERAS_C) for block in "bcde"),
    ("mixed7a_branch", KERAS_D),
    *((f"mixed7{block}_branch", KERAS_E) for block in "bc"),
)


def keras_names(layer: str) -> str:
    """The name that keras.applications gives to a layer with weights; see `numbered_names`."""
    return "predictions" if layer == "logits" else KERAS.get(layer, layer)


register(
    "inception_v3",
    paper=PAPER,
    description="factorised convolutions, as released",
    backbone=inception_v3,
    head=head,
    auxiliary_heads={"aux1": "mixed6e"},
    auxiliary_head=auxiliary_head,
    fixed=NO_RESIDUALS,
    stages={
        "stage1": "stem_conv3_act",
        "stage2": "stem_conv5_act",
        "stage3": "mixed5d",
        "stage4": "mixed6e",
        "stage5": "mixed7c",
    },
    layouts={
        "torchvision": Layout(
            names=torchvision_names,
            auxiliary=("AuxLogits.",),
            options={"average_pool": "include_pad"},
            first_layer="stem_conv1",
        ),
        "keras": Layout(
            names=keras_names,
            framework="keras",
            options={"norm_momentum": 0.99},
            first_layer="stem_conv1",
        ),
    },
    input_shape=(299, 299, 3),
    classes=1000,
    trainable_params=23_834_568,
    non_trainable_params=34_432,
    multiply_adds=5_713_216_096,
    preprocessing=Preprocessing(size=(299, 299), resize=342, mean=(0.5,) * 3, std=(0.5,) * 3),
    recipe="inception_v3_2015",
)
