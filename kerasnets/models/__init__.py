"""The networks, a module for each family. Importing this package registers all of them."""

from kerasnets.models import lenet, resnet_cifar
from kerasnets.models.build import build

__all__ = ["build", "lenet", "resnet_cifar"]
