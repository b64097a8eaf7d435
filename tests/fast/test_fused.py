import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.fast.fused import SGD, Adam
from kerasnets.fast.training import with_training_kernels


def normalized(rng, names: set[str], dtype: str = "float32", **options) -> list[np.ndarray]:
    """Outputs, gradients and moving statistics of a training step of one batch norm."""
    images, weight = (tf.constant(rng.normal(3.0, 2.0, (5, 4, 6, 7)), tf.float32) for _ in range(2))
    layer = keras.layers.BatchNormalization(momentum=0.8, dtype=dtype, **options)
    inputs = keras.Input(images.shape[1:])
    plain = keras.Model(inputs, layer(inputs))
    for variable in layer.trainable_variables:
        variable.assign(rng.uniform(0.5, 2.0, variable.shape))
    model = with_training_kernels(plain, names)

    @tf.function
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = tf.cast(model(images, training=True), tf.float32)
            loss = tf.reduce_sum(weight * outputs)
        watched = [images, *(variable.value for variable in plain.trainable_variables)]
        return [outputs, *tape.gradient(loss, watched)]

    found = [value.numpy() for value in step()]
    operations = step.get_concrete_function().graph.get_operations()
    fused = "FusedBatchNormV3" in {operation.type for operation in operations}
    assert fused == ("batch_norm" in names)
    return [*found, *(variable.numpy() for variable in layer.non_trainable_variables)]


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}], ids=str)
def test_one_kernel_does_what_keras_batch_norm_does(options):
    fused, own = (
        normalized(np.random.default_rng(1), names, **options) for names in ({"batch_norm"}, set())
    )
    for a, b in zip(fused, own, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())


def test_half_precision_is_normalized_with_statistics_in_float32():
    fused, own = (
        normalized(np.random.default_rng(1), names, dtype="mixed_bfloat16")
        for names in ({"batch_norm"}, set())
    )
    for a, b in zip(fused, own, strict=True):
        # bfloat16 has eight bits.
        np.testing.assert_allclose(a, b, rtol=0.03, atol=0.03 * np.abs(b).max())


@pytest.mark.parametrize(
    ("shape", "options"),
    [((7,), {}), ((4, 6, 7), {"axis": 1}), ((4, 6, 7), {"synchronized": True})],
    ids=str,
)
def test_what_the_kernel_cannot_do_is_left_to_keras(shape, options):
    inputs = keras.Input(shape)
    plain = keras.Model(inputs, keras.layers.BatchNormalization(**options)(inputs))
    assert with_training_kernels(plain, {"batch_norm"}) is plain


def test_a_frozen_batch_norm_uses_its_statistics(rng):
    inputs = keras.Input((4, 6, 7))
    plain = keras.Model(inputs, keras.layers.BatchNormalization(name="norm")(inputs))
    model = with_training_kernels(plain, {"batch_norm"})
    plain.get_layer("norm").trainable = False
    x = rng.normal(size=(5, 4, 6, 7)).astype("float32")
    np.testing.assert_array_equal(model(x, training=True), plain(x, training=False))
    assert not plain.get_layer("norm").moving_mean.numpy().any()


KINDS = [
    (SGD, keras.optimizers.SGD, {"momentum": 0.9}, "ResourceApplyKerasMomentum"),
    (SGD, keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}, "ResourceApplyKerasMomentum"),
    (Adam, keras.optimizers.Adam, {}, "ResourceApplyAdam"),
]


@pytest.mark.parametrize(("ours", "theirs", "options", "kernel"), KINDS, ids=str)
def test_one_kernel_does_what_an_optimizer_of_keras_does(ours, theirs, options, kernel, rng):
    start, gradient = rng.normal(size=(2, 3, 50)).astype("float32")
    results = []
    for kind, fused in ((ours, True), (ours, False), (theirs, False)):
        optimizer, variable = kind(0.1, **options), keras.Variable(start)
        if kind is ours:
            optimizer.fused = fused
        optimizer.build([variable])
        step = tf.function(functools.partial(optimizer.apply, [tf.constant(gradient)]))
        operations = step.get_concrete_function().graph.get_operations()
        # Where Keras' own has the kernel, ours is no longer needed.
        assert (kernel in {operation.type for operation in operations}) == fused
        for _ in range(3):
            step()
        results.append([variable.numpy(), *(each.numpy() for each in optimizer.variables[2:])])
    for found, plain, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(plain, expected)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_without_momentum_keras_takes_the_step():
    optimizer, variable = SGD(0.5), keras.Variable([1.0])
    optimizer.apply([tf.constant([1.0])], [variable])
    np.testing.assert_allclose(variable.numpy(), 0.5)
