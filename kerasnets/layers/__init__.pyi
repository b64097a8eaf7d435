from .activations import (
    RandomizedReLU as RandomizedReLU,
)
from .activations import (
    scaled_tanh as scaled_tanh,
)
from .adaptive_pooling import AdaptiveAveragePooling2D as AdaptiveAveragePooling2D
from .ceil_pooling import CeilPooling2D as CeilPooling2D
from .channel_shuffle import ChannelShuffle as ChannelShuffle
from .classic_dropout import ClassicDropout as ClassicDropout
from .dense_concat import DenseConcat as DenseConcat
from .grouped_conv import GroupedConv2D as GroupedConv2D
from .highway_gate import HighwayGate as HighwayGate
from .inception_concat import InceptionConcat as InceptionConcat
from .initializers import (
    FanInNormal as FanInNormal,
)
from .initializers import (
    FanInUniform as FanInUniform,
)
from .lenet import (
    EuclideanRBF as EuclideanRBF,
)
from .lenet import (
    SparseConnectionConv2D as SparseConnectionConv2D,
)
from .lenet import (
    TrainableSubsampling as TrainableSubsampling,
)
from .local_response_norm import LocalResponseNormalization as LocalResponseNormalization
from .padding import PadMinimum as PadMinimum
from .rematerialize import Rematerialize as Rematerialize
from .shortcuts import ResidualAdd as ResidualAdd
from .stochastic_depth import StochasticDepth as StochasticDepth
