"""Stochastic depth: whole residual branches that are dropped in training."""

from __future__ import annotations

from typing import Literal

import keras


@keras.saving.register_keras_serializable(package="kerasnets")
class StochasticDepth(keras.layers.Layer):
    """Drops a residual branch in training: ``y = b * x``, where b is 1 with ``p = 1 - rate``.

    Args:
        rate: Probability that the branch is dropped, in [0, 1).
        per: One b for the whole ``"batch"``, as the authors draw it, or one for each ``"sample"``.
        rescale: Where p makes up for what is dropped. ``"inference"`` is the paper's form: b in
            training, ``y = p * x`` in inference. ``"training"`` is timm's DropPath, the inverted
            form: ``y = b / p * x`` in training and ``y = x`` in inference, so that the weights
            mean what they do without this layer.
        seed: Seed of the draws; ``None`` draws one.

    Input shape: any, batch first. Output shape: that of the input.

    >>> float(StochasticDepth(0.25)(keras.ops.ones((1, 1)))[0, 0])
    0.75

    Source: Huang, Sun, Liu, Sedra, Weinberger 2016, arXiv 1603.09382, equations 2 and 5.
    """

    def __init__(
        self,
        rate: float,
        per: Literal["batch", "sample"] = "batch",
        rescale: Literal["inference", "training"] = "inference",
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}")
        if per not in ("batch", "sample"):
            raise ValueError(f"`per` must be 'batch' or 'sample'. Received: per={per!r}")
        if rescale not in ("inference", "training"):
            raise ValueError(
                f"`rescale` must be 'inference' or 'training'. Received: rescale={rescale!r}"
            )
        self.rate = rate
        self.per = per
        self.rescale = rescale
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        survival = 1.0 - self.rate
        if not training:
            return x if self.rescale == "training" else x * survival
        draws = 1 if self.per == "batch" else keras.ops.shape(x)[0]
        shape = (draws, *[1] * (len(x.shape) - 1))
        kept = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator) < survival
        gain = 1.0 / survival if self.rescale == "training" else 1.0
        return x * (keras.ops.cast(kept, x.dtype) * gain)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict:
        config = {
            "rate": self.rate,
            "per": self.per,
            "rescale": self.rescale,
            "seed": self.seed,
        }
        return {**super().get_config(), **config}
