"""What the tests of several networks measure on a built network."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import random
import re
from collections.abc import Iterator
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnets
from kerasnets import UserError
from kerasnets.inspection import LayerRow, layer_table
from kerasnets.models import densenet, inception_resnet, resnet, resnet_v2
from kerasnets.registry import registration

# Networks whose depth is an option of their builder, and the depth of two blocks a stage.
DEPTHS = {
    **{"densenet40_k12_cifar": 10, "densenet_bc100_k12_cifar": 16},
    **{"resnet110_sd_cifar": 14, "resnet110_v2_cifar": 14, "resnet164_v2_cifar": 20},
}
# Networks whose blocks are in a table, and their row of it.
TABLES = {
    **{"resnet50": (resnet.BLOCKS, 50), "resnet50_v1_5": (resnet.BLOCKS, 50)},
    **{"resnet50_v2": (resnet_v2.BLOCKS, 50), "densenet121": (densenet.LAYERS, 121)},
}


@contextlib.contextmanager
def fewer_blocks(name: str) -> Iterator[None]:
    """The network is built with two blocks a stage, where it is one of those above."""
    entry, twice = registration(name), {"repeats": (2, 2, 2)}
    with contextlib.ExitStack() as stack:
        if name in DEPTHS:
            stack.enter_context(mock.patch.dict(entry.variant, depth=DEPTHS[name]))
        elif name in TABLES:
            table, depth = TABLES[name]
            stack.enter_context(mock.patch.dict(table, {depth: (2, 2, 2, 2)}))
        if name in {**DEPTHS, **TABLES}:
            stages = {
                stage: re.sub(r"(block|layer)\d+", r"\g<1>2", layer)
                for stage, layer in entry.stages.items()
            }
            stack.enter_context(mock.patch.dict(entry.stages, stages))
        if entry.info.family == "inception_resnet":
            forms = inception_resnet.V2_FORMS
            short = {form: dataclasses.replace(widths, **twice) for form, widths in forms.items()}
            stack.enter_context(mock.patch.dict(forms, short))
            short = dataclasses.replace(inception_resnet.V1, **twice)
            stack.enter_context(mock.patch.object(inception_resnet, "V1", short))
        yield


def all_params(model: keras.Model) -> tuple[int, int]:
    """Trainable parameters, and those that are not."""
    kinds = (model.trainable_weights, model.non_trainable_weights)
    return tuple(sum(math.prod(variable.shape) for variable in kind) for kind in kinds)


def rows_of(model: keras.Model, part: str) -> list[LayerRow]:
    """The rows of a layer, or of all layers whose names begin with that of a block."""
    return [row for row in layer_table(model) if f"{row.name}_".startswith(f"{part}_")]


def trainable(model: keras.Model, part: str) -> int:
    """The trainable parameters of a layer or block."""
    return sum(row.trainable for row in rows_of(model, part))


def multiply_adds(model: keras.Model, part: str) -> int:
    """The multiply-adds of a layer or block."""
    return sum(row.multiply_adds for row in rows_of(model, part))


def kernel_weights(model: keras.Model, part: str) -> int:
    """The weights of a layer's or block's convolutions, without biases."""
    names = {row.name for row in rows_of(model, part)}
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return sum(math.prod(layer.kernel.shape) for layer in convs if layer.name in names)


def shape_of(model: keras.Model, layer: str) -> tuple[int, int, int]:
    """(height, width, channels) of a layer's output."""
    return tuple(model.get_layer(layer).output.shape[1:])


def check_drop_path(name: str, blocks: int, **options) -> None:
    """Asserts that a network's residuals are dropped at rates that grow linearly, in training."""
    random.seed(0)
    model = kerasnets.build(name, **options)
    dropping = kerasnets.build(name, drop_path_rate=0.5, **options)
    _copy_weights(model, dropping)
    assert all_params(dropping) == all_params(model)
    found = [layer for layer in dropping.layers if layer.name.endswith("_drop_path")]
    np.testing.assert_allclose(
        [layer.rate for layer in found], 0.5 * np.arange(1, blocks + 1) / blocks
    )
    images = np.random.default_rng(0).standard_normal((4, *model.input_shape[1:]), "float32")
    np.testing.assert_array_equal(dropping(images), model(images))
    one, other = (keras.ops.convert_to_numpy(dropping(images, training=True)) for _ in range(2))
    assert (one != other).any()
    with pytest.raises(UserError, match=rf"{name}: drop_path_rate must be in \[0, 1\).*1.5"):
        kerasnets.build(name, drop_path_rate=1.5, **options)


def check_remat(name: str, blocks: int, **options) -> None:
    """Asserts that computing residuals twice changes no weight, gradient or moving statistic."""
    plain, remat = (kerasnets.build(name, remat=remat, **options) for remat in (False, True))
    _copy_weights(plain, remat)
    names, more = ({layer.name for layer in model.layers} for model in (plain, remat))
    assert names <= more
    assert len(more - names) == blocks
    assert all(name.endswith("_remat") for name in more - names)
    found, expected = _trained(remat), _trained(plain)
    for path, value in expected.items():
        # Sums in another order; biases in front of batch norm have no gradient but the rounding
        # of sums as large as their kernel's.
        scale = max(abs(expected[key]).max() for key in {path, path.replace("/bias", "/kernel")})
        rounding = 1e-5 * max(scale, 1e-3)
        np.testing.assert_allclose(found[path], value, rtol=1e-5, atol=rounding, err_msg=path)


def _copy_weights(source: keras.Model, target: keras.Model) -> None:
    """By name: a longer residual may change the order of the layers."""
    values = {weight.path: weight for weight in source.weights}
    assert values.keys() == {weight.path for weight in target.weights}
    for weight in target.weights:
        weight.assign(values[weight.path])


def _trained(model: keras.Model) -> dict[str, np.ndarray]:
    """The weights' gradients and the moving statistics after a step."""
    images = np.random.default_rng(0).standard_normal((4, *model.input_shape[1:]), "float32")
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(model(images, training=True) ** 3)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    results = {
        weight.path: gradient.numpy()
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
    }
    return results | {weight.path: weight.numpy() for weight in model.non_trainable_weights}
