"""`kerasnets.explain`: where in an image a network finds a class."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasnets.errors import UserError, unknown
from kerasnets.explanation.methods import LAYER_METHODS, METHODS, Method
from kerasnets.lazy import check_backend, keras, tf


def explain(
    model: keras.Model,
    images: Any,
    method: Method = "grad_cam",
    class_index: Any = None,
    layer: str | None = None,
) -> np.ndarray:
    """Maps of what in each image speaks for a class.

    >>> model = kerasnets.build("resnet50", weights="imagenet")
    >>> maps = kerasnets.explain(model, images)  # (N, 224, 224), of the predicted classes

    The network computes in its own precision, in batches within 1 GiB of activations; sums and
    averages are in float32 or above. Gradients are those of logits, also where the model ends in
    softmax.

    Args:
        model: A functional or sequential classifier: a network of `kerasnets.build`, one of
            `kerasnets.with_preprocessing`, `Run.network()`, or your own.
        images: (N, H, W, C), as the model takes them: scaled, or raw pixels for a model of
            `kerasnets.with_preprocessing`.
        method: ``"cam"``, ``"grad_cam"``, ``"grad_cam_plus_plus"``, ``"hires_cam"``,
            ``"layer_cam"`` and ``"xgrad_cam"`` weight the maps of a layer;
            ``"smooth_grad"``, ``"integrated_gradients"`` and ``"occlusion"`` ask the pixels.
            `kerasnets.explanation` has the sources.
        class_index: Index of the class, or one for each image; the predicted ones by default.
        layer: Name of the layer whose maps are taken, also one inside a model inside the model;
            by default the last one with maps larger than one pixel, pooling aside.

    Returns:
        (N, H, W) float32. Maps of a layer are without their negative values, divided by their
        maximum, then resized to the images' size (bilinear): in [0, 1]. ``"smooth_grad"`` is
        divided by its maximum too. ``"integrated_gradients"`` and ``"occlusion"`` are in logits,
        with both signs: the former sum to the logit's difference from an image of zeros, the
        latter is how far the logit falls where the pixel is hidden.

    Raises:
        UserError: When the model is no classifier, there is no such method, class or layer, the
            layer has no maps, the images do not fit, or Keras runs on another backend than
            TensorFlow.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    check_backend("tensorflow")
    if method in LAYER_METHODS:
        from kerasnets.explanation.cams import layer_maps

        maps = layer_maps(model, images, method, class_index, layer)  # pyright: ignore[reportArgumentType]  # one of LAYER_METHODS
        sides = np.shape(images)[1:3]
        # Image by image: all maps at once would be held twice.
        resized = np.empty((len(maps), *sides), np.float32)
        for place, each in enumerate(maps):
            resized[place] = tf.image.resize(each[..., None], sides)[..., 0]
        return resized
    if layer is not None:
        raise UserError(f"{method} asks the pixels, no layer. Received: layer={layer!r}.")
    return _pixel_maps(model, images, method, class_index)


def _pixel_maps(model: keras.Model, images: Any, method: str, class_index: Any) -> np.ndarray:
    from kerasnets.explanation import pixels
    from kerasnets.explanation.cams import scaled
    from kerasnets.explanation.classifier import Classifier, checked_classes, checked_images

    classifier = Classifier(model)
    images = checked_images(classifier, images)
    classes = checked_classes(classifier, class_index, len(images))
    if classes is None:
        classes = classifier.logits_of_many(images).argmax(axis=1)
    maps = np.empty(images.shape[:3], np.float32)
    for place, image in enumerate(images):
        maps[place] = getattr(pixels, method)(classifier, image, int(classes[place]))
    return scaled(maps) if method == "smooth_grad" else maps
