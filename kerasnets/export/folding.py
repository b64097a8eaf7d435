"""The same network in fewer steps, for inference alone: batch norm folded into convolutions.

In inference batch norm is ``s x + t`` with a factor and a term for each channel.

*Behind* a convolution that nothing else reads, both go into its kernel and bias:
``s (w * x + b) + t = (s w) * x + (s b + t)``. This is exact but for rounding.

*Before* a convolution (ResNet v2, DenseNet) a ReLU lies between the two; ``relu(s x + t)`` is no
linear function of x, so it cannot go into the kernel that follows. It can be split, though:
``relu(s x + t) = s clip(x) + t``, where the clip is from below at ``-t / s`` for s > 0 and from
above for s < 0. What is left of the batch norm and the ReLU is the clip; s and t go into the
convolution behind it. That holds where the convolution pads nothing (its zeros would have to be
``-t / s``), so for all 1x1 convolutions. Elsewhere the batch norm stays.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from kerasnets.layers import GroupedConv2D, Rematerialize, StochasticDepth

Layer = keras.layers.Layer


def folded(network: keras.Model, *, clip: bool = True) -> keras.Model:
    """A network for inference with the same answers and fewer layers.

    Dropout and other layers that do nothing in inference are left out.

    Args:
        network: A functional model in which each layer is used once; it is not changed.
        clip: Whether batch norms before convolutions are split, see above. It costs precision in
            types of less than 32 bits.

    Returns:
        A model of the same input and outputs with weights of its own.
    """
    plan = _Plan(network, clip)

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
        network, lambda layer: _copied(layer, {} if layer.name in kept else {"dtype": dtype})
    )


def rebuilt(network: keras.Model, replacement: Callable[[Layer], Layer | None]) -> keras.Model:
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


def _copied(layer: Layer, changes: dict, weights: list | None = None) -> Layer:
    """A layer of its own with a changed configuration, and with the same weights or others."""
    kind, config = type(layer), {**layer.get_config(), **changes}
    if kind is keras.layers.Conv2D and config["use_bias"]:
        kind = BiasedConv2D
    copy = kind.from_config(config)
    copy.build(keras.tree.map_structure(lambda x: x.shape, layer.input))
    copy.set_weights(layer.get_weights() if weights is None else weights)
    return copy


class _Plan:
    """Which layers of a network go, and what the others become.

    Attributes:
        gone: Layers whose work others do.
        kernels: New kernels and biases of convolutions and dense layers, in double precision.
        clips: The clip that each split batch norm becomes.
    """

    def __init__(self, network: keras.Model, clip: bool) -> None:
        self.gone: set[Layer] = set()
        self.kernels: dict[Layer, tuple[np.ndarray, np.ndarray]] = {}
        self.clips: dict[Layer, ClipChannels] = {}
        readers = _readers(network)
        for layer in network.layers:
            behind = readers.get(layer, [])
            if _is_linear(layer) and len(behind) == 1 and _is_norm(behind[0]):
                self._fold_behind(layer, behind[0])
        for layer in network.layers:
            if clip and _is_norm(layer) and layer not in self.gone:
                self._split(layer, readers)

    def replacement(self, layer: Layer) -> Layer:
        """A layer of its own that does the work of `layer` and of those folded into it."""
        if layer in self.clips:
            return self.clips[layer]
        if layer in self.kernels:
            return _copied(layer, {"use_bias": True}, list(self.kernels[layer]))
        return _copied(layer, {})

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

    def _split(self, norm: Layer, readers: dict[Layer, list[Layer]]) -> None:
        """Splits a batch norm where nothing but ReLU and convolutions without padding follow."""
        behind = readers.get(norm, [])
        if len(behind) != 1 or not _is_relu(behind[0]):
            return
        convolutions = readers.get(behind[0], [])
        if not convolutions or not all(_is_pointwise(layer) for layer in convolutions):
            return
        factor, term = _affine(norm)
        # A factor of next to nothing: no input that float32 can hold moves the sum.
        constant = np.abs(factor) * 1e30 <= np.abs(term)
        term = np.where(constant, np.maximum(term, 0), term)
        factor = np.where(constant, 0, factor)
        for layer in convolutions:
            kernel, bias = self._kernel(layer)
            bias = bias + np.tensordot(term, kernel, axes=([0], [2])).sum((0, 1))
            self.kernels[layer] = kernel * factor[:, None], bias
        bounds = -term / np.where(constant, 1, factor)
        self.clips[norm] = ClipChannels(
            np.where(factor > 0, bounds, -np.inf), np.where(factor < 0, bounds, np.inf), norm.name
        )
        self.gone.add(behind[0])


class BiasedConv2D(keras.layers.Conv2D):
    """``Conv2D`` with a bias that TensorFlow computes in one step with a ReLU behind it.

    TensorFlow fuses convolution, ``BiasAdd`` and ``Relu`` on CPU; Keras adds the bias with a plain
    sum, which is left alone.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = self.convolution_op(inputs, self.kernel)
        return self.activation(tf.nn.bias_add(x, keras.ops.convert_to_tensor(self.bias)))


class ClipChannels(Layer):
    """Clips each channel from below or from above.

    Args:
        low: (C,); minus infinity where a channel has no bound below.
        high: (C,); infinity where it has none above.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, name: str) -> None:
        super().__init__(name=name)
        self.low = self._bound(low, "low") if np.isfinite(low).any() else None
        self.high = self._bound(high, "high") if np.isfinite(high).any() else None

    def _bound(self, values: np.ndarray, name: str) -> keras.Variable:
        return self.add_weight(
            values.shape,
            lambda shape, dtype: keras.ops.cast(values, dtype),
            trainable=False,
            name=name,
        )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        if self.high is not None:
            x = keras.ops.minimum(x, self.high)
        return x if self.low is None else keras.ops.maximum(x, self.low)


def does_nothing(layer: Layer) -> bool:
    """Whether a layer returns its first input in inference."""
    if isinstance(layer, StochasticDepth):
        return layer.rescale == "training"
    return isinstance(layer, (keras.layers.Dropout, Rematerialize))


def _readers(network: keras.Model) -> dict[Layer, list[Layer | None]]:
    """The layers that read each layer's output in inference; ``None`` for the network's output."""
    readers: dict[Layer, list[Layer | None]] = {}
    for layer in network.layers:
        if not isinstance(layer, keras.layers.InputLayer) and not does_nothing(layer):
            for x in keras.tree.flatten(layer.input):
                readers.setdefault(_maker(x), []).append(layer)
    for x in keras.tree.flatten(network.output):
        readers.setdefault(_maker(x), []).append(None)
    return readers


def _maker(x: keras.KerasTensor) -> Layer:
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


def _is_pointwise(layer: Layer | None) -> bool:
    """A 1x1 convolution: it pads nothing."""
    return type(layer) is keras.layers.Conv2D and layer.kernel_size == (1, 1) and layer.groups == 1


def _is_norm(layer: Layer | None) -> bool:
    if not isinstance(layer, keras.layers.BatchNormalization):
        return False
    return layer.axis in (-1, len(layer.input.shape) - 1)


def _is_relu(layer: Layer | None) -> bool:
    if isinstance(layer, keras.layers.Activation):
        return layer.activation is keras.activations.relu
    return False


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
