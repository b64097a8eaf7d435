"""The vectors that a network's classifier takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasnets.data.bad_images import naming_bad_images
from kerasnets.data.pipeline import evaluation_batches
from kerasnets.export.signatures import embedding_of
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.inspection.memory import batch_within
from kerasnets.lazy import tf

if TYPE_CHECKING:
    from kerasnets.data.sources import Split


def features(network: keras.Model, preprocessing: Preprocessing, split: Split) -> np.ndarray:
    """What the layer of the logits takes of each image; maps are averaged.

    Args:
        network: A network that takes scaled images.
        preprocessing: Its preprocessing.
        split: The images.

    Returns:
        (N, D) float32, in the order of the split.

    Raises:
        UserError: When an image cannot be read; the message names it.
    """
    before = keras.Model(network.input, embedding_of(network), name=network.name)
    model = with_preprocessing(before, preprocessing)
    channels = network.input_shape[-1]
    batches = evaluation_batches(
        split, preprocessing, channels, batch_size=min(batch_within(network), 64)
    )
    images = tf.TensorSpec((None, *preprocessing.size, channels), tf.uint8)
    # Of any batch size: `predict` would trace the last batch of each split anew, and warn of it.
    run = tf.function(
        lambda images: model(images, training=False), input_signature=[images], autograph=False
    )
    with naming_bad_images([split], channels):
        found = [run(images).numpy() for images, _ in batches]
    width = int(model.output_shape[-1])
    return np.concatenate([np.zeros((0, width), np.float32), *found]).astype(np.float32)
