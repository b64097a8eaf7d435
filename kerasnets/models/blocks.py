"""What two or more model files share: convolution, normalisation, activation, pooling.

Options that reach every layer or block of a network (its activation, its normalisation, its
initial weights, its drop paths) form a `Style`. `kerasnets.build` sets it around a builder and the
functions here read it, so that no model file has to pass it from function to function.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from kerasnets import layers
from kerasnets.errors import UserError
from kerasnets.lazy import keras
from kerasnets.private import maker_of

Activation = Literal["relu", "relu6", "prelu", "rrelu", "sigmoid", "tanh", "scaled_tanh"]

# "small" keeps the size of images of some 32 pixels: one 3x3 convolution or more at stride 1.
Stem = Literal["imagenet", "small"]

# Why networks refuse an option that others take, see `kerasnets.registry.Registration`.
NO_RESIDUALS = {"drop_path_rate": "it has no residual branches that could be dropped"}
FOR_SMALL_IMAGES = {"stem": "it takes images of some 32 pixels as it is"}


@dataclass(frozen=True, kw_only=True)
class Style:
    """What every layer of a network shares.

    Attributes:
        activation: After each convolution and hidden dense layer.
        normalization: Between a convolution and its activation; ``"none"`` leaves it out, and
            then convolutions have biases.
        norm_epsilon: Added to the variance.
        norm_momentum: Of the moving statistics: new = momentum * old + (1 - momentum) * batch.
        bn_scale: Whether normalisation has a trained factor for each channel, gamma.
        kernel_initializer: Of convolutions and dense layers: a name that Keras knows,
            ``"lecun_1998"``, ``"he_2015"``, or a configuration such as
            ``{"class_name": "RandomNormal", "config": {"stddev": 0.01}}``.
        width: Multiplies the number of filters of every convolution and hidden dense layer.
        drop_path_rate: Probability, in [0, 1), that training drops the last block's residual of a
            sample; it grows linearly over the blocks. Inference is not changed by it.
        remat: Whether training saves memory by computing each block, or each residual, twice: see
            `kerasnets.layers.Rematerialize`.
    """

    activation: Activation = "relu"
    normalization: Literal["none", "batch", "sync_batch", "layer", "instance", "group"] = "none"
    norm_epsilon: float = 1e-5
    norm_momentum: float = 0.9
    bn_scale: bool = True
    kernel_initializer: str | dict = "glorot_uniform"
    width: float = 1.0
    drop_path_rate: float = 0.0
    remat: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.norm_epsilon < 1:
            raise UserError(f"norm_epsilon must be in (0, 1). Received: {self.norm_epsilon}.")
        if not 0 <= self.norm_momentum < 1:
            raise UserError(f"norm_momentum must be in [0, 1). Received: {self.norm_momentum}.")
        if not 0 < self.width <= 16:
            raise UserError(f"width must be in (0, 16]. Received: {self.width}.")
        if not 0 <= self.drop_path_rate < 1:
            raise UserError(f"drop_path_rate must be in [0, 1). Received: {self.drop_path_rate}.")


_DEFAULT = Style()
_style: ContextVar[Style] = ContextVar("style", default=_DEFAULT)
_substitute: ContextVar[Callable | None] = ContextVar("substitute", default=None)


@contextlib.contextmanager
def styled(style: Style) -> Iterator[None]:
    """Builds what is built inside in this style."""
    token = _style.set(style)
    try:
        yield
    finally:
        _style.reset(token)


@contextlib.contextmanager
def deferring(substitute: Callable) -> Iterator[None]:
    """Puts ``substitute(initializer)`` in the place of each initial kernel of what is built."""
    token = _substitute.set(substitute)
    try:
        yield
    finally:
        _substitute.reset(token)


def truncated_normal(stddev: float) -> dict:
    """The configuration of initial weights from a normal distribution cut at two deviations."""
    return {"class_name": "TruncatedNormal", "config": {"stddev": stddev}}


def initializer() -> keras.initializers.Initializer:
    """The style's initial weights for one layer."""
    name = _style.get().kernel_initializer
    if name == "lecun_1998":
        chosen = layers.FanInUniform()
    else:
        chosen = layers.FanInNormal() if name == "he_2015" else keras.initializers.get(name)
    substitute = _substitute.get()
    return substitute(chosen) if substitute else chosen


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
    kernel_initializer: str | dict | None = None,
    bias_initializer: str | dict = "zeros",
    fixed_width: bool = False,
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
        kernel_initializer: ``None``: the style's.
        fixed_width: Whether the convolution has `filters` filters at every width.
    """
    style = _style.get()
    x, padding = _padded(x, kernel_size, strides, padding, name=name)
    convolution = keras.layers.Conv2D if groups == 1 else layers.GroupedConv2D
    return convolution(
        filters if fixed_width else widen(filters, groups=groups),
        kernel_size,
        strides,
        padding=padding,
        groups=groups,
        use_bias=style.normalization == "none" if use_bias is None else use_bias,
        kernel_initializer=kernel_initializer or initializer(),
        bias_initializer=bias_initializer,
        name=name,
    )(x)


def depthwise_conv(
    x: keras.KerasTensor,
    kernel_size: int,
    strides: int = 1,
    *,
    padding: int | Literal["same", "valid"] = "valid",
    multiplier: int = 1,
    use_bias: bool | None = None,
    name: str,
) -> keras.KerasTensor:
    """A convolution of each channel by itself, with `multiplier` filters each; see `conv`."""
    x, padding = _padded(x, kernel_size, strides, padding, name=name)
    return keras.layers.DepthwiseConv2D(
        kernel_size,
        strides,
        padding=padding,
        depth_multiplier=multiplier,
        use_bias=_style.get().normalization == "none" if use_bias is None else use_bias,
        depthwise_initializer=_depthwise_initializer(),
        name=name,
    )(x)


def _depthwise_initializer() -> keras.initializers.Initializer:
    """The style's initial weights where each filter sees one channel."""
    drawn = initializer()
    if getattr(drawn, "mode", None) == "fan_in":
        # Of a kernel (H, W, C, 1) Keras takes H * W * C for a filter's inputs, H * W for outputs.
        return keras.initializers.VarianceScaling(drawn.scale, "fan_out", drawn.distribution)
    return drawn


