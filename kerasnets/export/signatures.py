"""What a SavedModel can be asked: its signatures, graphs with all of the preprocessing inside.

| signature | input | outputs |
| --- | --- | --- |
| ``serving_default`` | ``image_bytes`` (N,) string | see `ANSWER` |
| ``images`` | ``images`` (N, H, W, 3) uint8, any height and width | see `ANSWER` |
| ``tensor`` | ``tensor`` (N, h, w, c) float32, fitted and scaled | ``logits`` (N, classes) |
| ``features`` | ``image_bytes`` (N,) string | ``features`` (N, D) |
| ``classify`` | ``inputs`` (N,) string: tf.Example | ``classes``, ``scores`` (N, k) |
| ``explain`` | ``image_bytes`` (N,) string | see `EXPLANATION` |

For numbers ``serving_default`` and ``images`` give `NUMBERS`, and there is no ``classify`` and no
``explain``. Of several classes they give all as the top ones, and whether each
reaches its threshold: ``top_present`` (N, classes) bool.

``image_bytes`` holds image files: JPEG, PNG, BMP, GIF or WebP. A tf.Example has such a file in its
feature ``image/encoded``. ``classify`` is what TensorFlow Serving's ``:classify`` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from kerasnets.data import formats, images
from kerasnets.data.graphs import after, require
from kerasnets.data.marks import FORMATS
from kerasnets.explanation.cams import grad_cam
from kerasnets.explanation.classifier import Classifier
from kerasnets.export.names import ANSWER, EXPLANATION, NUMBERS, PRESENT
from kerasnets.fast.rewriting import classifying_layer, predictions_of, with_logits
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.tasks import TASKS, Task

TOP = 5
# From logits to answers, by the tasks' names of them.
ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "softmax": tf.nn.softmax,
    "sigmoid": tf.nn.sigmoid,
    "linear": tf.identity,
}

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
    network: keras.Model,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    task: Task = TASKS["classification"],
    thresholds: Sequence[float] = (),
) -> dict[str, Signature]:
    """Every signature of a network; see the module's table.

    Args:
        network: Network of logits, (N, classes), or of what the task's activation makes of them.
        preprocessing: Preprocessing of the network.
        class_names: Names of the classes, by label; for regression, of the numbers.
        task: What the network was trained for.
        thresholds: From which probability on each of several classes is present, by label; 0.5 if
            not given.
    """
    network = with_logits(network, task.activation)
    shape = network.input_shape[1:]
    before, behind = divided(network)
    on_pixels = with_preprocessing(before, preprocessing)
    channels = shape[-1]
    names = tf.constant(class_names)
    limits = tf.constant(list(thresholds) or [0.5] * len(class_names), tf.float32)
    # Functions that several signatures call are traced and written once.
    start = tf.function(lambda pixels: on_pixels(pixels, training=False))
    run = tf.function(lambda pixels: _of_any_number(lambda some: end(start(some)), pixels))
    read = tf.function(lambda files: decoded(files, channels, preprocessing))

    def end(found: Answer) -> Answer:
        return {**found, **behind(found["maps"], training=False)}

    activation = ACTIVATIONS[task.activation]

    def answer(pixels: tf.Tensor) -> Answer:
        probabilities = activation(run(pixels)["logits"])
        if task.answers == "values":
            rows = tf.repeat(names[tf.newaxis], tf.shape(probabilities)[0], axis=0)
            return dict(zip(NUMBERS, (rows, probabilities), strict=True))
        several = task.activation == "sigmoid"
        most = len(class_names) if several else min(TOP, len(class_names))
        scores, best = tf.math.top_k(probabilities, k=most)
        values = (probabilities, tf.gather(names, best), scores)
        found: Answer = dict(zip(ANSWER, values, strict=True))
        return {**found, PRESENT: scores >= tf.gather(limits, best)} if several else found

    def serving_default(image_bytes: tf.Tensor) -> Answer:
        return answer(read(image_bytes)[0])

    def of_images(images: tf.Tensor) -> Answer:
        return answer(fitted(images, channels, preprocessing))

    def of_tensor(tensor: tf.Tensor) -> Answer:
        found = _of_any_number(lambda some: end(before(some, training=False)), tensor)
        return {"logits": found["logits"]}

    def features(image_bytes: tf.Tensor) -> Answer:
        return {"features": run(read(image_bytes)[0])["features"]}

    def classify(inputs: tf.Tensor) -> Answer:
        wanted = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        files: Any = tf.io.parse_example(inputs, wanted)["image/encoded"]
        found = serving_default(files)
        return {"classes": found["top_classes"], "scores": found["top_scores"]}

    def explain(image_bytes: tf.Tensor) -> Answer:
        def found(pixels: tf.Tensor) -> Answer:
            maps = start(pixels)["maps"]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(maps)
                logits = behind(maps, training=False)["logits"]
                best = tf.argmax(logits, axis=1)
                score = tf.gather(logits, best, axis=1, batch_dims=1)
            gradients = tf.cast(tape.gradient(score, maps), tf.float32)
            positive = tf.nn.relu(grad_cam(tf.cast(maps, tf.float32), gradients))
            most = tf.reduce_max(positive, axis=(1, 2), keepdims=True)
            scores = tf.reduce_max(activation(logits), axis=1)
            values = (tf.gather(names, best), scores, tf.math.divide_no_nan(positive, most))
            return dict(zip(EXPLANATION, values, strict=False))

        pixels, sides = read(image_bytes)
        parts = images.seen_part(sides, preprocessing)
        return {**_of_any_number(found, pixels), EXPLANATION[-1]: parts}

    files = (tf.TensorSpec([None], tf.string, "image_bytes"),)
    found = {
        "serving_default": Signature(serving_default, files),
        "images": Signature(of_images, (tf.TensorSpec([None, None, None, 3], tf.uint8, "images"),)),
        "tensor": Signature(of_tensor, (tf.TensorSpec([None, *shape], tf.float32, "tensor"),)),
        "features": Signature(features, files),
        "classify": Signature(classify, (tf.TensorSpec([None], tf.string, "inputs"),)),
        "explain": Signature(explain, files),
    }
    if task.answers == "values":
        del found["classify"], found["explain"]
    return found


def classifier(
    network: keras.Model,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    task: Task = TASKS["classification"],
    thresholds: Sequence[float] = (),
) -> Callable[[tf.Tensor], Answer]:
    """The function of the signature ``serving_default``, for a network that is not exported."""
    found = signatures(network, preprocessing, class_names, task, thresholds)
    return found["serving_default"].function


def _of_any_number(function: Callable[[tf.Tensor], Answer], x: tf.Tensor) -> Answer:
    """An answer to a batch that may be empty, which oneDNN's fused convolutions refuse."""
    number = tf.shape(x)[0]
    # Where there is an image already, padding with nothing costs nothing.
    missing = tf.maximum(1 - number, 0)
    padded = tf.pad(x, tf.pad([[missing]], [[0, 3], [1, 0]]))
    padded = tf.ensure_shape(padded, (None, *x.shape[1:]))
    return {name: value[:number] for name, value in function(padded).items()}


