"""Augmentations that are layers of Keras or keras-cv, by name. Loads neither before it is used."""

from __future__ import annotations

import ast
import functools
import inspect
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from kerasnets.data.reasons import reason
from kerasnets.errors import UserError, unknown
from kerasnets.lazy import keras, tf

if TYPE_CHECKING:
    from types import ModuleType

log = logging.getLogger("kerasnets")

# These mix images of a batch, and their labels with them.
MIXING = frozenset({"CutMix", "FourierMix", "MixUp", "Mosaic", "RandomCopyPaste"})
# What the pipeline decides.
OURS = {"seed": "the run's seed", "dtype": "float32", "data_format": "channels_last"}
_LAYER = re.compile(r"\s*(keras|keras_cv)\s*:\s*(\w+)\s*(?:\((.*)\))?\s*", re.S)
# Operations that draw from a generator with a state, or change it. In a loop, numbers that come
# from a key repeat.
_STATEFUL = re.compile(
    r"Random|Rng|Stateful(?!Partitioned)|Multinomial|TruncatedNormal|Assign|(Eager)?PyFunc"
    r"|(Stateless)?While"
)


def parts(text: str) -> list[str | ForeignLayer]:
    """The parts of an augmentation that are joined by ``+``: names, and layers.

    Raises:
        UserError: When a part is neither.
    """
    # A sign within arguments stands before a digit.
    return [_part(each) for each in re.split(r"\+(?=\s*[A-Za-z_])", text)]


def _part(text: str) -> str | ForeignLayer:
    if re.fullmatch(r"\s*\w+\s*", text):
        return text.strip()
    match = _LAYER.fullmatch(text)
    if match is None:
        raise UserError(
            f"{text!r} is no augmentation. Expected a name, or a layer such as keras:RandomHue(0.2)"
            " or keras_cv:GridMask(ratio_factor=0.5), or several joined by +."
        )
    layer = ForeignLayer(match[1], match[2], match[3] or "")
    layer.values()
    return layer


@dataclass(frozen=True)
class ForeignLayer:
    """A layer of `keras.layers` or `keras_cv.layers` as a transform.

    Each image goes through it alone. The layer's random numbers come from the image's own, so
    they depend on (seed, epoch, image) alone, where the layer lets that be done; see `check`.

    Attributes:
        library: ``keras`` or ``keras_cv``.
        name: Name of the layer's class.
        arguments: The constructor's arguments, as they are written in Python.
    """

    library: str
    name: str
    arguments: str = ""

    num_random: ClassVar[int] = 2
    one_by_one: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"{self.library}:{self.name}" + (f"({self.arguments})" if self.arguments else "")

    def values(self) -> tuple[list[Any], dict[str, Any]]:
        """The arguments by position and by name.

        Raises:
            UserError: When they are no Python literals, or the pipeline decides one of them.
        """
        try:
            call = ast.parse(f"f({self.arguments})", mode="eval").body
            if not isinstance(call, ast.Call):
                raise ValueError
            given = [ast.literal_eval(each) for each in call.args]
            named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise UserError(
                f"{self}: arguments are numbers, True, False, None, words in quotes, or tuples of "
                "these, as in keras:RandomZoom(0.2, fill_mode='reflect')."
            ) from error
        for name, decided in OURS.items():
            if name in named:
                raise UserError(f"{self}: {name} is not an argument here; it is {decided}.")
        return given, named

    def make(self) -> keras.layers.Layer:
        """A new layer.

        Raises:
            UserError: When there is no such layer, or it does not take the arguments.
        """
        layers = _library(self.library).layers
        found = getattr(layers, self.name, None)
        if not (inspect.isclass(found) and issubclass(found, keras.layers.Layer)):
            known = [name for name in dir(layers) if name[0].isupper()]
            raise unknown(f"layer of {self.library}", self.name, known)
        if self.name in MIXING:
            raise UserError(
                f"{self} mixes images with others; for that there are --mixup and --cutmix."
            )
        given, named = self.values()
        try:
            signature = inspect.signature(found)
            filled = signature.bind_partial(*given, **named).arguments
            if "value_range" in signature.parameters and "value_range" not in filled:
                named["value_range"] = (0, 255)
            return found(*given, dtype="float32", **named)
        except Exception as error:
            raise UserError(f"{self} cannot be made: {reason(error)}.") from error

    def check(self, shape: tuple[int, ...] | None = None) -> bool:
        """Makes the layer and, given the shape (H, W, C) of an image, tries it on one.

        Returns:
            Whether its random numbers depend on (seed, epoch, image) alone; true without a shape.

        Raises:
            UserError: When there is no such layer, it does not take the arguments, or it does not
                turn such an image into another.
        """
        if shape is None:
            return _made(self) is not None
        return _traced(self, shape).keyed

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        """The batch has one image."""
        # A random number has 24 bits.
        key = tf.cast(random[0] * 2.0**24, tf.int32)
        traced = _traced(self, tuple(images.shape[1:]))
        return traced.function(images[0], key)[tf.newaxis]


