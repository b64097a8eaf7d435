"""Dropout as it was first written."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="kerasnets")
class ClassicDropout(keras.layers.Layer):
    """Dropout that scales in inference: ``y = m * x`` in training, ``y = p * x`` in inference.

    m is 1 with the probability to keep, p = 1 - rate, and 0 otherwise. ``keras.layers.Dropout`` is
    the inverted form, ``y = m / p * x`` in training and ``y = x`` in inference: in expectation the
    same function, but for the factor p, by which all that it feeds is larger in both modes. So
    weights do not carry over as they are: behind the inverted form, the kernel that follows must
    be p times what it is behind this one.

    Args:
        rate: Probability that a value is dropped, in [0, 1).
        seed: Seed of the draws; ``None`` draws one.

    Input shape: any. Output shape: that of the input.

    >>> float(ClassicDropout(0.25)(keras.ops.ones((1, 1)))[0, 0])
    0.75

    Source: Hinton et al. 2012, arXiv 1207.0580; Krizhevsky et al. 2012, section 4.2.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}")
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        keep = 1.0 - self.rate
        if not training:
            return x * keep
        draw = keras.random.uniform(keras.ops.shape(x), dtype="float32", seed=self.seed_generator)
        return x * keras.ops.cast(draw < keep, x.dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