def _padded(
    x: keras.KerasTensor,
    kernel_size: int | tuple[int, int],
    strides: int,
    padding: int | tuple[int, int] | str,
    *,
    name: str,
) -> tuple[keras.KerasTensor, str]:
    """The input and Keras' word for the padding that is left to the convolution."""
    if isinstance(padding, str):
        return x, padding
    pads, kernel = _pair(padding), _pair(kernel_size)
    # Keras' "same" is symmetric at stride 1; the explicit layer would cost a copy.
    if strides == 1 and all(k == 2 * p + 1 for k, p in zip(kernel, pads, strict=True)):
        return x, "same"
    if any(pads):
        x = keras.layers.ZeroPadding2D(pads, name=f"{name}_pad")(x)
    return x, "valid"


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def normalize(x: keras.KerasTensor, *, zero_gamma: bool = False, name: str) -> keras.KerasTensor:
    """The style's normalisation, or nothing; its layer's name tells which: ``_bn`` or ``_norm``.

    Args:
        zero_gamma: Whether the scale starts at zero instead of one.
    """
    style = _style.get()
    gamma = "zeros" if zero_gamma else "ones"
    epsilon, momentum = style.norm_epsilon, style.norm_momentum
    if style.normalization == "none":
        return x
    if style.normalization in ("batch", "sync_batch"):
        return keras.layers.BatchNormalization(
            momentum=momentum,
            epsilon=epsilon,
            synchronized=style.normalization == "sync_batch",
            scale=style.bn_scale,
            gamma_initializer=gamma,
            name=f"{name}_bn",
        )(x)
    # One group is layer normalisation over (H, W, C); a group for each channel is instance's.
    channels = x.shape[-1]
    groups = {"layer": 1, "instance": channels, "group": _groups(channels)}[style.normalization]
    return keras.layers.GroupNormalization(
        groups,
        epsilon=epsilon,
        scale=style.bn_scale,
        gamma_initializer=gamma,
        name=f"{name}_norm",
    )(x)


def _groups(channels: int, most: int = 32) -> int:
    """The largest number of equal groups up to 32 (Wu and He 2018, arXiv 1803.08494)."""
    return max(groups for groups in range(1, most + 1) if channels % groups == 0)


