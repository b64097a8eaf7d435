"""The private names of Keras and TensorFlow that kerasnets depends on, each with its reason.

No other module uses one; an upgrade that breaks one breaks here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def maker_of(tensor: keras.KerasTensor) -> keras.layers.Layer:
    """The layer that made a symbolic tensor.

    Keras has no public way from a tensor to its layer; it documents that ``_keras_history`` will
    stay (keras.models.clone_model and keras.Model depend on it).
    """
    return tensor._keras_history.operation
