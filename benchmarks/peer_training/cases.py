"""Which networks are trained beside which peer's, and on what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.side_by_side.networks import twins
from kerasnets import info, list_models

PROJECTS = ("torchvision", "timm")
CLASSES = 10
# So many that chaos is seen, and so few that it is not all that there is to see.
STEPS, EARLY = 20, 5
# Side and number of images by family, so little that two cores can do it; else `SMALL`. Of 64
# pixels 2x2 is left for the last batch norm.
SMALL = (64, 4)
SIZES = {
    # Dense layers fit no smaller side. One image is enough for a batch norm of large maps.
    "alexnet": (224, 4),
    "vgg": (224, 1),
    # 2x2 and 3x3 are left.
    "inception_v3": (107, 4),
    "inception_v4": (139, 4),
    "inception_resnet": (139, 4),
}
ONE_STEP_SIZES = {
    # From 16 images on, convolutions are computed in tiles.
    "resnet": (64, 16),
    # The least side that the auxiliary classifier fits, whose last maps are 1x1.
    "inception_v3": (299, 3),
}
# Of each auxiliary classifier: torchvision's reference training, and the paper of GoogLeNet.
AUXILIARY_LOSS = {"inception_v3": 0.4, "googlenet_bn": 0.3}


@dataclass(frozen=True)
class Case:
    """A training of a network and a peer that has it.

    Attributes:
        network: Our name.
        project: ``torchvision`` or ``timm``.
        theirs: Their name.
        steps: How many are made.
        side: Of the images, in pixels.
        batch: Images in a step.
    """

    network: str
    project: str
    theirs: str
    steps: int
    side: int
    batch: int

    @property
    def name(self) -> str:
        """As the command takes it."""
        return f"{self.project}:{self.network}:{self.steps}"

    @property
    def auxiliary_loss(self) -> float:
        """The weight of each auxiliary classifier's loss; 0 where there are none."""
        fits = self.network != "inception_v3" or self.side >= ONE_STEP_SIZES["inception_v3"][0]
        return AUXILIARY_LOSS.get(self.network, 0.0) if fits else 0.0

    @property
    def work(self) -> float:
        """About as many multiply-adds as a forward pass of each step takes."""
        facts = info(self.network)
        scale = (self.side / facts.input_shape[0]) ** 2
        return facts.multiply_adds * scale * self.batch * self.steps


def cases() -> dict[str, Case]:
    """All that can be measured, by name, from little work to much."""
    found = [case for network in list_models() for case in _of_network(network)]
    return {case.name: case for case in sorted(found, key=lambda case: case.work)}


def left_out() -> list[str]:
    """Our networks that neither project has."""
    measured = {case.network for case in cases().values()}
    return [name for name in list_models() if name not in measured]


def _of_network(network: str) -> Iterator[Case]:
    """One step beside each peer; several beside the first, since the second has the same."""
    family = info(network).family
    size = SIZES.get(family, SMALL)
    peers = {peer: twin for peer, twin in twins(network, PROJECTS).items() if twin.same}
    for number, (project, twin) in enumerate(peers.items()):
        yield Case(network, project, twin.name, 1, *ONE_STEP_SIZES.get(family, size))
        if number == 0:
            yield Case(network, project, twin.name, STEPS, *size)