def divided(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """A network up to the maps that `kerasnets.explain` takes by default, and from there on.

    Returns:
        A model from images to ``maps``, and one from maps to ``logits``. The ``features`` are
        among the outputs of the one that computes them.
    """
    layer: Any = Classifier(network).default_layer
    maps = network.input if layer is None else layer.output
    before, behind = {"maps": maps}, {"logits": predictions_of(network)}
    # The classifying layer of Network in Network makes the last maps.
    early = layer and network.layers.index(classifying_layer(network)) <= network.layers.index(
        layer
    )
    (before if early else behind)["features"] = embedding_of(network)
    return keras.Model(network.input, before), keras.Model(maps, behind)


def embedding_of(network: keras.Model) -> keras.KerasTensor:
    """What the network's classifier sees, averaged over height and width: (N, D)."""
    x: Any = classifying_layer(network).input
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D(dtype="float32")(x)
    return x


def decoded(
    image_bytes: tf.Tensor, channels: int, preprocessing: Preprocessing
) -> tuple[tf.Tensor, tf.Tensor]:
    """Image files, (N,) strings, as evaluation sees them: (N, height, width, channels) uint8.

    Their own heights and widths come with them, (N, 2) int32.

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

    def fit(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = images.decode(encoded, channels)
        return images.fit(image, preprocessing), tf.shape(image)[:2]

    pixels = tf.TensorSpec((*preprocessing.size, channels), tf.uint8)
    return tf.map_fn(fit, image_bytes, fn_output_signature=(pixels, tf.TensorSpec((2,), tf.int32)))


def fitted(pixels: tf.Tensor, channels: int, preprocessing: Preprocessing) -> tf.Tensor:
    """Images of one size, (N, H, W, 3) uint8, at the network's: (N, height, width, channels)."""
    return tf.map_fn(
        lambda image: images.fit(images.match_channels(image, channels), preprocessing),
        pixels,
        fn_output_signature=tf.TensorSpec((*preprocessing.size, channels), tf.uint8),
    )
