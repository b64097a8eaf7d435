import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.config import recipe
from kerasnets.training.optimization import build_optimizer, decayed_weights, stage_rates


def network(**changes) -> keras.Model:
    """A convolution with batch norm, a depthwise one, a classifier with bias."""
    layers = keras.layers
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 2, use_bias=False, name="conv")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.DepthwiseConv2D(2, use_bias=False, name="depthwise")(x)
    x = layers.Dense(5, name="logits")(layers.Flatten()(x))
    return keras.Model(inputs, x)


def applied(chosen, model, gradients):
    """The weights after updates with these gradients."""
    optimizer = build_optimizer(chosen, 10, model)
    optimizer.build(model.trainable_variables)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradient])
    return [keras.ops.convert_to_numpy(weight) for weight in model.trainable_variables]


def drawn(rng, model, steps=3):
    return [
        [rng.standard_normal(weight.shape).astype("f") for weight in model.trainable_variables]
        for _ in range(steps)
    ]


PLAIN = {"schedule": "constant", "warmup_epochs": 0, "base_batch_size": None}


def test_what_decays():
    names = {on: set(decayed_weights(network(), on)) for on in ("kernels", "all", "not_depthwise")}
    assert names["kernels"] == {"conv/kernel", "depthwise/kernel", "logits/kernel"}
    assert names["not_depthwise"] == {"conv/kernel", "logits/kernel"}
    assert names["all"] == names["kernels"] | {"bn/gamma", "bn/beta", "logits/bias"}


@pytest.mark.parametrize("on", ["kernels", "all"])
@pytest.mark.parametrize("kind", ["sgd", "nesterov"])
def test_weight_decay_goes_through_the_momentum(rng, on, kind):
    """v = m v - lr (g + decay w); w += v, as the papers (and Caffe and torch) have it."""
    model = network()
    before = [weight.numpy().astype(np.float64) for weight in model.trainable_variables]
    gradients = drawn(rng, model)
    chosen = recipe(
        "resnet_cifar", optimizer=kind, learning_rate=0.1, weight_decay=0.05, decay_on=on, **PLAIN
    )
    found = applied(chosen, model, gradients)
    for place, weight in enumerate(before):
        decay = 0.05 if on == "all" or weight.ndim > 1 else 0.0
        velocity = 0.0
        for gradient in gradients:
            full = gradient[place] + decay * weight
            velocity = 0.9 * velocity - 0.1 * full
            weight = weight + (velocity if kind == "sgd" else 0.9 * velocity - 0.1 * full)
        np.testing.assert_allclose(found[place], weight, rtol=1e-4, atol=1e-6)


def test_rmsprop_has_epsilon_under_the_root(rng):
    """Szegedy et al. 2015: decay 0.9, epsilon 1.0; TensorFlow 1 has it under the root."""
    model = network()
    before = [weight.numpy().astype(np.float64) for weight in model.trainable_variables]
    gradients = drawn(rng, model)
    chosen = recipe("inception_v3_2015", weight_decay=0.05, clip_norm=None, **PLAIN)
    found = applied(chosen, model, gradients)
    for place, weight in enumerate(before):
        decay = 0.05 if weight.ndim > 1 else 0.0
        mean_square, velocity = 0.0, 0.0
        for gradient in gradients:
            full = gradient[place] + decay * weight
            mean_square = 0.9 * mean_square + 0.1 * full**2
            velocity = 0.9 * velocity + 0.045 * full / np.sqrt(mean_square + 1.0)
            weight = weight - velocity
        np.testing.assert_allclose(found[place], weight, rtol=1e-4, atol=1e-6)


