"""The same network in fewer steps, for inference alone: batch norm folded into convolutions.

In inference batch norm is ``s x + t`` with a factor and a term for each channel.

*Behind* a convolution that nothing else reads, both go into its kernel and bias:
``s (w * x + b) + t = (s w) * x + (s b + t)``. This is exact but for rounding.

*Before* a convolution (ResNet v2, DenseNet) a ReLU lies between the two; ``relu(s x + t)`` is no
linear function of x, so it cannot go into the kernel that follows. There the batch norm becomes
the operation that TensorFlow computes in one pass over memory, the ReLU included.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from kerasnets.layers import GroupedConv2D, Rematerialize, StochasticDepth

Layer = keras.layers.Layer


def folded(network: keras.Model) -> keras.Model:
    """A network for inference with the same answers and fewer layers.

    Dropout and other layers that do nothing in inference are left out.

    Args:
        network: A functional model in which each layer is used once; it is not changed.

    Returns:
        A model of the same input and outputs with weights of its own.
    """
    plan = _Plan(network)

    def replacement(layer: Layer) -> Layer | None:
        gone = layer in plan.gone or does_nothing(layer)
        return None if gone else plan.replacement(layer)

    return rebuilt(network, replacement)


def in_precision(network: keras.Model, dtype: str) -> keras.Model:
    """A network whose weights and sums are of another type, but for its classifier.

    Args:
        network: A functional model; it is not changed.
        dtype: ``"bfloat16"`` or ``"float16"``.
    """
    names = [layer.name for layer in network.layers]
    kept = names[names.index(classifying_layer(network).name) :]
    return rebuilt(
        network, lambda layer: copied(layer, {} if layer.name in kept else {"dtype": dtype})
    )


def rebuilt(network: keras.Model, replacement: Callable[[Layer], Callable | None]) -> keras.Model:
    """A model of the same input with another layer in the place of each; ``None`` leaves it out.

    What a layer that is left out returned is then its first input.
    """
    tensors = {id(x): x for x in keras.tree.flatten(network.input)}
    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        x = keras.tree.map_structure(lambda x: tensors[id(x)], layer.input)
        new = replacement(layer)
        tensors[id(layer.output)] = keras.tree.flatten(x)[0] if new is None else new(x)
    outputs = keras.tree.map_structure(lambda x: tensors[id(x)], network.output)
    return keras.Model(network.input, outputs, name=network.name)


def classifying_layer(network: keras.Model) -> Layer:
    """The last layer with weights on the way to the logits."""
    layer = logits_of(network)._keras_history.operation
    while not layer.weights:
        layer = layer.input._keras_history.operation
    return layer


def logits_of(network: keras.Model) -> keras.KerasTensor:
    """The network's answer, (N, classes), without those of its side classifiers."""
    output = network.output
    return output["predictions"] if isinstance(output, dict) else output


def copied(
    layer: Layer,
    changes: dict | None = None,
    weights: list | None = None,
    shape: tuple[int | None, ...] | None = None,
) -> Layer:
    """A layer of its own with a changed configuration, and with the same weights or others.

    Args:
        layer: What is copied.
        changes: To its configuration.
        weights: Its own by default.
        shape: Of its input, if that is another one.
    """
    kind, config = type(layer), {**layer.get_config(), **(changes or {})}
    if kind is keras.layers.Conv2D and config["use_bias"]:
        kind = BiasedConv2D
    if kind is keras.layers.BatchNormalization and _is_of_channels(layer):
        kind = FusedBatchNormalization
    copy = kind.from_config(config)
    copy.build(shape or keras.tree.map_structure(lambda x: x.shape, layer.input))
    copy.set_weights(layer.get_weights() if weights is None else weights)
    return copy