def _library(name: str) -> ModuleType:
    if name == "keras":
        return keras
    log.info("loading keras-cv")
    import keras_cv

    return keras_cv


class _Traced(NamedTuple):
    """A layer as a function of an image (H, W, C) uint8 and a key (2,) int32.

    Attributes:
        function: Gives the changed image, uint8.
        keyed: Whether its random numbers come from the key.
    """

    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    keyed: bool


# Layers are few, and making or tracing one takes seconds.
@functools.cache
def _made(foreign: ForeignLayer) -> keras.layers.Layer:
    return foreign.make()


@functools.cache
def _traced(foreign: ForeignLayer, shape: tuple[int, ...]) -> _Traced:
    """The layer, traced for images of this shape.

    Raises:
        UserError: When the layer does not work on such an image.
    """
    _made(foreign)
    # The pipeline runs on the processor, where variables must be too.
    with tf.init_scope(), tf.device("cpu:0"):
        try:
            layer = foreign.make()
            # Builds it, and what is inside of it.
            layer(tf.zeros(shape), **_training(layer))
            found = _function(_keyed(layer), shape)
            keyed = not any(_STATEFUL.match(operation) for operation in _operations(found))
            if not keyed:
                layer = foreign.make()
                found = _function(lambda image, key: layer(image, **_training(layer)), shape)
            found(tf.zeros(shape, tf.uint8), tf.zeros((2,), tf.int32))
        except Exception as error:
            if isinstance(error, UserError):
                raise UserError(f"{foreign} {error}") from error
            sides = "x".join(map(str, shape))
            raise UserError(f"{foreign} does not take images {sides}: {reason(error)}.") from error
    return _Traced(found, keyed)


def _training(layer: keras.layers.Layer) -> dict[str, bool]:
    """The argument that makes it change images; some always do."""
    return {"training": True} if "training" in inspect.signature(layer.call).parameters else {}


def _function(apply: Callable, shape: tuple[int, ...]) -> Any:
    """A concrete function of `apply`, which takes and gives an image float32."""

    @functools.partial(tf.function, autograph=False)
    def call(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        found = apply(tf.cast(image, tf.float32), key)
        if not tf.is_tensor(found) or tuple(found.shape) != shape:
            raise UserError(f"does not turn an image into another: it gives {found}.")
        return tf.cast(tf.round(tf.clip_by_value(found, 0.0, 255.0)), tf.uint8)

    return call.get_concrete_function(tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((2,), tf.int32))


def _operations(function: Any) -> Iterator[str]:
    """The names of all operations of a concrete function, also of those that it calls."""
    graph = function.graph.as_graph_def()
    yield from (node.op for node in graph.node)
    for inner in graph.library.function:
        yield from (node.op for node in inner.node_def)


def _keyed(layer: keras.layers.Layer) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The layer as a function of an image and a key that its random numbers come from."""
    draws = _Draws()
    _replace_generators(layer, draws)

    def apply(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        draws.key, draws.count = key, 0
        if layer.trainable_variables:
            raise UserError("has weights; an augmentation has none.")
        # The states of Keras' seed generators are the variables that are not trained.
        states = [tf.cast(draws.next_key(), state.dtype) for state in layer.non_trainable_variables]
        found, _ = layer.stateless_call([], states, image, **_training(layer))
        return found

    return apply


class _Draws:
    """Stands for a ``tf.random.Generator``; what it gives depends on a key alone."""

    key: tf.Tensor
    count: int

    def next_key(self) -> tf.Tensor:
        self.count += 1
        return tf.random.fold_in(self.key, self.count)

    def uniform(
        self, shape: Any, minval: Any = 0, maxval: Any = None, dtype: Any = "float32"
    ) -> tf.Tensor:
        return tf.random.stateless_uniform(shape, self.next_key(), minval, maxval, dtype)

    def normal(
        self, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = "float32"
    ) -> tf.Tensor:
        return tf.random.stateless_normal(shape, self.next_key(), mean, stddev, dtype)


def _replace_generators(layer: keras.layers.Layer, draws: _Draws) -> None:
    """Lets keras-cv's layers, and those inside of them, draw from `draws`."""
    for name, value in list(vars(layer).items()):
        if isinstance(value, tf.random.Generator):
            setattr(layer, name, draws)
        elif type(value).__name__ in ("UniformFactorSampler", "NormalFactorSampler"):
            setattr(layer, name, functools.partial(_sample, draws, value))
        for inner in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(inner, keras.layers.Layer):
                _replace_generators(inner, draws)


def _sample(draws: _Draws, factor: Any, shape: Any = (), dtype: Any = "float32") -> tf.Tensor:
    """What a factor sampler of keras-cv gives."""
    if hasattr(factor, "stddev"):
        found = draws.normal(shape, factor.mean, factor.stddev, dtype)
        return tf.clip_by_value(found, factor.min_value, factor.max_value)
    return draws.uniform(shape, factor.lower, factor.upper, dtype)
