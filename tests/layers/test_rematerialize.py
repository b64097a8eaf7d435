"""Layers that compute twice, against the same layers that compute once."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.layers import DenseConcat, Rematerialize


def network(remat: bool, dtype: str = "float32") -> keras.Model:
    """Two rows of layers: one from a single tensor, one from two that are concatenated."""
    random.seed(0)
    options = {"dtype": dtype}
    images = keras.Input((6, 6, 3), name="images")
    parts = [images]
    for row in range(2):
        y = DenseConcat(name=f"concat{row}", **options)(parts) if row else images
        y = keras.layers.BatchNormalization(momentum=0.5, name=f"bn{row}", **options)(y)
        y = keras.layers.PReLU(shared_axes=[1, 2], name=f"act{row}", **options)(y)
        y = keras.layers.Conv2D(4, 1, name=f"conv{row}", **options)(y)
        if remat:
            y = Rematerialize(name=f"remat{row}", **options)([y, *parts])
        parts.append(keras.layers.Activation("tanh", name=f"tanh{row}", **options)(y))
    y = keras.layers.GlobalAveragePooling2D(name="pool", **options)(parts[-1])
    return keras.Model(images, keras.layers.Dense(2, name="dense", dtype="float32")(y))


def batch() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    images = 1 + 2 * draw.standard_normal((5, 6, 6, 3)).astype("float32")
    return images, draw.standard_normal((5, 2)).astype("float32")


def test_eager_gradients_are_those_of_the_layers_alone():
    found = []
    for model in (network(True), network(False)):
        images, targets = batch()
        with tf.GradientTape() as tape:
            loss = keras.ops.mean((model(images, training=True) - targets) ** 2)
        found.append(tape.gradient(loss, [weight.value for weight in model.trainable_variables]))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * abs(theirs.numpy()).max())


def gradients(model: keras.Model, jit_compile: bool = False) -> tuple[list, tf.Graph]:
    """Of the loss by each weight, and the graph that computed them."""
    images, targets = batch()

    @tf.function(jit_compile=jit_compile)
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = keras.ops.mean((model(images, training=True) - targets) ** 2)
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    results = [gradient.numpy() for gradient in step()]
    return results, step.get_concrete_function().graph


def moving_statistics(model: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.non_trainable_variables]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradients_and_moving_statistics_are_those_of_the_layers_alone(jit_compile):
    plain, remat = network(False), network(True)
    expected, _ = gradients(plain, jit_compile)
    found, _ = gradients(remat, jit_compile)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        # The same sums, perhaps in another order.
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * abs(theirs).max())
    for ours, theirs in zip(moving_statistics(remat), moving_statistics(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_moving_statistics_are_updated_once():
    model = network(True)
    gradients(model)
    images, _ = batch()
    mean = model.get_layer("bn0").moving_mean.numpy()
    # From zero, half of the way to the batch's mean; two updates would go three quarters.
    np.testing.assert_allclose(mean, 0.5 * images.mean(axis=(0, 1, 2)), rtol=1e-5)


def test_the_backward_pass_computes_the_layers_again():
    graphs = [gradients(network(remat))[1] for remat in (False, True)]
    concatenations = [
        sum(operation.type == "ConcatV2" for operation in graph.get_operations())
        for graph in graphs
    ]
    # Forward by the layer itself, forward for the gradient (merged by the compiler), backward.
    assert concatenations[1] - concatenations[0] == 2


def test_inference_is_that_of_the_layers():
    images, _ = batch()
    plain, remat = network(False), network(True)
    np.testing.assert_array_equal(remat(images), plain(images))
    assert [layer.name for layer in remat.layers if layer.weights] == [
        layer.name for layer in plain.layers if layer.weights
    ]


def test_it_trains_as_the_layers_do():
    losses = []
    for remat in (False, True):
        model = network(remat)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        losses.append(model.fit(*batch(), epochs=5, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert losses[1][-1] < losses[1][0]


def test_a_saved_or_cloned_model_still_computes_again(tmp_path):
    model = network(True)
    model.save(tmp_path / "model.keras")
    expected, graph = gradients(model)
    for copy in (
        keras.saving.load_model(tmp_path / "model.keras"),
        keras.models.clone_model(model),
    ):
        copy.set_weights(network(True).get_weights())
        found, copied_graph = gradients(copy)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * abs(theirs).max())
        assert len(copied_graph.get_operations()) == len(graph.get_operations())


def test_frozen_layers_stay_frozen():
    model = network(True)
    model.get_layer("bn1").trainable = False
    model.get_layer("conv1").trainable = False
    before = model.get_weights()
    model.compile("sgd", "mse")
    model.train_on_batch(*batch())
    for old, variable in zip(before, model.weights, strict=True):
        frozen = variable.path.startswith(("bn1", "conv1"))
        assert (old == variable.numpy()).all() == frozen, variable.path


def test_mixed_precision():
    plain, remat = (network(remat, "mixed_bfloat16") for remat in (False, True))
    assert remat.get_layer("remat0").output.dtype == "bfloat16"
    for ours, theirs in zip(gradients(remat)[0], gradients(plain)[0], strict=True):
        # bfloat16 has eight bits.
        np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.02 * abs(theirs).max())


def branches(remat: bool) -> keras.Model:
    """Two branches of one input, of which one ends in its product with the input."""
    random.seed(0)
    images = keras.Input((6, 6, 3), name="images")
    shared = keras.layers.Conv2D(3, 3, padding="same", activation="tanh", name="shared")(images)
    one = keras.layers.Conv2D(4, 1, name="one")(shared)
    other = keras.layers.BatchNormalization(name="norm")(shared)
    other = keras.layers.Multiply(name="product")([images, other])
    y = keras.layers.Concatenate(name="concat")([one, other])
    if remat:
        y = Rematerialize(name="remat")([y, images])
    y = keras.layers.GlobalAveragePooling2D(name="pool")(y)
    return keras.Model(images, keras.layers.Dense(2, name="dense")(y))


def test_layers_may_branch():
    plain, remat = branches(False), branches(True)
    for ours, theirs in zip(gradients(remat)[0], gradients(plain)[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * abs(theirs).max())
    for ours, theirs in zip(moving_statistics(remat), moving_statistics(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_both_passes_draw_the_same_and_each_step_anew(compiled):
    images = keras.Input((64,))
    y = keras.layers.Dense(64, use_bias=False, kernel_initializer="identity")(images)
    model = keras.Model(images, Rematerialize()([keras.layers.Dropout(0.5, seed=0)(y), images]))

    def step() -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            kept = model(tf.ones((1, 64)), training=True)
        return kept, tape.gradient(kept, model.trainable_weights[0].value)

    step = tf.function(step) if compiled else step
    draws = []
    for _ in range(2):
        kept, gradient = step()
        assert set(kept.numpy().flat) == {0.0, 2.0}
        # An output's weights have the gradient of the output that was computed again.
        np.testing.assert_array_equal(gradient[0], kept[0])
        draws.append(kept.numpy())
    assert (draws[0] != draws[1]).any()


def test_layers_that_do_not_come_from_the_sources_are_named():
    images = keras.Input((6, 6, 3), name="elsewhere")
    other = keras.layers.Conv2D(4, 1)(images)
    y = keras.layers.Conv2D(4, 1, name="conv")(images)
    model = keras.Model(images, Rematerialize(name="remat")([y, other]))
    with pytest.raises(ValueError, match="layers must lead from the sources.*that elsewhere leads"):
        model(batch()[0], training=True)
