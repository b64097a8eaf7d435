"""The classic convolutional networks, from LeNet-5 to DenseNet, as verified Keras 3 models.

>>> import kerasnets
>>> kerasnets.info("lenet5").trainable_params
60000

Importing this package loads neither Keras nor TensorFlow; building a network loads Keras.
Before TensorFlow is loaded it asks for oneDNN, unless ``TF_ENABLE_ONEDNN_OPTS`` is set.
"""

from __future__ import annotations

import importlib
import os

# oneDNN's convolutions of few channels are six times as fast as TensorFlow's own; TensorFlow takes
# them by itself on some processors only. It reads this when it is loaded.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.models import build, features, freeze, replace_head
from kerasnets.registry import ModelInfo, WeightSource, info, list_models
from kerasnets.weights.sources import preprocessing

__version__ = "0.1.0"

__all__ = [
    "ModelInfo",
    "Preprocessing",
    "Run",
    "TrainConfig",
    "UserError",
    "WeightSource",
    "build",
    "features",
    "for_inference",
    "freeze",
    "info",
    "list_models",
    "preprocessing",
    "recipe",
    "replace_head",
    "train",
    "with_preprocessing",
]

_SUBPACKAGES = ("data", "export", "inference", "inspection", "layers", "training", "weights")
# Named here, loaded when they are used.
_LAZY = {
    "Run": "training",
    "TrainConfig": "training",
    "for_inference": "inference",
    "recipe": "training",
    "train": "training",
}


def __getattr__(name: str) -> object:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"kerasnets.{name}")
    if name in _LAZY:
        return getattr(importlib.import_module(f"kerasnets.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'kerasnets' has no attribute {name!r}")
