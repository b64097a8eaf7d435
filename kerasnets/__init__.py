"""The classic convolutional networks, from LeNet-5 to DenseNet, as verified Keras 3 models.

>>> import kerasnets
>>> kerasnets.info("lenet5").trainable_params
60000

Importing this package loads neither Keras nor TensorFlow; building a network loads Keras.
"""

from __future__ import annotations

import importlib
import pkgutil

import lazy_loader

# Both register: the networks, and their published weights.
import kerasnets.models
import kerasnets.pretrained.published  # noqa: F401
from kerasnets.lazy import after_keras

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def _register_classes() -> None:
    """Makes our classes known to Keras, which loads no file of a class that it does not know."""
    layers = importlib.import_module("kerasnets.layers").__path__
    names = [f"layers.{module.name}" for module in pkgutil.iter_modules(layers)]
    for name in (*names, "models.network", "fast.folding", "fast.winograd"):
        importlib.import_module(f"kerasnets.{name}")


after_keras(_register_classes)
