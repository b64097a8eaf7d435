"""The classic convolutional networks, from LeNet-5 to DenseNet, as verified Keras 3 models.

>>> import kerasnets
>>> kerasnets.info("lenet5").trainable_params
60000

Importing this package loads neither Keras nor TensorFlow; building a network loads Keras.
"""

from __future__ import annotations

import importlib

from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.models import build, features, freeze, replace_head
from kerasnets.registry import ModelInfo, info, list_models

__version__ = "0.1.0"

__all__ = [
    "ModelInfo",
    "Preprocessing",
    "UserError",
    "build",
    "features",
    "freeze",
    "info",
    "list_models",
    "replace_head",
    "with_preprocessing",
]

_SUBPACKAGES = ("data", "export", "inspection", "layers", "training", "weights")


def __getattr__(name: str) -> object:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"kerasnets.{name}")
    raise AttributeError(f"module 'kerasnets' has no attribute {name!r}")
