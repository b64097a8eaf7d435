"""Augmentations that are layers of Keras or keras-cv, by name. Loads neither before it is used."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from kerasnets.data.reasons import reason
from kerasnets.errors import UserError, unknown
from kerasnets.lazy import keras, tf

# These mix images of a batch, and their labels with them.
MIXING = frozenset({"CutMix", "FourierMix", "MixUp", "Mosaic", "RandomCopyPaste"})
DECIDED = frozenset({"seed", "dtype", "data_format"})
_FORM = re.compile(r"(keras|keras_cv):(\w+)(?:\((.*)\))?", re.S)
# Operations that draw from a generator with a state, or change it; and those that take a key, whose
# numbers would repeat in a loop.
_OWN = re.compile(
    r"Random|Rng|Stateful(?!Partitioned)|Multinomial|TruncatedNormal|Assign|(Eager)?PyFunc"
)
_KEYED = re.compile(r"Stateless(Random|TruncatedNormal|ParameterizedTruncated|Multinomial)")


def parts(text: str) -> list[str | ForeignLayer]:
    """The parts of an augmentation that are joined by ``+``: names, and layers.

    Raises:
        UserError: When a part is neither.
    """
    # A sign within arguments stands before a digit.
    found = [part.strip() for part in re.split(r"\+(?=\s*[A-Za-z_])", text)]
    return [part if re.fullmatch(r"\w+", part) else ForeignLayer(part) for part in found]


@dataclass(frozen=True)
class ForeignLayer:
    """A layer of `keras.layers` or `keras_cv.layers` as a transform.

    Each image goes through it alone. The layer's random numbers come from the image's own, so
    they depend on (seed, epoch, image) alone, where the layer lets that be done; see `check`.

    Attributes:
        text: Library, class and arguments, such as ``keras_cv:GridMask(ratio_factor=0.5)``.
    """

    text: str

    num_random = 2
    one_by_one = True

    def __post_init__(self) -> None:
        self._parsed()

    def __str__(self) -> str:
        return self.text

    def _parsed(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """Library, class, and the arguments by position and by name."""
        match = _FORM.fullmatch(self.text)
        if match is None:
            raise UserError(
                f"{self.text!r} is no augmentation. Expected a name, or a layer such as "
                "keras:RandomHue(0.2) or keras_cv:GridMask(ratio_factor=0.5), or several joined "
                "by +."
            )
        try:
            call = ast.parse(f"f({match[3] or ''})", mode="eval").body
            if not isinstance(call, ast.Call):
                raise ValueError
            given = [ast.literal_eval(each) for each in call.args]
            named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise UserError(
                f"{self}: arguments are numbers, True, False, None, words in quotes, or tuples of "
                "these, as in keras:RandomZoom(0.2, fill_mode='reflect')."
            ) from error
        if DECIDED & set(named):
            raise UserError(f"{self}: the run decides {', '.join(sorted(DECIDED & set(named)))}.")
        return match[1], match[2], given, named

    def make(self) -> keras.layers.Layer:
        """A new layer.

        Raises:
            UserError: When there is no such layer, or it does not take the arguments.
        """
        library, name, given, named = self._parsed()
        layers = importlib.import_module(library).layers
        found = getattr(layers, name, None)
        if not (inspect.isclass(found) and issubclass(found, keras.layers.Layer)):
            known = [each for each in dir(layers) if each[0].isupper()]
            raise unknown(f"layer of {library}", name, known)
        if name in MIXING:
            raise UserError(f"{self} mixes images; for that there are --mixup and --cutmix.")
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
            return self.make() is not None
        return _traced(self, tuple(shape)).keyed

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        # A random number has 24 bits.
        key = tf.cast(random[0] * 2.0**24, tf.int32)
        traced = _traced(self, tuple(images.shape[1:]))
        return traced.function(images[0], key)[tf.newaxis]


class _Traced(NamedTuple):
    """A layer as a function of an image (H, W, C) uint8 and a key (2,) int32.

    Attributes:
        function: Gives the changed image, uint8.
        keyed: Whether its random numbers come from the key.
    """

    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    keyed: bool


# Layers are few, and tracing one takes seconds.
@functools.cache
def _traced(foreign: ForeignLayer, shape: tuple[int, ...]) -> _Traced:
    """The layer, traced for images of this shape.

    Raises:
        UserError: When the layer does not turn such an image into another.
    """
    layer, own = foreign.make(), foreign.make()
    # The pipeline runs on the processor, where variables must be too.
    with tf.init_scope(), tf.device("cpu:0"):
        try:
            # Also builds it, and what is inside of it.
            trial = layer(tf.zeros(shape), **_training(layer))
            if layer.trainable_variables:
                raise UserError("it has weights")
            if not isinstance(trial, tf.Tensor) or tuple(trial.shape) != shape:
                raise UserError(f"it makes {tuple(trial.shape)} of them")
            function = _function(_keyed(layer), shape)
            if _is_keyed(function):
                return _Traced(function, keyed=True)
            function = _function(lambda image, key: own(image, **_training(own)), shape)
            return _Traced(function, keyed=False)
        except Exception as error:
            raise UserError(
                f"{foreign} is no augmentation of images {shape}: {reason(error)}."
            ) from error


def _training(layer: keras.layers.Layer) -> dict[str, bool]:
    """The argument that makes it change images; some always do."""
    return {"training": True} if "training" in inspect.signature(layer.call).parameters else {}


def _function(apply: Callable, shape: tuple[int, ...]) -> Any:
    """A concrete function of `apply`, which takes and gives an image float32."""

    # With AutoGraph, which some layers of keras-cv rely on.
    @tf.function
    def call(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        found = apply(tf.cast(image, tf.float32), key)
        found = tf.ensure_shape(found, shape)
        return tf.cast(tf.round(tf.clip_by_value(found, 0.0, 255.0)), tf.uint8)

    return call.get_concrete_function(tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((2,), tf.int32))


def _is_keyed(function: Any) -> bool:
    """Whether all random numbers of a concrete function come from its key, each but once."""
    graph = function.graph.as_graph_def()
    bodies = {each.signature.name: each.node_def for each in graph.library.function}

    def draws_otherwise(nodes: Iterable[Any], in_loop: bool) -> bool:
        for node in nodes:
            if _OWN.match(node.op) or (in_loop and _KEYED.match(node.op)):
                return True
            called = (
                each for value in node.attr.values() for each in [value.func, *value.list.func]
            )
            loop = in_loop or node.op in ("While", "StatelessWhile")
            if any(draws_otherwise(bodies.get(each.name, ()), loop) for each in called):
                return True
        return False

    return not draws_otherwise(graph.node, False)


def _keyed(layer: keras.layers.Layer) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The layer as a function of an image and a key that its random numbers come from."""
    draws = _Draws()
    _replace_generators(layer, draws)

    def apply(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        draws.key, draws.count = key, 0
        # The states of Keras' seed generators are the variables that are not trained.
        states = [tf.cast(draws.next_key(), state.dtype) for state in layer.non_trainable_variables]
        return layer.stateless_call([], states, image, **_training(layer))[0]

    return apply


class _Draws:
    """Stands for a ``tf.random.Generator``; what it gives depends on a key alone."""

    key: tf.Tensor
    count: int

    def next_key(self) -> tf.Tensor:
        self.count += 1
        return tf.convert_to_tensor(tf.random.fold_in(self.key, self.count))

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
