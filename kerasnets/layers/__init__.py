"""Layers that the papers need and Keras does not have. Pure Keras 3: every backend runs them."""

from kerasnets.layers.activations import RandomizedReLU, scaled_tanh
from kerasnets.layers.initializers import FanInUniform
from kerasnets.layers.lenet import EuclideanRBF, SparseConnectionConv2D, TrainableSubsampling
from kerasnets.layers.padding import PadMinimum
from kerasnets.layers.shortcuts import ZeroPadShortcut

__all__ = [
    "EuclideanRBF",
    "FanInUniform",
    "PadMinimum",
    "RandomizedReLU",
    "SparseConnectionConv2D",
    "TrainableSubsampling",
    "ZeroPadShortcut",
    "scaled_tanh",
]