class _Plan:
    """Which layers of a network go, and what the others become.

    Attributes:
        gone: Layers whose work others do.
        kernels: New kernels and biases of convolutions and dense layers, in double precision.
    """

    def __init__(self, network: keras.Model) -> None:
        self.gone: set[Layer] = set()
        self.kernels: dict[Layer, tuple[np.ndarray, np.ndarray]] = {}
        readers = readers_of(network)
        for layer in network.layers:
            behind = readers.get(layer, [])
            if _is_linear(layer) and len(behind) == 1 and _is_norm(behind[0]):
                self._fold_behind(layer, behind[0])

    def replacement(self, layer: Layer) -> Layer:
        """A layer of its own that does the work of `layer` and of those folded into it."""
        if layer in self.kernels:
            return copied(layer, {"use_bias": True}, list(self.kernels[layer]))
        return copied(layer)

    def _kernel(self, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
        """Kernel and bias as they are so far."""
        if layer in self.kernels:
            return self.kernels[layer]
        kernel, *bias = (weight.astype("float64") for weight in layer.get_weights())
        return kernel, bias[0] if bias else np.zeros(layer.output.shape[-1])

    def _fold_behind(self, layer: Layer, norm: Layer) -> None:
        kernel, bias = self._kernel(layer)
        factor, term = _affine(norm)
        # A depthwise kernel is (H, W, C, M) and makes the channels (C, M).
        shape = kernel.shape[2:] if isinstance(layer, keras.layers.DepthwiseConv2D) else (-1,)
        self.kernels[layer] = kernel * factor.reshape(shape), bias * factor + term
        self.gone.add(norm)


class BiasedConv2D(keras.layers.Conv2D):
    """``Conv2D`` with a bias that TensorFlow computes in one step with a ReLU behind it.

    TensorFlow fuses convolution, ``BiasAdd`` and ``Relu`` on CPU; Keras adds the bias with a plain
    sum, which is left alone.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = self.convolution_op(inputs, self.kernel)
        return self.activation(tf.nn.bias_add(x, keras.ops.convert_to_tensor(self.bias)))


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """``BatchNormalization`` for inference that TensorFlow computes in one step with a ReLU.

    Keras multiplies and adds, each a pass over memory of its own.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        mean, variance = (_single(x) for x in (self.moving_mean, self.moving_variance))
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=_single(self.gamma) if self.scale else tf.ones_like(mean),
            offset=_single(self.beta) if self.center else tf.zeros_like(mean),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=False,
        ).y


def _single(weight: keras.Variable) -> tf.Tensor:
    """In single precision, which the operation takes whatever its input's."""
    return keras.ops.cast(weight.value, "float32")


def does_nothing(layer: Layer) -> bool:
    """Whether a layer returns its first input in inference."""
    if isinstance(layer, StochasticDepth):
        return layer.rescale == "training"
    return isinstance(layer, (keras.layers.Dropout, Rematerialize))


def readers_of(network: keras.Model) -> dict[Layer, list[Layer | None]]:
    """The layers that read each layer's output in inference; ``None`` for the network's output."""
    readers: dict[Layer, list[Layer | None]] = {}
    for layer in network.layers:
        if not isinstance(layer, keras.layers.InputLayer) and not does_nothing(layer):
            for x in keras.tree.flatten(layer.input):
                readers.setdefault(maker_of(x), []).append(layer)
    for x in keras.tree.flatten(network.output):
        readers.setdefault(maker_of(x), []).append(None)
    return readers


def maker_of(x: keras.KerasTensor) -> Layer:
    """The layer that makes a tensor in inference."""
    layer = x._keras_history.operation
    while does_nothing(layer):
        layer = keras.tree.flatten(layer.input)[0]._keras_history.operation
    return layer


def _is_linear(layer: Layer) -> bool:
    kinds = (
        keras.layers.Conv2D,
        keras.layers.Dense,
        keras.layers.DepthwiseConv2D,
        GroupedConv2D,
    )
    return isinstance(layer, kinds) and layer.activation is keras.activations.linear


def is_pointwise(layer: Layer | None) -> bool:
    """Whether a layer is a 1x1 convolution, at any one stride."""
    if not isinstance(layer, keras.layers.Conv2D):
        return False
    return layer.kernel_size == (1, 1) and layer.groups == 1 and len(set(layer.strides)) == 1


def _is_norm(layer: Layer | None) -> bool:
    if not isinstance(layer, keras.layers.BatchNormalization):
        return False
    return layer.axis in (-1, len(layer.input.shape) - 1)


def _is_of_channels(norm: Layer) -> bool:
    """Whether a batch norm is of the last axis of (N, H, W, C)."""
    return len(norm.input.shape) == 4 and _is_norm(norm)


def _affine(norm: Layer) -> tuple[np.ndarray, np.ndarray]:
    """The factor and the term of a batch norm for each channel, in double precision."""
    mean, variance = _double(norm.moving_mean), _double(norm.moving_variance)
    factor = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        factor *= _double(norm.gamma)
    term = -mean * factor
    if norm.center:
        term += _double(norm.beta)
    return factor, term


def _double(weight: keras.Variable) -> np.ndarray:
    return keras.ops.convert_to_numpy(weight).astype("float64")
