"""Small kernels and dense concatenation cost memory in training, and computing twice saves it.

Claim: Several 3x3 convolutions in the place of one larger keep more maps for the backward pass.
    DenseNet-121 takes more memory than ResNet-50 with a third of its parameters, and a dense
    block's memory grows with the square of its depth, unless the concatenations and the batch norms
    on them are computed again.
Source: Pleiss, Chen, Huang, Li, van der Maaten, Weinberger 2017, arXiv 1707.06990, section 3;
    Simonyan, Zisserman 2014, arXiv 1409.1556, for the kernels.
Published: Memory for feature maps falls from quadratic in the depth to linear; a DenseNet of 264
    layers and 73 million parameters trains on eight Tesla M40 (abstract of 1707.06990).
Expected: VGG-16's convolutions above 1.5 times their twin's bytes, in which 5x5 and 7x7 stand for
    two and three 3x3; DenseNet-121 above ResNet-50; from 12 to 32 layers a block, growth on the
    quadratic side without, and on the linear side with computing again.
Simplifications: The sum of what layers put out, float32, for one image; with `remat` of what is
    kept, and of the largest block that is computed again. A compiler merges some layers, so real
    steps take less; weights, gradients and optimiser are not counted.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from kerasnets.lab.cells import Measured
from kerasnets.lab.costs import activations
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Bars
from kerasnets.lab.verdict import Claim
from kerasnets.lazy import keras

STEP = "activations of a training step, MiB an image"
KEPT = "kept for the backward pass, MiB"
PARAMETERS = "parameters, millions"
# Maps, and how many 3x3 convolutions, of VGG-16's stages; what one kernel sees as much as they do.
STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
# The growth halfway between linear and quadratic, from blocks of 12 to blocks of 32 layers.
HALFWAY = (32 / 12) ** 1.5


def registered(name: str, **options: Any) -> keras.Model:
    """A registered network, without values for its weights."""
    from kerasnets.models.build import unweighted  # it loads Keras

    return unweighted(name, **options)


def vgg16_convolutions(small: bool) -> keras.Model:
    """VGG-16 up to its dense layers, of 3x3 convolutions or of one larger one a stage."""
    x = image = keras.Input((224, 224, 3))
    for maps, count in STAGES:
        for _ in range(count if small else 1):
            x = keras.layers.Conv2D(maps, 3 if small else 2 * count + 1, padding="same")(x)
            x = keras.layers.ReLU()(x)
        x = keras.layers.MaxPooling2D()(x)
    return keras.Model(image, x)


def measure(trial: Trial) -> Measured:
    """Bytes of the layers' outputs, and parameters."""
    network: keras.Model = trial.variant()
    kept, again = activations(network)
    values = {STEP: (kept + again) / 2**20, KEPT: kept / 2**20}
    return Measured({**values, PARAMETERS: network.count_params() / 1e6})


NETWORKS = ("alexnet", "vgg16", "resnet50", "densenet121")
DENSE = ("densenet40_k12_cifar", "densenet100_k12_cifar")
AGAIN = "{}, remat".format
SMALL, LARGE = "3x3 of VGG-16", "5x5 and 7x7 in their place"
FORMS = ((str, False), (AGAIN, True))
EXPERIMENT = Experiment(
    group="costs",
    variants={
        SMALL: partial(vgg16_convolutions, small=True),
        LARGE: partial(vgg16_convolutions, small=False),
        **{
            form(name): partial(registered, name, remat=again)
            for name in (*NETWORKS, *DENSE)
            for form, again in FORMS
        },
    },
    measure=measure,
    claims=(
        Claim(measure=STEP, of=SMALL, minus=LARGE, above=1.5, ratio=True),
        Claim(measure=STEP, of="densenet121", minus="resnet50", above=1, ratio=True),
        Claim(measure=PARAMETERS, of="densenet121", minus="resnet50", below=1 / 3, ratio=True),
        Claim(measure=STEP, of=AGAIN("densenet121"), minus="densenet121", below=2 / 3, ratio=True),
        Claim(measure=STEP, of=DENSE[1], minus=DENSE[0], above=HALFWAY, ratio=True),
        Claim(measure=STEP, of=AGAIN(DENSE[1]), minus=AGAIN(DENSE[0]), below=HALFWAY, ratio=True),
    ),
    plot=Bars((STEP,)),
    small=Scale(minutes=0.6),
    exact=True,
)
