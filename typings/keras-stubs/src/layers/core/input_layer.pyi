# Keras' own `Input` returns what a layer's outputs are, a tensor or a list; of an input it is one.
from typing import Any

from keras.src.backend.common.keras_tensor import KerasTensor
from keras.src.layers.layer import Layer

class InputLayer(Layer):
    batch_shape: tuple[Any, ...]
    def __init__(self, shape: Any = ..., **kwargs: Any) -> None: ...

def Input(  # noqa: N802
    shape: Any = ...,
    batch_size: int | None = ...,
    dtype: str | None = ...,
    sparse: bool | None = ...,
    ragged: bool | None = ...,
    batch_shape: Any = ...,
    name: str | None = ...,
    tensor: Any = ...,
    optional: bool = ...,
) -> KerasTensor: ...
