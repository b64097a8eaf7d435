"""Trains a small network under every combination of precision and technique on one place.

    python tests/trials/matrix.py [--devices cpu:0,1] [--cluster A,B --worker N] [--fast xla]

prints a JSON object: for each combination whether the loss fell, or the error.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json

import numpy as np

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
TECHNIQUES = {
    "plain": {},
    "gradient accumulation": {"accumulate": 2},
    "EMA": {"ema": 0.9},
    "synchronised batch norm": {"sync_batch_norm": True},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--devices", default="cpu")
    parser.add_argument("--cluster")
    parser.add_argument("--worker", type=int)
    parser.add_argument("--fast", nargs="+", default=["auto"])
    place = vars(parser.parse_args())
    place["fast"] = tuple(place["fast"])

    from kerasnets.config import TrainConfig, recipe
    from kerasnets.training.distribution import check
    from kerasnets.training.distribution import placement as find

    where, outcomes = None, {}
    for precision, technique in itertools.product(PRECISIONS, TECHNIQUES):
        values = dict(TECHNIQUES[technique])
        sync = values.pop("sync_batch_norm", False)
        plan = recipe("digits", batch_size=16, warmup_epochs=0, precision=precision, **values)
        config = TrainConfig(
            model="lenet5_modern",
            options={"normalization": "batch"},
            recipe=plan,
            out="run",
            sync_batch_norm=sync,
            **place,
        )
        where = where or find(config)
        try:
            check(config, where)
            outcomes[f"{precision}, {technique}"] = _train(config, where)
        except ValueError as error:
            outcomes[f"{precision}, {technique}"] = f"refused: {error}"
    print(json.dumps(outcomes))


def _train(config: object, where: object) -> str:
    """Twelve steps on one batch; the workers' weights must agree."""
    import keras
    import tensorflow as tf

    from kerasnets.inputs import Preprocessing
    from kerasnets.training.networks import starting_network
    from kerasnets.training.trainer import _check_weights

    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (16, 28, 28, 1), np.uint8)
    labels = (np.arange(16) % 10).astype(np.int32)

    def batches(shard: tuple[int, int], size: int) -> tf.data.Dataset:
        own = (images[shard[0] :: shard[1]], labels[shard[0] :: shard[1]])
        return tf.data.Dataset.from_tensor_slices(own).repeat().batch(size, drop_remainder=True)

    keras.utils.set_random_seed(0)
    with where.scope():
        network = starting_network(dataclasses.replace(config), 10)
    model = where.training_model(
        network,
        Preprocessing(size=(28, 28), mean=(0.5,), std=(0.5,)),
        config.recipe,
        1,
        synchronize=config.sync_batch_norm,
        fast=config.fast,
    )
    history = model.fit(where.batches(batches, 16), epochs=6, steps_per_epoch=2, verbose=0)
    losses = history.history["loss"]
    _check_weights(network, where)
    return "works" if losses[-1] < 0.5 * losses[0] else f"does not learn: {losses}"


if __name__ == "__main__":
    main()
