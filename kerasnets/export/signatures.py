"""What a SavedModel can be asked: its signatures, graphs with all of the preprocessing inside.

| signature | input | outputs |
| --- | --- | --- |
| ``serving_default`` | ``image_bytes`` (N,) string | see `ANSWER` |
| ``images`` | ``images`` (N, H, W, 3) uint8, any height and width | see `ANSWER` |
| ``tensor`` | ``tensor`` (N, h, w, c) float32, fitted and scaled | ``logits`` (N, classes) |
| ``features`` | ``image_bytes`` (N,) string | ``features`` (N, D) |
| ``classify`` | ``inputs`` (N,) string: tf.Example | ``classes``, ``scores`` (N, k) |

``image_bytes`` holds image files: JPEG, PNG, BMP, GIF or WebP. A tf.Example has such a file in its
feature ``image/encoded``. ``classify`` is what TensorFlow Serving's ``:classify`` asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from kerasnets.data import formats, images
from kerasnets.data.graphs import after, require
from kerasnets.data.marks import FORMATS
from kerasnets.export.names import ANSWER
from kerasnets.fast.rewriting import classifying_layer, logits_of
from kerasnets.inputs import Preprocessing, with_preprocessing

TOP = 5

Answer = dict[str, tf.Tensor]


class Signature(NamedTuple):
    """One question a SavedModel answers.

    Attributes:
        function: Takes the tensors that `inputs` describes, by name; returns tensors by name.
        inputs: Descriptions, whose names are the arguments' names.
    """

    function: Callable[..., Answer]
    inputs: tuple[tf.TensorSpec, ...]


def signatures(
    network: keras.Model, preprocessing: Preprocessing, class_names: tuple[str, ...]
) -> dict[str, Signature]:
    """Every signature of a network; see the module's table.

    Args:
        network: Network of logits, (N, classes).
        preprocessing: Preprocessing of the network.
        class_names: Names of the classes, by label.
    """
    shape = network.input_shape[1:]
    with_embedding = keras.Model(
        network.input, {"logits": logits_of(network), "features": embedding_of(network)}
    )
    on_pixels = with_preprocessing(with_embedding, preprocessing)
    channels = shape[-1]
    names = tf.constant(class_names)
    # Functions that several signatures call are traced and written once.
    run = tf.function(lambda pixels: _of_any_number(on_pixels, pixels))
    read = tf.function(lambda files: decoded(files, channels, preprocessing))

    def answer(pixels: tf.Tensor) -> Answer:
        probabilities = tf.nn.softmax(run(pixels)["logits"])
        scores, best = tf.math.top_k(probabilities, k=min(TOP, len(class_names)))
        values = (probabilities, tf.gather(names, best), scores)
        return dict(zip(ANSWER, values, strict=True))

    def serving_default(image_bytes: tf.Tensor) -> Answer:
        return answer(read(image_bytes))

    def of_images(images: tf.Tensor) -> Answer:
        return answer(fitted(images, channels, preprocessing))

    def of_tensor(tensor: tf.Tensor) -> Answer:
        return {"logits": _of_any_number(with_embedding, tensor)["logits"]}

    def features(image_bytes: tf.Tensor) -> Answer:
        return {"features": run(read(image_bytes))["features"]}

    def classify(inputs: tf.Tensor) -> Answer:
        wanted = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        files: Any = tf.io.parse_example(inputs, wanted)["image/encoded"]
        found = serving_default(files)
        return {"classes": found["top_classes"], "scores": found["top_scores"]}

    files = (tf.TensorSpec([None], tf.string, "image_bytes"),)
    return {
        "serving_default": Signature(serving_default, files),
        "images": Signature(of_images, (tf.TensorSpec([None, None, None, 3], tf.uint8, "images"),)),
        "tensor": Signature(of_tensor, (tf.TensorSpec([None, *shape], tf.float32, "tensor"),)),
        "features": Signature(features, files),
        "classify": Signature(classify, (tf.TensorSpec([None], tf.string, "inputs"),)),
    }


def classifier(
    network: keras.Model, preprocessing: Preprocessing, class_names: tuple[str, ...]
) -> Callable[[tf.Tensor], Answer]:
    """The function of the signature ``serving_default``, for a network that is not exported."""
    return signatures(network, preprocessing, class_names)["serving_default"].function


def _of_any_number(network: keras.Model, x: tf.Tensor) -> Answer:
    """A network's answer to a batch that may be empty, which oneDNN's fused convolutions refuse."""
    number = tf.shape(x)[0]
    # Where there is an image already, padding with nothing costs nothing.
    missing = tf.maximum(1 - number, 0)
    padded = tf.pad(x, tf.pad([[missing]], [[0, 3], [1, 0]]))
    padded = tf.ensure_shape(padded, (None, *x.shape[1:]))
    answer = network(padded, training=False)
    return {name: value[:number] for name, value in answer.items()}


def embedding_of(network: keras.Model) -> keras.KerasTensor:
    """What the network's classifier sees, averaged over height and width: (N, D)."""
    x: Any = classifying_layer(network).input
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(dtype="float32")(x)
    return x


def decoded(image_bytes: tf.Tensor, channels: int, preprocessing: Preprocessing) -> tf.Tensor:
    """Image files, (N,) strings, as evaluation sees them: (N, height, width, channels) uint8.

    The graph raises ``InvalidArgumentError`` where a file cannot be read, and names those in a
    batch of several that are no image files at all.
    """
    known = tf.reduce_any([formats.is_format(image_bytes, name) for name in FORMATS], axis=0)

    def refused() -> tf.Tensor:
        others = tf.where(~known)[:, 0]
        which = tf.strings.reduce_join(tf.strings.as_string(others), separator=", ")
        where = tf.strings.join(["; image_bytes, counted from 0: ", which])
        # Of one file alone it is no question which.
        where = tf.where(tf.size(known) > 1, where, "")
        words = tf.strings.join([formats.refusal(image_bytes[others[0]]), where])
        return after([require(tf.constant(False), words)], image_bytes)

    image_bytes = tf.cond(tf.reduce_all(known), lambda: image_bytes, refused)
    return _each(
        lambda encoded: images.fit(images.decode(encoded, channels), preprocessing),
        image_bytes,
        (*preprocessing.size, channels),
    )


def fitted(pixels: tf.Tensor, channels: int, preprocessing: Preprocessing) -> tf.Tensor:
    """Images of one size, (N, H, W, 3) uint8, at the network's: (N, height, width, channels)."""
    return _each(
        lambda image: images.fit(images.match_channels(image, channels), preprocessing),
        pixels,
        (*preprocessing.size, channels),
    )


def _each(function: Callable, elements: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """A function of one image on every image of a batch."""
    return tf.map_fn(function, elements, fn_output_signature=tf.TensorSpec(shape, tf.uint8))
