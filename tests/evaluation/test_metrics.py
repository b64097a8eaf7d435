import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.evaluation import metrics, multilabel, regression
from kerasnets.evaluation.metrics import measure


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
    assert set(found.summary()) == {
        "split", "images", "loss", "top1", "top5", "calibration_error", "real"
    }  # fmt: skip


@pytest.mark.parametrize("module", [metrics, multilabel, regression])
def test_an_answer_that_is_no_number_is_told(module):
    answers = np.zeros((4, 2), "float16")
    answers[2] = np.nan, 1
    labels = np.zeros(4, int) if module is metrics else np.zeros((4, 2))
    with pytest.raises(UserError, match=r"test: the answer for image 2 is no number \(nan\)"):
        module.measure("test", answers, labels)


def test_each_classs_figures_against_scikit_learn(rng):
    from sklearn.metrics import precision_score, recall_score

    logits, labels = rng.standard_normal((200, 8)), rng.integers(0, 7, 200)
    found = measure("test", logits, labels)
    classes = np.arange(8)
    for ours, theirs in ((found.precision, precision_score), (found.recall, recall_score)):
        expected = theirs(labels, logits.argmax(1), labels=classes, average=None, zero_division=0)
        np.testing.assert_allclose(np.nan_to_num(ours), expected)
    # No image has the last class.
    assert np.isnan(found.recall[7])


def test_calibration_error_by_hand():
    """Three answers of probability 0.9, two of them right; one of 0.6, wrong."""
    sure, unsure = np.log([0.9, 0.1]), np.log([0.6, 0.4])
    found = measure("test", np.array([sure, sure, sure, unsure]), np.array([0, 0, 1, 1]))
    expected = 3 / 4 * abs(2 / 3 - 0.9) + 1 / 4 * abs(0 - 0.6)
    assert found.calibration_error == pytest.approx(expected)
    certain = measure("test", np.array([[100.0, 0.0]]), np.array([0]))
    assert certain.calibration_error == pytest.approx(0)


def test_the_surest_mistakes_come_first():
    logits = np.log([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7], [0.2, 0.8]])
    found = measure("test", logits, np.array([1, 0, 0, 1]))
    assert [(each.image, each.label, each.answer) for each in found.mistakes] == [
        (1, 0, 1), (2, 0, 1), (0, 1, 0)
    ]  # fmt: skip
    assert found.mistakes[0].probability == pytest.approx(0.9)


def test_real_labels_count_images_that_have_any():
    logits = np.eye(3)
    found = measure("test", logits, np.array([0, 0, 2]), real=[[1, 0], [], [1]])
    assert found.real == pytest.approx(1 / 2)
    assert "ReaL 50.00%" in str(found)
