"""The classic convolutional networks, from LeNet-5 to DenseNet, as verified Keras 3 models.

>>> import kerasnets
>>> kerasnets.info("lenet5").trainable_params
60000

Importing this package loads neither Keras nor TensorFlow; building a network loads Keras.
Before TensorFlow is loaded it asks for oneDNN, unless ``TF_ENABLE_ONEDNN_OPTS`` is set.
"""

from __future__ import annotations

import os

import lazy_loader

# Both register: the networks, and their published weights.
import kerasnets.models
import kerasnets.pretrained.published  # noqa: F401

# oneDNN's convolutions of few channels are six times as fast as TensorFlow's own; TensorFlow takes
# them by itself on some processors only. It reads this when it is loaded.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
