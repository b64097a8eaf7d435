import keras
import numpy as np
import pytest

from kerasnets.training import recipe
from kerasnets.training.optimization import (
    MAPCriterion,
    SmoothedCrossEntropy,
    WarmUp,
    build_loss,
    build_optimizer,
    learning_rate,
)


def test_step_schedule_divides_by_ten():
    rates = learning_rate(recipe("resnet_cifar", epochs=4), steps_per_epoch=10)
    values = [float(rates(step)) for step in (0, 20, 21, 30, 31, 39)]
    np.testing.assert_allclose(values, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)


def test_cosine_with_warm_up():
    chosen = recipe("lenet_modern", epochs=10, learning_rate=0.2, warmup_epochs=2)
    rates = learning_rate(chosen, steps_per_epoch=5)
    assert float(rates(0)) == pytest.approx(0.02)
    assert float(rates(9)) == pytest.approx(0.2)
    assert float(rates(10 + 20)) == pytest.approx(0.1)
    assert float(rates(50)) == pytest.approx(0, abs=1e-7)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rates))
    assert isinstance(again, WarmUp)
    assert float(again(30)) == pytest.approx(0.1)


def test_exponential_schedule_is_a_staircase():
    chosen = recipe("inception_v3_2015", learning_rate=1.0, decay_rate=0.5, decay_epochs=2)
    rates = learning_rate(chosen, steps_per_epoch=10)
    values = [float(rates(step)) for step in (0, 19, 20, 39, 40)]
    np.testing.assert_allclose(values, [1, 1, 0.5, 0.5, 0.25], rtol=1e-5)


def test_constant_schedule():
    rates = learning_rate(recipe("digits", schedule="constant", warmup_epochs=0), 3)
    assert float(rates(0)) == float(rates(10_000)) == pytest.approx(3e-3)


def one_step(optimizer, kernel, bias, gradients):
    variables = [keras.Variable(kernel), keras.Variable(bias)]
    optimizer.build(variables)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradient], variables)
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def test_weight_decay_goes_through_the_momentum(rng):
    """v = m v - lr (g + decay w); w += v, as the papers (and Caffe and torch) have it."""
    kernel, bias = rng.standard_normal((3, 4)).astype("f"), rng.standard_normal(4).astype("f")
    gradients = [
        (rng.standard_normal((3, 4)).astype("f"), rng.standard_normal(4).astype("f"))
        for _ in range(3)
    ]
    chosen = recipe(
        "resnet_cifar", learning_rate=0.1, momentum=0.9, weight_decay=0.05, schedule="constant"
    )
    found = one_step(build_optimizer(chosen, 10), kernel, bias, gradients)
    for value, column, decay in ((kernel, 0, 0.05), (bias, 1, 0.0)):
        velocity, expected = 0.0, value.astype(np.float64)
        for gradient in gradients:
            velocity = 0.9 * velocity - 0.1 * (gradient[column] + decay * expected)
            expected = expected + velocity
        np.testing.assert_allclose(found[column], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["sgd", "nesterov", "rmsprop", "adam"])
def test_optimizers_are_told_apart_and_saved(kind):
    optimizer = build_optimizer(recipe("digits", optimizer=kind, weight_decay=0.1), 5)
    assert getattr(optimizer, "nesterov", False) == (kind == "nesterov")
    config = keras.saving.serialize_keras_object(optimizer)
    assert keras.saving.deserialize_keras_object(config).l2 == 0.1


def test_map_criterion_is_equation_nine(rng):
    penalties = rng.uniform(0, 30, (5, 10))
    labels = rng.integers(0, 10, 5)
    right = penalties[np.arange(5), labels]
    expected = (right + np.log(np.exp(-12.0) + np.exp(-penalties).sum(1))).mean()
    loss = MAPCriterion()
    assert float(loss(labels[:, None], -penalties.astype("f"))) == pytest.approx(expected, rel=1e-5)
    assert MAPCriterion.from_config(MAPCriterion(3.0).get_config()).j == 3.0


def test_smoothed_targets(rng):
    logits = rng.standard_normal((6, 4)).astype("f")
    labels = rng.integers(0, 4, 6)
    targets = 0.9 * np.eye(4)[labels] + 0.1 / 4
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -(targets * logs).sum(1).mean()
    assert float(SmoothedCrossEntropy(0.1)(labels, logits)) == pytest.approx(expected, rel=1e-5)
    assert isinstance(build_loss(recipe("digits", label_smoothing=0.1)), SmoothedCrossEntropy)
