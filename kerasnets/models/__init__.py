"""The networks, a module for each family. Importing this package registers all of them."""

from kerasnets.models import (
    alexnet,
    densenet,
    densenet_cifar,
    googlenet,
    inception_resnet,
    inception_v2,
    inception_v3,
    inception_v4,
    lenet,
    nin,
    resnet,
    resnet_cifar,
    resnet_v2,
    resnet_v2_cifar,
    stochastic_depth,
    vgg,
)
from kerasnets.models.build import build
from kerasnets.models.transfer import features, freeze, replace_head

__all__ = [
    "alexnet",
    "build",
    "densenet",
    "densenet_cifar",
    "features",
    "freeze",
    "googlenet",
    "inception_resnet",
    "inception_v2",
    "inception_v3",
    "inception_v4",
    "lenet",
    "nin",
    "replace_head",
    "resnet",
    "resnet_cifar",
    "resnet_v2",
    "resnet_v2_cifar",
    "stochastic_depth",
    "vgg",
]
