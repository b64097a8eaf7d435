"""AlexNet: five convolutions and three dense layers, the network that won ILSVRC 2012.

Krizhevsky, Sutskever, Hinton: "ImageNet classification with deep convolutional neural networks",
NIPS 2012. Krizhevsky: "One weird trick for parallelizing convolutional neural networks", 2014,
arXiv 1404.5997.

`alexnet` is the network of 2012. It was cut in two towers for two GPUs: conv2, conv4 and conv5 see
only the maps of their own tower. ReLU after every layer, response normalisation after conv1 and
conv2, pooling windows that overlap (3x3 at stride 2) after conv1, conv2 and conv5, dropout of half
of the units in the dense layers. `alexnet_single` is the same without the cut, as it is mostly
taught. `alexnet_owt` is the single tower of 2014 in the form that torchvision publishes: narrower
convolutions, no response normalisation, dropout before the dense layers.

Deviations: the input is 227x227; the paper's text says 224, which does not give its 55x55 maps.
The mean that is subtracted is that of each channel, in the paper that of each pixel (section 2).
`alexnet_owt`: biases start at zero; torchvision draws them.
"""

from __future__ import annotations

from typing import Literal

from kerasnets import layers
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing
from kerasnets.models.blocks import NO_RESIDUALS, Stem, Style, Tensor, max_pool
from kerasnets.models.heads import dense_layers_head
from kerasnets.registry import Layout, Paper, register

PAPER = Paper(
    title="ImageNet classification with deep convolutional neural networks",
    authors="Krizhevsky, Sutskever, Hinton",
    year=2012,
    url="https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks",
)
ONE_WEIRD_TRICK = Paper(
    title="One weird trick for parallelizing convolutional neural networks",
    authors="Krizhevsky",
    year=2014,
    url="https://arxiv.org/abs/1404.5997",
)

Normalization = Literal["paper", "caffe"]
RESPONSE_NORMALIZATION = {
    "paper": {"k": 2.0, "alpha_convention": "sum"},  # section 3.3
    "caffe": {"k": 1.0, "alpha_convention": "mean"},  # the Caffe zoo's AlexNet and CaffeNet
}

# The last convolution's output at each size of the maps; the smallest has a pooling alone.
STAGES = {"stage1": "conv1_act", "stage2": "conv2_act", "stage3": "conv5_act", "stage4": "pool5"}

