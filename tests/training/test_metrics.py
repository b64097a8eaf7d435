import numpy as np
import pytest

from kerasnets.training.metrics import measure


def test_figures_against_scikit_learn(rng):
    from sklearn.metrics import confusion_matrix, log_loss, top_k_accuracy_score

    logits, labels = rng.standard_normal((200, 8)), rng.integers(0, 8, 200)
    found = measure("test", logits, labels)
    exponents = np.exp(logits)
    probabilities = exponents / exponents.sum(1, keepdims=True)
    assert found.top1 == pytest.approx((logits.argmax(1) == labels).mean())
    assert found.top5 == pytest.approx(
        top_k_accuracy_score(labels, logits, k=5, labels=np.arange(8))
    )
    assert found.loss == pytest.approx(log_loss(labels, probabilities, labels=np.arange(8)))
    np.testing.assert_array_equal(
        found.confusion, confusion_matrix(labels, logits.argmax(1), labels=np.arange(8))
    )


def test_ties_and_confusion_agree():
    found = measure("test", np.zeros((3, 10)), np.array([0, 4, 9]))
    assert found.top1 == pytest.approx(1 / 3)
    assert found.top5 == pytest.approx(2 / 3)
    assert np.trace(found.confusion) == 1


def test_large_logits_do_not_overflow():
    found = measure("test", np.array([[1e6, 0.0], [0.0, 1e6]]), np.array([0, 0]))
    assert found.loss == pytest.approx(5e5)
    assert found.top5 is None
    assert "top-5" not in str(found)
    assert found.summary() == {
        "split": "test", "images": 2, "loss": found.loss, "top1": 0.5, "top5": None
    }  # fmt: skip
