import keras
import numpy as np
import pytest

from kerasnets.config import recipe
from kerasnets.training.schedules import RecipeSchedule, plateau_factor, stalled_epochs


def rates(chosen, steps_per_epoch, steps):
    schedule = RecipeSchedule(chosen, steps_per_epoch)
    return [float(schedule(step)) for step in steps]


def test_step_schedule_divides_by_ten():
    found = rates(recipe("resnet_cifar", epochs=4), 10, (0, 19, 20, 29, 30, 39))
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)


def test_milestones_count_from_the_first_step():
    """He et al. 2015: divided at 32,000 and 48,000 of 64,000, a tenth for the first 400,
    or 399 of the 351 whole batches in 45,000 images."""
    chosen = recipe("resnet110_cifar")
    steps = (0, 398, 399, 31_940, 31_941, 47_911, 47_912)
    found = rates(chosen, 45_000 // 128, steps)
    np.testing.assert_allclose(found, [0.01, 0.01, 0.1, 0.1, 0.01, 0.01, 0.001], rtol=1e-5)


def test_cosine_with_warm_up():
    chosen = recipe("lenet_modern", epochs=10, learning_rate=0.2, warmup_epochs=2)
    found = rates(chosen, 5, (0, 9, 10, 30, 50))
    np.testing.assert_allclose(found, [0.02, 0.2, 0.2, 0.1, 0], rtol=1e-5, atol=1e-7)
    schedule = RecipeSchedule(chosen, 5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert float(again(30)) == pytest.approx(0.1)


def test_exponential_schedule_is_a_staircase():
    chosen = recipe("inception_v3_2015", learning_rate=1.0, decay_rate=0.5, decay_epochs=2)
    found = rates(chosen, 10, (0, 19, 20, 39, 40))
    np.testing.assert_allclose(found, [1, 1, 0.5, 0.5, 0.25], rtol=1e-5)


def test_polynomial_schedules():
    line = recipe("shufflenet2017", epochs=2)
    np.testing.assert_allclose(rates(line, 10, (0, 5, 20, 99)), [0.5, 0.375, 0, 0], atol=1e-7)
    root = recipe("googlenet_quick2014", epochs=1, learning_rate=1.0)
    np.testing.assert_allclose(rates(root, 100, (0, 75, 99)), [1, 0.5, 0.1], rtol=1e-4)


@pytest.mark.needs("torch")
def test_one_cycle_is_pytorchs():
    """Values of torch.optim.lr_scheduler.OneCycleLR(max_lr=0.4, total_steps=100)."""
    import torch

    parameters = [torch.zeros(1, requires_grad=True)]
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.4, total_steps=1001)
    expected = []
    for _ in range(1001):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    chosen = recipe("one_cycle", epochs=10)
    steps = (0, 150, 300, 500, 1000)
    # Theirs is at its top one step earlier.
    np.testing.assert_allclose(
        rates(chosen, 100, steps), [expected[step] for step in steps], rtol=0.01
    )


def test_constant_schedule():
    found = rates(recipe("digits", schedule="constant", warmup_epochs=0), 3, (0, 10_000))
    np.testing.assert_allclose(found, 3e-3, rtol=1e-6)


def test_the_rate_is_in_proportion_to_the_batch():
    assert recipe("resnet2015", batch_size=1024).peak_learning_rate == pytest.approx(0.4)
    assert recipe("resnet2015", batch_size=32).peak_learning_rate == pytest.approx(0.0125)
    assert recipe("digits", batch_size=1024).peak_learning_rate == 3e-3
    schedule = RecipeSchedule(recipe("resnet_cifar", batch_size=256), 10)
    assert float(schedule(0)) == pytest.approx(0.2)


def test_a_plateau_divides_three_times():
    chosen = recipe("alexnet2012", patience=2)
    rising = [0.1, 0.2, 0.3]
    assert plateau_factor(chosen, rising) == 1
    assert plateau_factor(chosen, [*rising, 0.3]) == 1
    assert plateau_factor(chosen, [*rising, 0.3, 0.2]) == pytest.approx(0.1)
    assert plateau_factor(chosen, [*rising, 0.3, 0.2, 0.4, 0.4]) == pytest.approx(0.1)
    assert plateau_factor(chosen, [0.5] * 30) == pytest.approx(1e-3)


def test_stalled_epochs_count_from_the_first_best():
    assert stalled_epochs([]) == 0
    assert stalled_epochs([0.1, 0.3, 0.2, 0.3]) == 2
    assert stalled_epochs([0.1, 0.2]) == 0