STYLE = Style(kernel_initializer={"class_name": "RandomNormal", "config": {"stddev": 0.01}})
# torch's default: uniform between ±sqrt(1 / fan-in).
TORCH_INITIALIZER = {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"}
OWT_STYLE = Style(kernel_initializer={"class_name": "VarianceScaling", "config": TORCH_INITIALIZER})


def alexnet(
    x: Tensor,
    style: Style = STYLE,
    *,
    towers: int,
    stem: Stem = "imagenet",
    conv1_padding: int = 0,
    response_normalization: Normalization = "paper",
    pool_first: bool = False,
) -> Tensor:
    """(N, 227, 227, 3) to (N, 6, 6, 256): figure 2.

    Args:
        towers: 2, or 1 for the network without the cut.
        stem: ``"small"``: conv1 is 3x3 at stride 1, and no pooling follows it, so that images of
            32 pixels leave (N, 7, 7, 256).
        conv1_padding: Pixels on each side: 2 gives the same maps from an input of 224; 1 at 224 is
            the form of some textbooks, (N, 5, 5, 256).
        response_normalization: The constants of the paper or of the Caffe zoo.
        pool_first: Whether pooling comes before response normalisation, as in CaffeNet.
    """
    if not 0 <= conv1_padding <= 5:
        raise UserError(f"conv1_padding must be in 0 to 5. Received: {conv1_padding}.")
    if conv1_padding and stem == "small":
        raise UserError("conv1_padding is for stem='imagenet'; the small stem's conv1 is padded.")
    end = {"response_normalization": response_normalization, "pool_first": pool_first}
    # Section 5: biases of one give the ReLUs positive inputs in the early stages of learning.
    cut = {"groups": towers, "bias_initializer": "ones"}
    # What a cut layer sees must be a multiple of the towers at every width.
    filters1, filters3 = style.widen(96, groups=towers), style.widen(384, groups=towers)
    pools = stem == "imagenet"
    size, strides, pad = (11, 4, conv1_padding) if pools else (3, 1, 1)
    y = style.conv_norm_act(x, filters1, size, strides, padding=pad, fixed_width=True, name="conv1")
    y = normalize_and_pool(y, **end, pools=pools, place="1")  # (N, 27, 27, 96)
    x = style.rematerialize(y, x)
    y = style.conv_norm_act(x, 256, 5, padding=2, **cut, name="conv2")  # (N, 27, 27, 256)
    x = style.rematerialize(normalize_and_pool(y, **end, place="2"), x)  # (N, 13, 13, 256)
    y = style.conv_norm_act(x, filters3, 3, padding=1, fixed_width=True, name="conv3")
    y = style.conv_norm_act(y, 384, 3, padding=1, **cut, name="conv4")
    y = style.conv_norm_act(y, 256, 3, padding=1, **cut, name="conv5")
    return style.rematerialize(max_pool(y, 3, 2, name="pool5"), x)


def normalize_and_pool(
    x: Tensor,
    *,
    response_normalization: Normalization,
    pool_first: bool,
    pools: bool = True,
    place: str,
) -> Tensor:
    """Response normalisation and overlapping pooling, in either order; halves the size."""
    if pools and pool_first:
        x = max_pool(x, 3, 2, name=f"pool{place}")
    constants = RESPONSE_NORMALIZATION[response_normalization]
    x = layers.LocalResponseNormalization(**constants, name=f"norm{place}")(x)
    return max_pool(x, 3, 2, name=f"pool{place}") if pools and not pool_first else x


def alexnet_owt(x: Tensor, style: Style = OWT_STYLE, *, stem: Stem = "imagenet") -> Tensor:
    """(N, 224, 224, 3) to (N, 6, 6, 256).

    Args:
        stem: See `alexnet`.
    """
    if stem == "small":
        x = style.rematerialize(style.conv_norm_act(x, 64, 3, padding=1, name="conv1"), x)
    else:
        y = style.conv_norm_act(x, 64, 11, 4, padding=2, name="conv1")  # (N, 55, 55, 64)
        x = style.rematerialize(max_pool(y, 3, 2, name="pool1"), x)
    y = style.conv_norm_act(x, 192, 5, padding=2, name="conv2")  # (N, 27, 27, 192)
    x = style.rematerialize(max_pool(y, 3, 2, name="pool2"), x)
    y = style.conv_norm_act(x, 384, 3, padding=1, name="conv3")  # (N, 13, 13, 384)
    y = style.conv_norm_act(y, 256, 3, padding=1, name="conv4")
    y = style.conv_norm_act(y, 256, 3, padding=1, name="conv5")
    return style.rematerialize(max_pool(y, 3, 2, name="pool5"), x)


def torchvision_names(layer: str) -> str | tuple[str, str]:
    """The name that torchvision gives to a layer with weights of `alexnet_owt`."""
    if layer.startswith("conv"):
        return f"features.{(0, 3, 6, 8, 10)[int(layer[4]) - 1]}"
    return {"fc6": "classifier.1", "fc7": "classifier.4"}.get(layer, "classifier.6"), "dense"


COUNTS = {
    # Towers: trainable parameters, multiply-adds.
    2: (60_965_224, 724_406_816),
    1: (62_378_344, 1_135_256_096),
}

for name, towers, description in (
    ("alexnet", 2, "as published: two towers, response normalisation"),
    ("alexnet_single", 1, "one tower, as it is mostly taught"),
):
    register(
        name,
        paper=PAPER,
        description=description,
        backbone=alexnet,
        head=dense_layers_head,
        head_layers=("fc6", "fc7", "logits"),
        variant={
            "towers": towers,
            "map_size": 6,
            "dropout_first": False,
            "bias_initializer": "ones",
        },
        fixed=NO_RESIDUALS,
        stages=STAGES,
        input_shape=(227, 227, 3),
        classes=1000,
        trainable_params=COUNTS[towers][0],
        non_trainable_params=0,
        multiply_adds=COUNTS[towers][1],
        # Section 2: a mean is subtracted, nothing else; section 5's initial weights expect that.
        preprocessing=Preprocessing(size=(227, 227), resize=256, std=(1 / 255,) * 3),
        recipe="alexnet2012",
    )

register(
    "alexnet_owt",
    paper=ONE_WEIRD_TRICK,
    description="the single tower of 2014, as torchvision publishes it",
    backbone=alexnet_owt,
    head=dense_layers_head,
    head_layers=("fc6", "fc7", "logits"),
    variant={"map_size": 6, "dropout_first": True, "bias_initializer": "zeros"},
    fixed=NO_RESIDUALS,
    stages=STAGES,
    layouts={"torchvision": Layout(names=torchvision_names, first_layer="conv1")},
    input_shape=(224, 224, 3),
    classes=1000,
    trainable_params=61_100_840,
    non_trainable_params=0,
    multiply_adds=714_188_480,
    preprocessing=Preprocessing(size=(224, 224), resize=256),
    recipe="alexnet_owt2014",
)
