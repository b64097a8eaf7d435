"""The concatenation of DenseNet."""

from __future__ import annotations

import keras

from kerasnets.layers.inception_concat import InceptionConcat


@keras.saving.register_keras_serializable(package="kerasnets")
class DenseConcat(InceptionConcat):
    """Concatenates what a dense layer was given and what it made, on the channel axis.

    The order is part of the network, since the next layer's weights are in it: older maps first.

    Input shape: a list of (N, H, W, C_i), ``[x, new]``. Output shape: (N, H, W, sum of C_i).

    Raises:
        ValueError: When the maps differ in height or width.

    >>> concat = DenseConcat()
    >>> concat([keras.ops.ones((1, 2, 2, 24)), keras.ops.ones((1, 2, 2, 12))]).shape[-1]
    36

    Source: Huang, Liu, van der Maaten, Weinberger 2016, arXiv 1608.06993, equation 2.
    """
