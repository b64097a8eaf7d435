"""Class activation maps: the maps of a layer, weighted by what they mean to a class.

Each method is a function of the layer's maps A and of the gradients G of the class's logit by
them, both (N, h, w, K), that returns (N, h, w). `cam` alone needs no gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.explanation.classifier import Classifier, Layer, checked_classes, checked_images
from kerasnets.explanation.graph import first, functional, is_graph
from kerasnets.explanation.methods import LayerMethod
from kerasnets.fast.rewriting import inference_maker_of

Maps = Any


def grad_cam(maps: Maps, gradients: Maps) -> Maps:
    """Weights are the averages of the gradients.

    Selvaraju et al. 2017, "Grad-CAM: visual explanations from deep networks via gradient-based
    localization", arXiv 1610.02391, equations 1 and 2.
    """
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    return tf.reduce_sum(weights * maps, axis=3)


def grad_cam_plus_plus(maps: Maps, gradients: Maps) -> Maps:
    """Weights are sums of the positive gradients, each by how much it stands out in its map.

    Chattopadhay et al. 2018, "Grad-CAM++: improved visual explanations for deep convolutional
    networks", arXiv 1710.11063, equations 5 and 19: the score is the exponential of the logit,
    whose derivatives are powers of G up to a factor.
    """
    sums = tf.reduce_sum(maps, axis=(1, 2), keepdims=True)
    alphas = gradients**2 / (2 * gradients**2 + sums * gradients**3 + 1e-6)
    # Where a sum is negative the denominator may vanish with the gradient.
    alphas = tf.where(gradients == 0, 0.0, alphas)
    weights = tf.reduce_sum(alphas * tf.nn.relu(gradients), axis=(1, 2), keepdims=True)
    return tf.reduce_sum(weights * maps, axis=3)


def hires_cam(maps: Maps, gradients: Maps) -> Maps:
    """Each pixel of a map is weighted by its own gradient.

    Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations of
    convolutional neural networks", arXiv 2011.08891, equation 6.
    """
    return tf.reduce_sum(gradients * maps, axis=3)


def layer_cam(maps: Maps, gradients: Maps) -> Maps:
    """Each pixel of a map is weighted by its own gradient where that is positive.

    Jiang et al. 2021, "LayerCAM: exploring hierarchical class activation maps for localization",
    IEEE Transactions on Image Processing 30, equations 5 and 6.
    """
    return tf.reduce_sum(tf.nn.relu(gradients) * maps, axis=3)


def xgrad_cam(maps: Maps, gradients: Maps) -> Maps:
    """Weights are the averages of the gradients, each by its pixel's part of its map.

    Fu et al. 2020, "Axiom-based Grad-CAM: towards accurate visualization and explanation of CNNs",
    arXiv 2008.02312, equation 8.
    """
    sums = tf.reduce_sum(maps, axis=(1, 2), keepdims=True)
    parts = maps / (sums + 1e-7)
    weights = tf.reduce_sum(gradients * parts, axis=(1, 2), keepdims=True)
    return tf.reduce_sum(weights * maps, axis=3)


BY_GRADIENTS: dict[str, Callable[[Maps, Maps], Maps]] = {
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "hires_cam": hires_cam,
    "layer_cam": layer_cam,
    "xgrad_cam": xgrad_cam,
}


def cam(classifier: Classifier, images: Any, classes: Any, layer: str | None = None) -> Maps:
    """Weights are those of the class in the dense layer behind global average pooling.

    Zhou et al. 2016, "Learning deep features for discriminative localization", arXiv 1512.04150,
    equation 2. Where the averages are the logits, as in Network in Network, the class's map is it.

    Raises:
        UserError: When the network ends otherwise, or `layer` is not the one that is averaged.
    """
    pooled = _averaged_layer(classifier)
    if layer is not None and classifier.layer(layer) is not pooled:
        raise UserError(f"cam is for the layer {pooled.name!r}. Received: layer={layer!r}.")
    maps, logits, _ = classifier.gradients(images, classes, pooled)
    chosen = tf.argmax(logits, axis=1) if classes is None else classes
    last = classifier.logits_layer
    if not isinstance(last, keras.layers.Dense):
        return tf.gather(maps, tf.cast(chosen, tf.int32), axis=3, batch_dims=1)
    weights = tf.gather(tf.cast(last.kernel.value, tf.float32), chosen, axis=1)  # (K, N)
    return tf.einsum("nhwk,kn->nhw", maps, weights)


def _averaged_layer(classifier: Classifier) -> Layer:
    """The layer whose maps' averages are the logits, or all that their dense layer sees."""
    layer = classifier.logits_layer
    if isinstance(layer, keras.layers.Dense):
        layer = _maker(first(layer.input))
    if not isinstance(layer, keras.layers.GlobalAveragePooling2D):
        raise UserError(
            f"cam needs global average pooling and one dense layer at the end, which "
            f"{classifier.model.name} does not have; grad_cam does not."
        )
    return _maker(first(layer.input))


def _maker(x: keras.KerasTensor) -> Layer:
    """The layer that makes a tensor in inference; of a model inside the model, its last."""
    layer = inference_maker_of(x)
    while is_graph(layer):
        layer = inference_maker_of(first(functional(layer).outputs))
    return layer


def layer_maps(
    model: keras.Model,
    images: Any,
    method: LayerMethod = "grad_cam",
    class_index: Any = None,
    layer: str | None = None,
) -> np.ndarray:
    """The maps of `kerasnets.explain` before they are resized, of the size of a layer's maps.

    Negative values are set to zero, and each map is divided by its maximum; a map without positive
    values is zero. Pytorch-grad-cam also subtracts the smallest value that is left, which makes
    zero of what speaks for the class least.

    Args:
        model, images, method, class_index, layer: As `kerasnets.explain` takes them.

    Returns:
        (N, h, w) float32, in [0, 1].

    Raises:
        UserError: When the arguments do not fit the model.
    """
    classifier = Classifier(model)
    images = checked_images(classifier, images)
    classes = checked_classes(classifier, class_index, len(images))
    chosen = classifier.layer(layer)
    found = []
    step = classifier.batch(images)
    for start in range(0, len(images), step):
        some = slice(start, start + step)
        own = None if classes is None else classes[some]
        if method == "cam":
            maps = cam(classifier, images[some], own, layer)
        else:
            activations, _, gradients = classifier.gradients(images[some], own, chosen)
            maps = BY_GRADIENTS[method](activations, gradients)
        found.append(scaled(keras.ops.convert_to_numpy(maps)))
    return np.concatenate(found)


def scaled(maps: np.ndarray) -> np.ndarray:
    """Without negative values, and each map with a maximum of 1 where it is not zero."""
    maps = np.maximum(maps, 0)
    most = maps.max(axis=(1, 2), keepdims=True, initial=0)
    return np.divide(maps, most, out=np.zeros_like(maps, np.float32), where=most > 0)