@pytest.mark.needs("torch")
def test_adamw_decays_beside_the_update(rng):
    import torch

    model = network()
    before = [weight.numpy() for weight in model.trainable_variables]
    gradients = drawn(rng, model)
    chosen = recipe(
        "cosine_adamw", learning_rate=0.01, weight_decay=0.3, clip_norm=None, epsilon=1e-8, **PLAIN
    )
    found = applied(chosen, model, gradients)
    for place, weight in enumerate(before):
        theirs = torch.tensor(weight, requires_grad=True)
        decay = 0.3 if weight.ndim > 1 else 0.0
        optimizer = torch.optim.AdamW([theirs], lr=0.01, weight_decay=decay)
        for gradient in gradients:
            theirs.grad = torch.tensor(gradient[place])
            optimizer.step()
        np.testing.assert_allclose(found[place], theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_the_norm_of_all_gradients_is_cut_off_with_the_penalty(rng):
    model = network()
    before = [weight.numpy().astype(np.float64) for weight in model.trainable_variables]
    (gradients,) = drawn(rng, model, steps=1)
    chosen = recipe(
        "resnet_cifar", learning_rate=1.0, momentum=0, weight_decay=0.1, clip_norm=0.5, **PLAIN
    )
    found = applied(chosen, model, [gradients])
    full = [
        gradient + (0.1 * weight if weight.ndim > 1 else 0)
        for gradient, weight in zip(gradients, before, strict=True)
    ]
    norm = np.sqrt(sum((each**2).sum() for each in full))
    assert norm > 0.5
    for weight, each, after in zip(before, full, found, strict=True):
        np.testing.assert_allclose(after, weight - each * 0.5 / norm, rtol=1e-4, atol=1e-6)
    moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(found, before, strict=True)))
    assert moved == pytest.approx(0.5, rel=1e-4)


def test_earlier_stages_learn_slower(rng):
    model = kerasnets.build("resnet20_cifar", classifier_activation=None)
    rates = stage_rates(model, 0.5)
    assert rates["stem_conv/kernel"] == rates["stage1_block3_conv2/kernel"] == 0.125
    assert rates["stage2_block1_conv1/kernel"] == 0.25
    assert rates["stage3_block3_conv2_bn/gamma"] == 0.5
    assert "logits/kernel" not in rates
    before = [weight.numpy() for weight in model.trainable_variables]
    chosen = recipe("transfer", optimizer="sgd", momentum=0, learning_rate=0.1, **PLAIN)
    ones = [np.ones(weight.shape, "f") for weight in model.trainable_variables]
    found = applied(chosen, model, [ones])
    for weight, old, new in zip(model.trainable_variables, before, found, strict=True):
        expected = 0.1 * rates.get(weight.path, 1.0)
        np.testing.assert_allclose(old - new, expected, rtol=1e-3, err_msg=weight.path)


def test_float16_scales_the_loss():
    optimizer = build_optimizer(recipe("cosine", precision="mixed_float16"), 5, network())
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


@pytest.mark.parametrize("kind", ["sgd", "nesterov", "rmsprop", "adam", "adamw"])
def test_optimizers_are_told_apart_and_saved(kind):
    optimizer = build_optimizer(recipe("digits", optimizer=kind, weight_decay=0.1), 5, network())
    assert getattr(optimizer, "nesterov", False) == (kind == "nesterov")
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(config)
    assert again.decay == 0.1
    assert again.decoupled == (kind == "adamw")


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_adam_in_one_kernel_is_keras_adam(rng, precision):
    ours, theirs = network(), network()
    theirs.set_weights(ours.get_weights())
    gradients = drawn(rng, ours)
    chosen = recipe("digits", learning_rate=0.01, epsilon=1e-4, precision=precision, **PLAIN)
    found = applied(chosen, ours, gradients)
    reference = keras.optimizers.Adam(0.01, epsilon=1e-4)
    # The scale that float16 gradients come with at the beginning.
    scale = 1.0 if precision == "float32" else 2.0**15
    for gradient in gradients:
        plain = [keras.ops.convert_to_tensor(each / scale) for each in gradient]
        reference.apply(plain, theirs.trainable_variables)
    for new, weight in zip(found, theirs.trainable_variables, strict=True):
        np.testing.assert_allclose(new, weight.numpy(), rtol=1e-4, atol=1e-6)


def test_a_stage_that_an_option_leaves_out_has_no_rate():
    """The small stem of ShuffleNet has no pooling, which ends its first stage."""
    model = kerasnets.build("shufflenet_v1", input_shape=(32, 32, 3), width=0.25, stem="small")
    rates = stage_rates(model, 0.5)
    assert set(rates.values()) == {0.5, 0.25, 0.125}
    assert rates[model.layers[1].weights[0].path] == 0.125
