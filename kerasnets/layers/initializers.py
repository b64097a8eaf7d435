"""Initial weights that the papers use and Keras does not have."""

from __future__ import annotations

import math

import keras


@keras.saving.register_keras_serializable(package="kerasnets")
class FanInUniform(keras.initializers.Initializer):
    """Uniform between ±``scale / fan_in``.

    Args:
        scale: 2.4 in the paper.
        seed: Of the draw; ``None`` draws one.

    Source: LeCun et al. 1998, appendix A. (Keras' variance scaling divides by the square root of
    the fan-in.)
    """

    def __init__(self, scale: float = 2.4, seed: int | None = None) -> None:
        self.scale = scale
        self.seed = seed
        self._generator = keras.random.SeedGenerator(seed)

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> keras.KerasTensor:
        limit = self.scale / math.prod(shape[:-1])
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=self._generator)

    def get_config(self) -> dict:
        return {"scale": self.scale, "seed": self.seed}
