"""The options that reach every layer of a network, and the layers that are built with them.

A `Style` holds the options (activation, normalisation, initial weights, drop paths...), and its
methods make the layers. Every builder and block takes it as its second argument; a builder's
default is the style that its paper has.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec

from kerasnets import layers, private
from kerasnets.errors import UserError
from kerasnets.lazy import keras

if TYPE_CHECKING:
    Tensor = keras.KerasTensor
else:
    Tensor = object  # Only a type checker needs it, and it would load Keras.

Options = ParamSpec("Options")

# A name, a configuration or an object. Keras declares none of them: its checked type is that of
# its default, a string.
Initializer = Any

Activation = Literal["relu", "relu6", "prelu", "rrelu", "sigmoid", "tanh", "scaled_tanh"]

# "small" keeps the size of images of some 32 pixels: one 3x3 convolution or more at stride 1.
Stem = Literal["imagenet", "small"]

# Why networks refuse an option that others take, see `kerasnets.registry.Registration`.
NO_RESIDUALS = {"drop_path_rate": "it has no residual branches that could be dropped"}
FOR_SMALL_IMAGES = {"stem": "it takes images of some 32 pixels as it is"}


@dataclass(frozen=True, kw_only=True)
class Style:
    """What all layers of a network have in common.

    Attributes:
        activation: Follows each convolution and hidden dense layer.
        normalization: Stands between a convolution and its activation; ``"none"`` leaves it out,
            and then convolutions have biases. ``"group"`` makes up to 32 groups, so of 32 channels
            or fewer each is one by itself.
        norm_epsilon: Is added to the variance.
        norm_momentum: new = momentum * old + (1 - momentum) * batch, for the moving statistics.
        bn_scale: Whether normalisation has a trained factor for each channel, gamma.
        kernel_initializer: Draws the initial weights of convolutions and dense layers: a name that
            Keras knows, ``"lecun_1998"``, ``"he_2015"``, or a configuration such as
            ``{"class_name": "RandomNormal", "config": {"stddev": 0.01}}``.
        width: Multiplies the number of filters of every convolution and hidden dense layer.
        drop_path_rate: Probability, in [0, 1), that training drops the last block's residual of a
            sample; it grows linearly over the blocks. Inference is not changed by it.
        remat: Whether training saves memory by computing each block, or each residual, twice: see
            `kerasnets.layers.Rematerialize`.
        initialize: Takes each initializer and returns the one to use in its place, where weights
            are loaded and need not be drawn. Not an option of `kerasnets.build`.
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
    initialize: Callable[[Initializer], Initializer] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.norm_epsilon < 1:
            raise UserError(f"norm_epsilon must be in (0, 1). Received: {self.norm_epsilon}.")
        if not 0 <= self.norm_momentum < 1:
            raise UserError(f"norm_momentum must be in [0, 1). Received: {self.norm_momentum}.")
        if not 0 < self.width <= 16:
            raise UserError(f"width must be in (0, 16]. Received: {self.width}.")
        if not 0 <= self.drop_path_rate < 1:
            raise UserError(f"drop_path_rate must be in [0, 1). Received: {self.drop_path_rate}.")

    def initializer(self, *, depthwise: bool = False) -> Initializer:
        """A new initializer for the kernel of one layer.

        Args:
            depthwise: Whether each filter of the layer sees one channel.
        """
        name = self.kernel_initializer
        if name == "lecun_1998":
            chosen = layers.FanInUniform()
        else:
            chosen = layers.FanInNormal() if name == "he_2015" else _initializer(name)
        scaling = keras.initializers.VarianceScaling
        if depthwise and isinstance(chosen, scaling) and chosen.mode == "fan_in":
            # Of a kernel (H, W, C, 1) Keras takes H * W * C for a filter's inputs, H * W for
            # outputs.
            chosen = scaling(chosen.scale, "fan_out", chosen.distribution)
        return self.initialize(chosen) if self.initialize else chosen

    def widen(self, filters: int, *, groups: int = 1) -> int:
        """The number of filters at this width, a multiple of `groups`, at least one each."""
        return groups * max(1, round(filters * self.width / groups))

    def conv(
        self,
        x: Tensor,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int = 1,
        *,
        padding: int | tuple[int, int] | Literal["same", "valid"] = "valid",
        groups: int = 1,
        use_bias: bool | None = None,
        kernel_initializer: Initializer | None = None,
        bias_initializer: Initializer = "zeros",
        fixed_width: bool = False,
        name: str,
    ) -> Tensor:
        """A convolution alone.

        Args:
            x: (N, H, W, C).
            filters: Their number at width 1.
            kernel_size: One side, or (height, width).
            strides: Along height and width.
            padding: Pixels of zeros on each side, as in torch and Caffe; or ``"same"``, which at
                stride 2 pads one pixel less on the left and top.
            groups: The channels are cut into so many groups, each with its own filters.
            use_bias: ``None``: only where no normalisation follows.
            kernel_initializer: ``None``: the style's.
            bias_initializer: Draws the biases, where there are any.
            fixed_width: Whether the convolution has `filters` filters at every width.
            name: Name of the layer.
        """
        x, pads = _padded(x, kernel_size, strides, padding, name=name)
        convolution = keras.layers.Conv2D if groups == 1 else layers.GroupedConv2D
        return convolution(
            filters if fixed_width else self.widen(filters, groups=groups),
            kernel_size,
            strides,
            padding=pads,
            groups=groups,
            use_bias=self.normalization == "none" if use_bias is None else use_bias,
            kernel_initializer=kernel_initializer or self.initializer(),
            bias_initializer=bias_initializer,
            name=name,
        )(x)

    def depthwise_conv(
        self,
        x: Tensor,
        kernel_size: int,
        strides: int = 1,
        *,
        padding: int | Literal["same", "valid"] = "valid",
        multiplier: int = 1,
        use_bias: bool | None = None,
        name: str,
    ) -> Tensor:
        """A convolution of each channel by itself, with `multiplier` filters each; see `conv`."""
        x, pads = _padded(x, kernel_size, strides, padding, name=name)
        return keras.layers.DepthwiseConv2D(
            kernel_size,
            strides,
            padding=pads,
            depth_multiplier=multiplier,
            use_bias=self.normalization == "none" if use_bias is None else use_bias,
            depthwise_initializer=self.initializer(depthwise=True),
            name=name,
        )(x)

    def normalize(self, x: Tensor, *, zero_gamma: bool = False, name: str) -> Tensor:
        """The normalisation, or nothing; its layer's name tells which: ``_bn`` or ``_norm``.

        Args:
            x: (N, H, W, C).
            zero_gamma: Whether the scale starts at zero instead of one.
            name: Name of the layer in front.
        """
        if self.normalization == "none":
            return x
        options: dict[str, Any] = {
            "epsilon": self.norm_epsilon,
            "scale": self.bn_scale,
            "gamma_initializer": "zeros" if zero_gamma else "ones",
        }
        if self.normalization in ("batch", "sync_batch"):
            return keras.layers.BatchNormalization(
                momentum=self.norm_momentum,
                synchronized=self.normalization == "sync_batch",
                name=f"{name}_bn",
                **options,
            )(x)
        # One group is layer normalisation over (H, W, C); a group for each channel is instance's.
        channels = x.shape[-1]
        groups = {"layer": 1, "instance": channels, "group": _groups(channels)}[self.normalization]
        if self.normalization == "instance" and x.shape[1:3] == (1, 1):
            raise UserError(
                f"normalization='instance' would make zeros of all that {name} gives, maps of one "
                "pixel. A larger input or another normalization does not."
            )
        return keras.layers.GroupNormalization(groups, name=f"{name}_norm", **options)(x)

    def activate(self, x: Tensor, *, dtype: str | None = None, name: str) -> Tensor:
        """The activation, as a layer called ``{name}_act``."""
        options: dict[str, Any] = {"dtype": dtype, "name": f"{name}_act"}
        if self.activation == "prelu":
            axes = [1, 2] if len(x.shape) == 4 else None
            return keras.layers.PReLU(shared_axes=axes, **options)(x)
        if self.activation == "rrelu":
            return layers.RandomizedReLU(**options)(x)
        scaled = self.activation == "scaled_tanh"
        function = layers.scaled_tanh if scaled else self.activation
        return keras.layers.Activation(function, **options)(x)

    def norm_act(self, x: Tensor, *, name: str) -> Tensor:
        """Normalisation (where the style has one) and activation."""
        return self.activate(self.normalize(x, name=name), name=name)

    def conv_norm_act(
        self,
        x: Tensor,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int = 1,
        *,
        name: str,
        **options: Any,
    ) -> Tensor:
        """Convolution, normalisation (where the style has one), activation; see `conv`."""
        x = self.conv(x, filters, kernel_size, strides, name=name, **options)
        return self.norm_act(x, name=name)

    def dense_act(
        self, x: Tensor, units: int, *, bias_initializer: Initializer = "zeros", name: str
    ) -> Tensor:
        """A hidden dense layer and its activation."""
        x = keras.layers.Dense(
            self.widen(units),
            kernel_initializer=self.initializer(),
            bias_initializer=bias_initializer,
            name=name,
        )(x)
        return self.activate(x, name=name)

    def drop_path(
        self,
        x: Tensor,
        progress: float,
        *,
        per: Literal["batch", "sample"] = "sample",
        rescale: Literal["inference", "training"] = "training",
        name: str,
    ) -> Tensor:
        """Stochastic depth, as a layer called ``{name}_drop_path``; nothing at a rate of zero.

        Args:
            x: A block's residual.
            progress: The block's number over the number of blocks, in (0, 1].
            per: What is dropped at once, see `kerasnets.layers.StochasticDepth`.
            rescale: By default inference is not changed.
            name: Name of the block.
        """
        if not self.drop_path_rate:
            return x
        rate, name = self.drop_path_rate * progress, f"{name}_drop_path"
        return layers.StochasticDepth(rate, per=per, rescale=rescale, name=name)(x)

    def rematerialize(self, x: Tensor, *sources: Tensor) -> Tensor:
        """`x`, which training computes again from `sources` instead of keeping what lies between.

        Where the style says so; the layer is called after the one that makes `x`,
        ``{name}_remat``.
        """
        if not self.remat:
            return x
        return layers.Rematerialize(name=f"{private.maker_of(x).name}_remat")([x, *sources])


