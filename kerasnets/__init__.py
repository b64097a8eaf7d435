"""The classic convolutional networks, from LeNet-5 to DenseNet, as verified Keras 3 models.

>>> import kerasnets
>>> kerasnets.info("lenet5").trainable_params
60000

Importing this package loads neither Keras nor TensorFlow; building a network loads Keras.
"""

from __future__ import annotations

import importlib

import lazy_loader

# Both register: the networks, and their published weights.
import kerasnets.models
import kerasnets.pretrained.published  # noqa: F401
from kerasnets.lazy import after_keras

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def _register_classes() -> None:
    """Makes our classes known to Keras, which loads no file of a class that it does not know."""
    for name in ("models.network", "fast.folding", "fast.winograd"):
        importlib.import_module(f"kerasnets.{name}")
    layers = importlib.import_module("kerasnets.layers")
    for name in layers.__all__:
        getattr(layers, name)


after_keras(_register_classes)
