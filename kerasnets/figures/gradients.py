"""The gradients of a batch by layer: Glorot, Bengio 2010, section 4.2: where they vanish or explode
on their way back.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.explanation.graph import functional, layers_of
from kerasnets.figures.view import (
    BLUE,
    GREY,
    ORANGE,
    View,
    model_name,
    name_layers,
    new_figure,
)
from kerasnets.plotting import plain_log_ticks


def gradients(model: keras.Model, images: Any, labels: Any, *, loss: Any = None) -> View:
    """The norms of the loss's gradient by the weights of each layer, on one batch, as in training.

    Batch norms take their statistics from the batch, dropout drops. Nothing of the model changes.
    The loss is that of the predictions; auxiliary classifiers do not count.

    Args:
        model: A functional or sequential classifier; logits, or probabilities.
        images: (N, H, W, C), as the model takes them.
        labels: (N,) integers.
        loss: ``loss(labels, output)``; by default the mean cross-entropy.

    Returns:
        A view of ``gradient`` and ``weight`` (layers,), Euclidean norms over all trained weights of
        a layer, and ``ratio``, their quotient. The table names the layers.

    Raises:
        UserError: When the model has no weights, or the labels do not fit the images.
    """
    model = functional(model)
    if len(images) != len(labels):
        raise UserError(f"{len(images)} images need as many labels. Received: {len(labels)}.")
    labels = np.asarray(labels)
    # BatchNorms' statistics and the seeds are arguments here, whose updates are thrown away.
    trained = [variable.value for variable in model.trainable_variables]
    fixed = [variable.value for variable in model.non_trainable_variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(trained)
        output: Any = model.stateless_call(trained, fixed, images, training=True)[0]
        output = output["predictions"] if isinstance(output, dict) else output
        value = (loss or _cross_entropy)(labels, tf.cast(output, tf.float32))
    found = tape.gradient(value, trained)
    # By the variable itself: two models inside one may have weights of the same path.
    of_weight = {
        id(variable): gradient
        for variable, gradient in zip(model.trainable_variables, found, strict=True)
        if gradient is not None
    }
    rows = []
    for layer in layers_of(model):
        # What flips colours is an operation and no layer.
        own = [each for each in getattr(layer, "trainable_variables", ()) if id(each) in of_weight]
        if own:
            norms = _norm([of_weight[id(each)] for each in own]), _norm(own)
            rows.append((layer.name, *norms, any(len(each.shape) > 1 for each in own)))
    if not rows:
        raise UserError(f"{model.name} has no weights that are trained.")
    names, gradient, weight, kernels = zip(*rows, strict=True)
    gradient, weight = np.array(gradient), np.array(weight)
    ratio = gradient / np.maximum(weight, 1e-30)
    arrays = {"gradient": gradient, "weight": weight, "ratio": ratio}
    table = {"layer": list(names)} | {name: each.tolist() for name, each in arrays.items()}
    title = f"{model_name(model)}: gradients of {len(images)} images, loss {float(value):.3g}"
    return View(arrays, _drawn(names, arrays, np.array(kernels), title), table)


def _cross_entropy(labels: Any, output: Any) -> Any:
    """Of probabilities where the rows are such, of logits otherwise."""
    sums = tf.reduce_sum(output, axis=1)
    of_logits = bool(tf.reduce_any(output < 0) | tf.reduce_any(tf.abs(sums - 1) > 1e-3))
    losses: Any = keras.losses
    return tf.reduce_mean(
        losses.sparse_categorical_crossentropy(labels, output, from_logits=of_logits)
    )


def _norm(tensors: list[Any]) -> float:
    squares = [np.square(keras.ops.convert_to_numpy(x).astype(np.float64)).sum() for x in tensors]
    return float(np.sqrt(sum(squares)))


def _drawn(
    names: tuple[str, ...], arrays: dict[str, np.ndarray], kernels: np.ndarray, title: str
) -> Any:
    figure = new_figure(9, 5.5, title)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, name, colour in ((upper, "gradient", BLUE), (lower, "ratio", ORANGE)):
        values = np.where(arrays[name] > 0, arrays[name], np.nan)
        # Norms and biases alone differ from kernels in size, so that one line would zigzag.
        places = np.flatnonzero(kernels)
        axes.plot(places, values[places], "o-", color=colour, ms=4, lw=1.2, label="with kernels")
        places = np.flatnonzero(~kernels)
        axes.plot(places, values[places], ".", color=GREY, ms=5, label="normalisation and others")
    upper.set_ylabel("norm of the gradient")
    lower.set_ylabel("gradient / weights")
    upper.legend(fontsize=8, ncols=2, frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    for axes in (upper, lower):
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)
        axes.grid(color="0.9")
    name_layers(lower.xaxis, list(names))
    lower.tick_params(axis="x", rotation=90)
    lower.set_xlabel("layer, from the image to the logits")
    return figure
