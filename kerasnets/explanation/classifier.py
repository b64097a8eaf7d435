"""A network as explanations see it: the maps of its layers, its logits, and their gradients."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.explanation.graph import (
    Layer,
    answer_of,
    first,
    functional,
    is_graph,
    is_map,
    layers_of,
    named,
    run_watching,
)
from kerasnets.fast.rewriting import does_nothing
from kerasnets.inspection.memory import batch_within
from kerasnets.layers.adaptive_pooling import AdaptiveAveragePooling2D
from kerasnets.layers.ceil_pooling import CeilPooling2D
from kerasnets.private import maker_of

# They return the maps before them, coarser or with margins.
SAME_MAPS = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    AdaptiveAveragePooling2D,
    CeilPooling2D,
    keras.layers.ZeroPadding2D,
)


class Classifier:
    """A network of images, (N, H, W, C), whose layers can be looked into while it computes.

    Models inside it count as their layers. The network computes in its own precision, as in
    inference; logits and gradients are returned in float32. Neither it nor its layers are changed.

    Args:
        model: A functional or sequential model that gives logits or probabilities, (N, classes).

    Raises:
        UserError: When it is another kind of model.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = functional(model)
        self.logits_layer = _logits_layer(self.model)
        self.classes: int = first(self.logits_layer.output).shape[-1]
        self.layers = tuple(layers_of(self.model))

    @functools.cached_property
    def default_layer(self) -> Layer | None:
        """The last layer that all ways to the logits pass, with maps larger than one pixel.

        Pooling, padding and dropout do not count. ``None``, the images themselves, where no layer
        has such maps.
        """
        for layer in (*_passed_by_all(self.model), *reversed(self.layers)):
            if _has_maps(layer) and not isinstance(layer, SAME_MAPS) and not does_nothing(layer):
                return layer
        return None

    def layer(self, name: str | None) -> Layer | None:
        """The layer of a name, by default `default_layer`.

        Raises:
            UserError: When there is none, or it has no maps.
        """
        return self.default_layer if name is None else named(self.model, name, maps=True)

    def logits(self, images: Any) -> tf.Tensor:
        """(N, classes) float32."""
        return self._run(images, None, None)[0]

    def logits_of_many(self, images: np.ndarray) -> np.ndarray:
        """The same, in batches."""
        step = self.batch(images)
        starts = range(0, len(images), step)
        found = [self.logits(images[start : start + step]) for start in starts]
        return np.concatenate([keras.ops.convert_to_numpy(each) for each in found])

    def gradients(
        self, images: Any, classes: Any = None, layer: Layer | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """What a layer gives, the logits, and the gradient of one of them by what it gives.

        Args:
            images: (N, H, W, C).
            classes: The class of each image, (N,); by default the predicted one.
            layer: By default the images take the place of its maps.

        Returns:
            Maps (N, h, w, K), logits (N, classes) and gradients (N, h, w, K), float32.
        """
        # Nothing is recorded before the layer, where nothing is needed.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            logits, maps = self._run(images, layer, tape)
            chosen = tf.argmax(logits, axis=1) if classes is None else classes
            score = tf.gather(logits, tf.cast(chosen, tf.int32), axis=1, batch_dims=1)
        gradient = tape.gradient(score, maps)
        if gradient is None:
            name = "images" if layer is None else layer.name
            raise UserError(f"The logits of {self.model.name} do not depend on {name!r}.")
        return tf.cast(maps, tf.float32), logits, tf.cast(gradient, tf.float32)

    def _run(
        self, images: Any, layer: Layer | None, tape: tf.GradientTape | None
    ) -> tuple[tf.Tensor, Any]:
        """The logits, and what a layer gives, on a tape from there on."""
        # Models of raw pixels take uint8, which has no gradient; their first layer takes floats.
        images = tf.cast(images, tf.float32)
        logits: tf.Tensor | None = None
        maps = images
        if tape is not None and layer is None:
            tape.watch(images)

        def watch(operation: Any, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal logits, maps
            if operation is self.logits_layer:
                logits = _without_activation(operation, inputs[0], output)
            if operation is layer and tape is not None:
                maps = output
                tape.watch(maps)

        run_watching(self.model, images, watch)
        assert logits is not None  # as `logits_layer` is on the way
        return tf.cast(logits, tf.float32), maps

    def batch(self, images: np.ndarray) -> int:
        """Number of images at a time within the budget of memory.

        A graph that runs layer by layer keeps all activations to the end.

        Args:
            images: Some of them, or one; (..., H, W, C).
        """
        return batch_within(self.model, kept=True, size=images.shape[-3:-1])


def checked_images(classifier: Classifier, images: Any) -> np.ndarray:
    """Images as an array.

    Raises:
        UserError: When they are not what the network takes.
    """
    images, expected = np.asarray(images), classifier.model.input_shape[1:]
    fits = images.ndim == 4 and all(
        side in (None, given) for side, given in zip(expected, images.shape[1:], strict=True)
    )
    if not fits or not np.issubdtype(images.dtype, np.number):
        shape = ", ".join("any" if side is None else str(side) for side in expected)
        raise UserError(
            f"{classifier.model.name} takes images of the shape (N, {shape}), numbers. Received: "
            f"{images.shape}, {images.dtype}."
        )
    if not len(images):
        raise UserError("Give one image at least. Received: none.")
    return images


def checked_classes(classifier: Classifier, class_index: Any, count: int) -> np.ndarray | None:
    """The class of each image, (N,); ``None`` for the predicted ones.

    Raises:
        UserError: When there is no such class, or not one for each image.
    """
    if class_index is None:
        return None
    given = np.asarray(class_index)
    if not np.issubdtype(given.dtype, np.integer) or given.shape not in ((), (count,)):
        raise UserError(
            f"class_index must be an index, or one for each of the {count} images. Received: "
            f"{class_index!r}."
        )
    for index in given.ravel():
        if not 0 <= index < classifier.classes:
            raise UserError(
                f"{classifier.model.name} has the classes 0 to {classifier.classes - 1}. Received: "
                f"class_index={index}."
            )
    return np.broadcast_to(given, (count,))


def _logits_layer(model: keras.Model) -> Layer:
    """The layer that gives the logits, whatever makes probabilities of them."""
    answer = answer_of(model)
    if len(keras.tree.flatten(answer)) != 1 or len(first(answer).shape) != 2:
        shapes = [tuple(x.shape) for x in keras.tree.flatten(answer)]
        raise UserError(
            f"{model.name} is no classifier: expected an output of (N, classes). Received: "
            f"{', '.join(map(str, shapes))}."
        )
    layer = maker_of(first(answer))
    while isinstance(layer, (keras.layers.Activation, keras.layers.Softmax)):
        layer = maker_of(first(layer.input))
    return _logits_layer(functional(layer)) if is_graph(layer) else layer


def _passed_by_all(model: keras.Model) -> Iterator[Layer]:
    """The layers without which nothing leads to the answer, the last one first."""
    needed = {id(x) for x in keras.tree.flatten(answer_of(model))}
    for operation in reversed(keras.Model(model.inputs, answer_of(model)).operations):
        given = {id(x) for x in keras.tree.flatten(operation.output)}
        passed = needed <= given
        if isinstance(operation, keras.layers.InputLayer):
            continue
        needed = needed - given | {id(x) for x in keras.tree.flatten(operation.input)}
        if passed and is_graph(operation):
            yield from _passed_by_all(functional(operation))
        elif passed:
            yield operation


def _without_activation(layer: Layer, x: Any, output: Any) -> Any:
    """What a dense layer gives before its activation, which may be softmax; others as they are."""
    activation = getattr(layer, "activation", None)
    if not isinstance(layer, keras.layers.Dense) or activation is keras.activations.linear:
        return output
    # Its weights may be of half precision.
    x, kernel = tf.cast(x, tf.float32), tf.cast(layer.kernel.value, tf.float32)
    x = tf.matmul(x, kernel)
    return x if layer.bias is None else x + tf.cast(layer.bias.value, tf.float32)


def _has_maps(layer: Layer) -> bool:
    """Whether a layer's maps are larger than one pixel, or may be."""
    return is_map(layer) and any(side != 1 for side in first(layer.output).shape[1:3])
