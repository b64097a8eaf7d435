import numpy as np
import pytest

from kerasnets.config import recipe
from kerasnets.training.losses import R2, BinaryCrossEntropy, CrossEntropy, MAPCriterion, build_loss


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def test_map_criterion_is_equation_nine(rng):
    penalties = rng.uniform(0, 30, (5, 10))
    labels = rng.integers(0, 10, 5)
    right = penalties[np.arange(5), labels]
    expected = (right + np.log(np.exp(-12.0) + np.exp(-penalties).sum(1))).mean()
    loss = MAPCriterion()
    assert float(loss(labels[:, None], -penalties.astype("f"))) == pytest.approx(expected, rel=1e-5)
    assert MAPCriterion.from_config(MAPCriterion(3.0).get_config()).j == 3.0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_labels_may_be_integers_or_mixed(rng, smoothing):
    logits = rng.standard_normal((6, 4)).astype("f")
    labels, others = rng.integers(0, 4, 6), rng.integers(0, 4, 6)
    share = rng.uniform(size=(6, 1))
    mixed = share * np.eye(4)[labels] + (1 - share) * np.eye(4)[others]
    loss = CrossEntropy(smoothing)
    for given, targets in ((labels, np.eye(4)[labels]), (mixed.astype("f"), mixed)):
        smoothed = (1 - smoothing) * targets + smoothing / 4
        expected = -(smoothed * log_softmax(logits)).sum(1).mean()
        assert float(loss(given, logits)) == pytest.approx(expected, rel=1e-5)


def test_measuring_does_not_smooth():
    chosen = recipe("digits", label_smoothing=0.1)
    assert build_loss(chosen).smoothing == 0.1
    assert build_loss(chosen, training=False).smoothing == 0.0
    assert isinstance(build_loss(recipe("lenet1998"), training=False), MAPCriterion)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_class_weights_multiply_the_losses_of_images(rng, smoothing):
    logits = rng.standard_normal((6, 4)).astype("f")
    labels, others = rng.integers(0, 4, 6), rng.integers(0, 4, 6)
    mixed = 0.3 * np.eye(4)[labels] + 0.7 * np.eye(4)[others]
    weights = (1.0, 2.0, 0.5, 4.0)
    loss = CrossEntropy(smoothing, weights)
    for given, targets in ((labels, np.eye(4)[labels]), (mixed.astype("f"), mixed)):
        smoothed = (1 - smoothing) * targets + smoothing / 4
        each = -(smoothed * log_softmax(logits)).sum(1) * (targets @ weights)
        assert float(loss(given, logits)) == pytest.approx(each.mean(), rel=1e-5)
    assert CrossEntropy.from_config(loss.get_config()).class_weights == weights


def test_class_weights_of_the_map_criterion(rng):
    penalties = rng.uniform(0, 30, (5, 3)).astype("f")
    labels = np.array([0, 1, 2, 1, 0])
    each = [float(MAPCriterion()(labels[at : at + 1], -penalties[at : at + 1])) for at in range(5)]
    expected = np.mean(np.array(each) * np.array([1.0, 3.0, 2.0])[labels])
    loss = build_loss(recipe("lenet1998"), class_weights=(1.0, 3.0, 2.0))
    assert float(loss(labels, -penalties)) == pytest.approx(expected, rel=1e-5)


def test_measuring_weighs_all_classes_alike():
    assert (
        build_loss(recipe("digits"), training=False, class_weights=(1.0, 9.0)).class_weights == ()
    )


def test_a_yes_counts_by_the_weight_of_its_class(rng):
    logits = rng.standard_normal((6, 3)).astype("f")
    labels = (rng.random((6, 3)) < 0.4).astype("f")
    smoothed = 0.9 * labels + 0.05
    yes, no = np.logaddexp(0, -logits), np.logaddexp(0, logits)
    expected = (smoothed * yes * (1.0, 2.0, 5.0) + (1 - smoothed) * no).mean()
    found = BinaryCrossEntropy(0.1, (1.0, 2.0, 5.0))(labels, logits)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_r2_over_batches_is_that_of_scikit_learn(rng):
    from sklearn.metrics import r2_score

    true = rng.normal(3, 1, (40, 2)).astype("f")
    said = true + rng.normal(0, 0.5, (40, 2)).astype("f")
    metric = R2(2, "r2")
    for part in (slice(0, 25), slice(25, None)):
        metric.update_state(true[part], said[part])
    assert float(metric.result()) == pytest.approx(r2_score(true, said), abs=1e-4)