def _padded(
    x: Tensor,
    kernel_size: int | tuple[int, int],
    strides: int,
    padding: int | tuple[int, int] | str,
    *,
    name: str,
) -> tuple[Tensor, str]:
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


def _initializer(name: str | dict) -> Initializer:
    """Keras' initializer of a name, or of a configuration."""
    try:
        return keras.initializers.get(name)
    except (TypeError, ValueError):
        raise UserError(
            "kernel_initializer must be 'he_2015', 'lecun_1998', or an initializer of Keras: its "
            f"name or its configuration. Received: {name!r}."
        ) from None


def _groups(channels: int, most: int = 32) -> int:
    """The largest number of equal groups up to 32 (Wu and He 2018, arXiv 1803.08494)."""
    return max(groups for groups in range(1, most + 1) if channels % groups == 0)


def truncated_normal(stddev: float) -> dict:
    """The configuration of initial weights from a normal distribution cut at two deviations."""
    return {"class_name": "TruncatedNormal", "config": {"stddev": stddev}}


def max_pool(
    x: Tensor,
    pool_size: int,
    strides: int,
    *,
    padding: int | Literal["same", "valid", "ceil"] = "valid",
    name: str,
) -> Tensor:
    """Max pooling.

    Args:
        x: (N, H, W, C).
        pool_size: Side of the windows.
        strides: Between windows.
        padding: ``"ceil"`` rounds the size up, as Caffe does: the last window may hang over the
            bottom and right edge. ``"same"`` does so where 3x3 windows at stride 2 meet an even
            size, but pads all around at an odd one. A number of pixels on each side is torch's
            padding, and looks one pixel earlier.
        name: Name of the layer.
    """
    if padding == "ceil":
        return layers.CeilPooling2D(pool_size, strides, name=name)(x)
    if not isinstance(padding, str):
        if padding:
            x = layers.PadMinimum(padding, name=f"{name}_pad")(x)
        padding = "valid"
    return keras.layers.MaxPooling2D(pool_size, strides, padding=padding, name=name)(x)


def drop(x: Tensor, rate: float, *, name: str) -> Tensor:
    """Dropout, as a layer called ``{name}_dropout``; nothing at a rate of zero.

    Raises:
        UserError: When the rate is not in [0, 1).
    """
    if not 0 <= rate < 1:
        raise UserError(f"dropout must be in [0, 1). Received: {rate}.")
    return keras.layers.Dropout(rate, name=f"{name}_dropout")(x) if rate else x


def rematerializable(
    block: Callable[Concatenate[Tensor, Style, Options], Tensor],
) -> Callable[Concatenate[Tensor, Style, Options], Tensor]:
    """Decorates a block, so that the style can have it computed twice."""

    @functools.wraps(block)
    def decorated(
        x: Tensor, style: Style, /, *args: Options.args, **options: Options.kwargs
    ) -> Tensor:
        return style.rematerialize(block(x, style, *args, **options), x)

    return decorated


def output_of(model: keras.Model, layer: str) -> Tensor:
    """The output of a layer, computed twice where a block ends with it and the style says so."""
    names = {layer.name for layer in model.layers}
    again = f"{layer}_remat"
    return model.get_layer(again if again in names else layer).output
