"""Activations that the papers use and Keras does not have."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="kerasnets")
def scaled_tanh(x: keras.KerasTensor) -> keras.KerasTensor:
    """``1.7159 * tanh(2/3 * x)``: ±1 at ±1, saturation at ±1.7159.

    Source: LeCun et al. 1998, section II.B and appendix A.
    """
    return 1.7159 * keras.ops.tanh(x * (2.0 / 3.0))


@keras.saving.register_keras_serializable(package="kerasnets")
class RandomizedReLU(keras.layers.Layer):
    """A leaky ReLU whose negative slope is drawn anew for each value in training.

    ``y = x`` for positive x, ``y = a * x`` otherwise; in training ``a ~ U(lower, upper)``, in
    inference a is their mean.

    Args:
        lower: Smallest slope.
        upper: Largest slope, not below `lower`.
        seed: Seed of the slopes; ``None`` draws one.

    Source: Xu, Wang, Chen, Li 2015, arXiv 1505.00853, section 2.4. The form is that of
    ``torch.nn.RReLU``; in the experiments of the paper ``y = x / a`` with ``a ~ U(3, 8)``, and
    ``y = x / 5.5`` in inference.
    """

    def __init__(
        self, lower: float = 1 / 8, upper: float = 1 / 3, seed: int | None = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= lower <= upper:
            raise ValueError(f"0 <= lower <= upper must hold. Received: {lower=}, {upper=}.")
        self.lower = lower
        self.upper = upper
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        slope = (self.lower + self.upper) / 2
        if training:
            shape = keras.ops.shape(x)
            slope = keras.random.uniform(
                shape, self.lower, self.upper, dtype=x.dtype, seed=self.seed_generator
            )
        return keras.ops.where(x > 0, x, slope * x)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict:
        config = {"lower": self.lower, "upper": self.upper, "seed": self.seed}
        return {**super().get_config(), **config}
