"""Layers that the papers need and Keras does not have. Pure Keras 3: every backend runs them."""

from kerasnets.layers.activations import RandomizedReLU, scaled_tanh
from kerasnets.layers.adaptive_pooling import AdaptiveAveragePooling2D
from kerasnets.layers.ceil_pooling import CeilPooling2D
from kerasnets.layers.channel_shuffle import ChannelShuffle
from kerasnets.layers.classic_dropout import ClassicDropout
from kerasnets.layers.dense_concat import DenseConcat
from kerasnets.layers.grouped_conv import GroupedConv2D
from kerasnets.layers.highway_gate import HighwayGate
from kerasnets.layers.inception_concat import InceptionConcat
from kerasnets.layers.initializers import FanInNormal, FanInUniform
from kerasnets.layers.lenet import EuclideanRBF, SparseConnectionConv2D, TrainableSubsampling
from kerasnets.layers.local_response_norm import LocalResponseNormalization
from kerasnets.layers.padding import PadMinimum
from kerasnets.layers.rematerialize import Rematerialize
from kerasnets.layers.shortcuts import ResidualAdd
from kerasnets.layers.stochastic_depth import StochasticDepth
from kerasnets.layers.winograd import WinogradConv2D

__all__ = [
    "AdaptiveAveragePooling2D",
    "CeilPooling2D",
    "ChannelShuffle",
    "ClassicDropout",
    "DenseConcat",
    "EuclideanRBF",
    "FanInNormal",
    "FanInUniform",
    "GroupedConv2D",
    "HighwayGate",
    "InceptionConcat",
    "LocalResponseNormalization",
    "PadMinimum",
    "RandomizedReLU",
    "Rematerialize",
    "ResidualAdd",
    "SparseConnectionConv2D",
    "StochasticDepth",
    "TrainableSubsampling",
    "WinogradConv2D",
    "scaled_tanh",
]
