"""What two or more model files share: convolution, normalisation, activation, and the heads.

Options that reach every layer of a network (its activation, its normalisation, its initial
weights) form a `Style`. `kerasnets.build` sets it around a builder and the functions here read it,
so that no model file has to pass it from function to function.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from kerasnets.errors import UserError
from kerasnets.lazy import keras, layers


@dataclass(frozen=True, kw_only=True)
class Style:
    """What every layer of a network shares.

    Attributes:
        activation: After each convolution and hidden dense layer.
        normalization: Between a convolution and its activation; ``"none"`` leaves it out, and
            then convolutions have biases.
        norm_epsilon: Added to the variance.
        norm_momentum: Of the moving statistics: new = momentum * old + (1 - momentum) * batch.
        kernel_initializer: Of convolutions and dense layers: a name that Keras knows,
            ``"lecun_1998"``, or a configuration such as
            ``{"class_name": "RandomNormal", "config": {"stddev": 0.01}}``.
        width: Multiplies the number of filters of every convolution and hidden dense layer.
    """

    activation: Literal["relu", "prelu", "rrelu", "sigmoid", "tanh", "scaled_tanh"] = "relu"
    normalization: Literal["none", "batch", "sync_batch", "layer", "instance", "group"] = "none"
    norm_epsilon: float = 1e-5
    norm_momentum: float = 0.9
    kernel_initializer: str | dict = "glorot_uniform"
    width: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.norm_epsilon < 1:
            raise UserError(f"norm_epsilon must be in (0, 1). Received: {self.norm_epsilon}.")
        if not 0 <= self.norm_momentum < 1:
            raise UserError(f"norm_momentum must be in [0, 1). Received: {self.norm_momentum}.")
        if not 0 < self.width <= 16:
            raise UserError(f"width must be in (0, 16]. Received: {self.width}.")


_DEFAULT = Style()
_style: ContextVar[Style] = ContextVar("style", default=_DEFAULT)


@contextlib.contextmanager
def styled(style: Style) -> Iterator[None]:
    """Builds what is built inside in this style."""
    token = _style.set(style)
    try:
        yield
    finally:
        _style.reset(token)


def initializer() -> keras.initializers.Initializer:
    """The style's initial weights for one layer."""
    name = _style.get().kernel_initializer
    return layers.FanInUniform() if name == "lecun_1998" else keras.initializers.get(name)


def widen(filters: int, *, groups: int = 1) -> int:
    """The number of filters at the style's width, a multiple of `groups`, at least one each."""
    return groups * max(1, round(filters * _style.get().width / groups))


