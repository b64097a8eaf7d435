"""What the peers call our networks."""

from __future__ import annotations

from dataclasses import dataclass

PEERS = (
    "kerasnets",
    "keras.applications",
    "keras_hub",
    "torchvision",
    "torchvision_compiled",
    "timm",
)
# What must be installed for a peer; keras.applications comes with Keras.
NEEDS = {
    "keras.applications": "keras",
    "keras_hub": "keras_hub",
    "torchvision": "torchvision",
    "torchvision_compiled": "torchvision",
    "timm": "timm",
}


@dataclass(frozen=True)
class Twin:
    """A network of a peer.

    Attributes:
        name: At the peer.
        same: Whether it is the same network layer by layer; otherwise the nearest that the peer
            has, whose times say less.
    """

    name: str
    same: bool = True


_APPLICATIONS = {
    "densenet121": "DenseNet121",
    "densenet169": "DenseNet169",
    "densenet201": "DenseNet201",
    "inception_resnet_v2": "InceptionResNetV2",
    "inception_v3": "InceptionV3",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "resnet50_v2": "ResNet50V2",
    "resnet101_v2": "ResNet101V2",
    "resnet152_v2": "ResNet152V2",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
}
_TORCHVISION = {
    "alexnet_owt": "alexnet",
    "densenet121": "densenet121",
    "densenet161": "densenet161",
    "densenet169": "densenet169",
    "densenet201": "densenet201",
    "googlenet_bn": "googlenet",
    "inception_v3": "inception_v3",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50_v1_5": "resnet50",
    "resnet101_v1_5": "resnet101",
    "resnet152_v1_5": "resnet152",
    "vgg11": "vgg11",
    "vgg11_bn": "vgg11_bn",
    "vgg13": "vgg13",
    "vgg13_bn": "vgg13_bn",
    "vgg16": "vgg16",
    "vgg16_bn": "vgg16_bn",
    "vgg19": "vgg19",
    "vgg19_bn": "vgg19_bn",
}
# The 2014 tower for the two of 2012; batch norms and 3x3 windows for response norms and 5x5;
# the stride in the 3x3 convolutions, which takes 6 % more multiply-adds.
_NEAREST = {"alexnet": "alexnet", "googlenet": "googlenet", "resnet50": "resnet50"}
_TIMM = {
    **{
        ours: theirs
        for ours, theirs in _TORCHVISION.items()
        if theirs not in ("alexnet", "googlenet")
    },
    "inception_resnet_v2": "inception_resnet_v2",
    "inception_v4": "inception_v4",
    "mobilenet_v1": "mobilenetv1_100",
    "resnet18_v2": "resnetv2_18",
    "resnet34_v2": "resnetv2_34",
    "resnet50_v2": "resnetv2_50",
    "resnet101_v2": "resnetv2_101",
    "resnet152_v2": "resnetv2_152",
}
_KERAS_HUB = {"densenet121": "densenet121", "vgg16": "vgg16", "resnet50": "resnet50"}


def twin(network: str, peer: str) -> Twin | None:
    """A peer's network that is ours, or the nearest; ``None`` where it has none."""
    if peer == "kerasnets":
        return Twin(network)
    tables = {
        "keras.applications": _APPLICATIONS,
        "keras_hub": _KERAS_HUB,
        "torchvision": _TORCHVISION,
        "torchvision_compiled": _TORCHVISION,
        "timm": _TIMM,
    }
    if network in tables[peer]:
        return Twin(tables[peer][network])
    if peer.startswith("torchvision") and network in _NEAREST:
        return Twin(_NEAREST[network], same=False)
    return None


def twins(network: str, peers: tuple[str, ...]) -> dict[str, Twin]:
    """The peers that have a network, with what they call it."""
    found = {peer: twin(network, peer) for peer in peers}
    return {peer: each for peer, each in found.items() if each is not None}