def activate(x: keras.KerasTensor, *, dtype: str | None = None, name: str) -> keras.KerasTensor:
    """The style's activation, as a layer called ``{name}_act``."""
    activation = _style.get().activation
    options = {"dtype": dtype, "name": f"{name}_act"}
    if activation == "prelu":
        return keras.layers.PReLU(shared_axes=[1, 2] if len(x.shape) == 4 else None, **options)(x)
    if activation == "rrelu":
        return layers.RandomizedReLU(**options)(x)
    if activation == "scaled_tanh":
        return keras.layers.Activation(layers.scaled_tanh, **options)(x)
    return keras.layers.Activation(activation, **options)(x)


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
    padding: int | Literal["same", "valid", "ceil"] = "valid",
    name: str,
) -> keras.KerasTensor:
    """Max pooling.

    Args:
        x: (N, H, W, C).
        padding: ``"ceil"`` rounds the size up, as Caffe does: the last window may hang over the
            bottom and right edge. ``"same"`` does so where 3x3 windows at stride 2 meet an even
            size, but pads all around at an odd one. A number of pixels on each side is torch's
            padding, and looks one pixel earlier.
    """
    if padding == "ceil":
        return layers.CeilPooling2D(pool_size, strides, name=name)(x)
    if not isinstance(padding, str):
        if padding:
            x = layers.PadMinimum(padding, name=f"{name}_pad")(x)
        padding = "valid"
    return keras.layers.MaxPooling2D(pool_size, strides, padding=padding, name=name)(x)


def dense_act(
    x: keras.KerasTensor, units: int, *, bias_initializer: str | dict = "zeros", name: str
) -> keras.KerasTensor:
    """A hidden dense layer and its activation."""
    x = keras.layers.Dense(
        widen(units),
        kernel_initializer=initializer(),
        bias_initializer=bias_initializer,
        name=name,
    )(x)
    return activate(x, name=name)


def drop(x: keras.KerasTensor, rate: float, *, name: str) -> keras.KerasTensor:
    """Dropout, as a layer called ``{name}_dropout``; nothing at a rate of zero.

    Raises:
        UserError: When the rate is not in [0, 1).
    """
    if not 0 <= rate < 1:
        raise UserError(f"dropout must be in [0, 1). Received: {rate}.")
    return keras.layers.Dropout(rate, name=f"{name}_dropout")(x) if rate else x


def drop_path(
    x: keras.KerasTensor,
    progress: float,
    *,
    per: Literal["batch", "sample"] = "sample",
    rescale: Literal["inference", "training"] = "training",
    name: str,
) -> keras.KerasTensor:
    """Stochastic depth at the style's rate, as a layer called ``{name}_drop_path``.

    Args:
        x: A block's residual.
        progress: The block's number over the number of blocks, in (0, 1].
        per: What is dropped at once, see `kerasnets.layers.StochasticDepth`.
        rescale: By default inference is not changed.
    """
    rate = _style.get().drop_path_rate
    if not rate:
        return x
    return layers.StochasticDepth(
        rate * progress, per=per, rescale=rescale, name=f"{name}_drop_path"
    )(x)


def rematerializes() -> bool:
    """Whether the style is to compute blocks twice."""
    return _style.get().remat


def rematerialize(x: keras.KerasTensor, *sources: keras.KerasTensor) -> keras.KerasTensor:
    """`x`, which training computes again from `sources` instead of keeping what lies between.

    Where the style says so; the layer is called after the one that makes `x`, ``{name}_remat``.
    """
    if not rematerializes():
        return x
    name = maker_of(x).name
    return layers.Rematerialize(name=f"{name}_remat")([x, *sources])


def output_of(model: keras.Model, layer: str) -> keras.KerasTensor:
    """The output of a layer, computed twice where a block ends with it and the style says so."""
    names = {layer.name for layer in model.layers}
    again = f"{layer}_remat"
    return model.get_layer(again if again in names else layer).output


def rematerializable(block: Callable) -> Callable:
    """Decorates a block, a function of its input, so that the style can have it computed twice."""

    @functools.wraps(block)
    def decorated(x: keras.KerasTensor, *args, **options) -> keras.KerasTensor:
        return rematerialize(block(x, *args, **options), x)

    return decorated