def conv(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int | tuple[int, int],
    strides: int = 1,
    *,
    padding: int | tuple[int, int] | Literal["same", "valid"] = "valid",
    groups: int = 1,
    use_bias: bool | None = None,
    bias_initializer: str | dict = "zeros",
    name: str,
) -> keras.KerasTensor:
    """A convolution alone.

    Args:
        x: (N, H, W, C).
        filters: At width 1, see `Style`.
        kernel_size: One side, or (height, width).
        padding: Pixels of zeros on each side, as in torch and Caffe; or ``"same"``, which at
            stride 2 pads one pixel less on the left and top.
        use_bias: ``None``: only where no normalisation follows.
    """
    style = _style.get()
    if not isinstance(padding, str):
        pads, kernel = _pair(padding), _pair(kernel_size)
        # Keras' "same" is symmetric at stride 1; the explicit layer would cost a copy.
        if strides == 1 and all(k == 2 * p + 1 for k, p in zip(kernel, pads, strict=True)):
            padding = "same"
        else:
            padding = "valid"
            if any(pads):
                x = keras.layers.ZeroPadding2D(pads, name=f"{name}_pad")(x)
    return keras.layers.Conv2D(
        widen(filters, groups=groups),
        kernel_size,
        strides,
        padding=padding,
        groups=groups,
        use_bias=style.normalization == "none" if use_bias is None else use_bias,
        kernel_initializer=initializer(),
        bias_initializer=bias_initializer,
        name=name,
    )(x)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def normalize(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """The style's normalisation, or nothing; its layer's name tells which: ``_bn`` or ``_norm``."""
    style = _style.get()
    epsilon, momentum = style.norm_epsilon, style.norm_momentum
    if style.normalization == "none":
        return x
    if style.normalization in ("batch", "sync_batch"):
        return keras.layers.BatchNormalization(
            momentum=momentum,
            epsilon=epsilon,
            synchronized=style.normalization == "sync_batch",
            name=f"{name}_bn",
        )(x)
    # One group is layer normalisation over (H, W, C); a group for each channel is instance's.
    channels = x.shape[-1]
    groups = {"layer": 1, "instance": channels, "group": _groups(channels)}[style.normalization]
    return keras.layers.GroupNormalization(groups, epsilon=epsilon, name=f"{name}_norm")(x)


def _groups(channels: int, most: int = 32) -> int:
    """The largest number of equal groups up to 32 (Wu and He 2018, arXiv 1803.08494)."""
    return max(groups for groups in range(1, most + 1) if channels % groups == 0)


def activate(x: keras.KerasTensor, *, name: str) -> keras.KerasTensor:
    """The style's activation, as a layer called ``{name}_act``."""
    activation = _style.get().activation
    name = f"{name}_act"
    if activation == "prelu":
        return keras.layers.PReLU(shared_axes=[1, 2] if len(x.shape) == 4 else None, name=name)(x)
    if activation == "rrelu":
        return layers.RandomizedReLU(name=name)(x)
    if activation == "scaled_tanh":
        return keras.layers.Activation(layers.scaled_tanh, name=name)(x)
    return keras.layers.Activation(activation, name=name)(x)


def conv_norm_act(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int | tuple[int, int],
    strides: int = 1,
    *,
    padding: int | tuple[int, int] | Literal["same", "valid"] = "valid",
    name: str,
    **options,
) -> keras.KerasTensor:
    """Convolution, normalisation (where the style has one), activation; see `conv`."""
    x = conv(x, filters, kernel_size, strides, padding=padding, name=name, **options)
    x = normalize(x, name=name)
    return activate(x, name=name)


def max_pool(
    x: keras.KerasTensor,
    pool_size: int,
    strides: int,
    *,
    padding: int | Literal["same", "valid"] = "valid",
    name: str,
) -> keras.KerasTensor:
    """Max pooling.

    Args:
        x: (N, H, W, C).
        padding: ``"same"`` is Caffe's rounding up without padding; a number of pixels on each side
            is torch's, and looks one pixel earlier.
    """
    if not isinstance(padding, str):
        if padding:
            x = layers.PadMinimum(padding, name=f"{name}_pad")(x)
        padding = "valid"
    return keras.layers.MaxPooling2D(pool_size, strides, padding=padding, name=name)(x)


def dense_act(x: keras.KerasTensor, units: int, *, name: str) -> keras.KerasTensor:
    """A hidden dense layer and its activation."""
    x = keras.layers.Dense(widen(units), kernel_initializer=initializer(), name=name)(x)
    return activate(x, name=name)


def logits(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """The last dense layer. It computes in float32 whatever the precision of the rest."""
    return keras.layers.Dense(
        classes, kernel_initializer=initializer(), dtype="float32", name="logits"
    )(x)


def average_pool_head(
    x: keras.KerasTensor, classes: int, *, dropout: float = 0.0
) -> keras.KerasTensor:
    """Global average, dropout, dense: the head since Network in Network.

    Args:
        x: (N, H, W, C).
        dropout: Share of the averages that is dropped in training, in [0, 1).
    """
    x = keras.layers.GlobalAveragePooling2D(name="average_pool")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return logits(x, classes)
