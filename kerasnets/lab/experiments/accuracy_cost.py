"""Neither parameters nor multiply-adds alone make a network accurate.

Claim: VGG-16 costs the most and is not the most accurate; residual and dense networks reach more
    with a fraction of its parameters and of its multiply-adds.
Source: Canziani, Paszke, Culurciello 2016, arXiv 1605.07678, figures 1 and 2.
Expected: DenseNet-121 and ResNet-50 (v1.5) above VGG-16 by more than a point of top-1, with less
    than a third of its parameters and multiply-adds.
Simplifications: Accuracies are those that torchvision publishes for its first weights, all trained
    by much the same recipe; nothing is measured here. No seeds, so no interval: one training each.
"""

from kerasnets.lab.cells import Measured
from kerasnets.lab.design import Experiment, Scale, Trial
from kerasnets.lab.figure import Scatter
from kerasnets.lab.verdict import Claim
from kerasnets.registry import info, list_models

TOP1 = "top-1 accuracy on ImageNet, %"
PARAMETERS = "parameters, millions"
WORK = "multiply-adds, billions"
TAGS = ("torchvision", "tv_in1k")


def _accuracy(network: str) -> float | None:
    """Of the weights that torchvision published first."""
    tags = {each.tag.rpartition(".")[2]: each.top1 for each in info(network).weights}
    return next((tags[tag] for tag in TAGS if tag in tags), None)


def measure(trial: Trial) -> Measured:
    """What the registry knows of a network."""
    facts, top1 = info(trial.variant), _accuracy(trial.variant)
    assert top1 is not None
    counts = {PARAMETERS: facts.trainable_params / 1e6, WORK: facts.multiply_adds / 1e9}
    return Measured({TOP1: top1, **counts})


LIGHT = ("resnet50_v1_5", "densenet121")
EXPERIMENT = Experiment(
    group="costs",
    variants={name: name for name in list_models() if _accuracy(name) is not None},
    measure=measure,
    claims=(
        *(Claim(measure=TOP1, of=name, minus="vgg16", above=1) for name in LIGHT),
        *(
            Claim(measure=cost, of=name, minus="vgg16", below=1 / 3, ratio=True)
            for cost in (PARAMETERS, WORK)
            for name in LIGHT
        ),
    ),
    plot=Scatter(WORK, TOP1),
    small=Scale(minutes=0.2),
    exact=True,
)
