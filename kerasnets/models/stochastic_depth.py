"""Stochastic depth: a CIFAR ResNet of 110 layers of which training sees some 82 at a time.

Huang, Sun, Liu, Sedra, Weinberger: "Deep networks with stochastic depth", 2016, arXiv 1603.09382.

The network of `kerasnets.models.resnet_cifar`, where each of its 54 residuals is left out of a
training step with a probability that grows linearly from block to block, to one half at the last.
In inference a residual is multiplied by the probability that it survives. Option-A shortcuts halve
the image by 2x2 averages and append their zeros, as in the authors' code.

Deviations: convolutions have no biases (the authors' have, in front of a batch norm). A residual
that is left out is computed all the same, so training costs as much as at constant depth, and its
batch-norm statistics move.
"""

from __future__ import annotations

from dataclasses import replace

from kerasnets.models.blocks import Style, Tensor
from kerasnets.models.resnet import STYLE, add_shortcut, basic
from kerasnets.models.resnet_cifar import COUNTS, register_cifar, units_of
from kerasnets.registry import Paper

PAPER = Paper(
    title="Deep networks with stochastic depth",
    authors="Huang, Sun, Liu, Sedra, Weinberger",
    year=2016,
    url="https://arxiv.org/abs/1603.09382",
)

SD_STYLE = replace(STYLE, drop_path_rate=0.5)  # the paper's 1 - p_L


def resnet_sd_cifar(x: Tensor, style: Style = SD_STYLE, *, depth: int) -> Tensor:
    """(N, 32, 32, 3) to (N, 8, 8, 64).

    Args:
        depth: 6n + 2.
    """
    x = style.conv_norm_act(x, 16, 3, padding=1, name="stem_conv")
    for unit in units_of(depth):
        y = style.rematerialize(basic(x, style, unit), x)
        # Section 3: block l of L survives with p_l = 1 - l / L (1 - p_L).
        y = style.drop_path(y, unit.progress, per="batch", rescale="inference", name=unit.name)
        x = add_shortcut(
            x, style, y, unit, "zero_pad", subsample="average", zero_placement="append"
        )
        x = style.activate(x, name=unit.name)
    return x


register_cifar(
    "resnet110_sd_cifar",
    COUNTS[110],
    paper=PAPER,
    description="110 layers for 32x32 images, residuals dropped in training",
    backbone=resnet_sd_cifar,
    variant={"depth": 110},
    stages={f"stage{stage}": f"stage{stage}_block18_act" for stage in (1, 2, 3)},
    recipe="stochastic_depth",
)
