"""Figures of several labels at thresholds."""

import numpy as np
import pytest

from kerasnets.evaluation import multilabel

# Probabilities 0.9, 0.4, 0.2 of the first class, 0.8, 0.7, 0.6 of the second.
PROBABILITIES = np.array([[0.9, 0.8], [0.4, 0.7], [0.2, 0.6]])
LOGITS = np.log(PROBABILITIES / (1 - PROBABILITIES))
LABELS = np.array([[1, 1], [1, 0], [0, 0]])


def test_f1_is_that_of_the_thresholds():
    plain = multilabel.measure("test", LOGITS, LABELS)
    # The first class lacks an image of two, the second has two too many.
    assert plain.f1.tolist() == pytest.approx([2 / 3, 1 / 2])
    chosen = multilabel.measure("test", LOGITS, LABELS, thresholds=(0.3, 0.75))
    assert chosen.f1.tolist() == pytest.approx([1, 1])
    assert chosen.mean_average_precision == plain.mean_average_precision == pytest.approx(1)


def test_thresholds_are_those_of_the_highest_f1():
    found = multilabel.best_thresholds(LOGITS, LABELS)
    # Half-way between the lowest score that is answered and the next.
    assert found == pytest.approx((0.3, 0.75))
    assert multilabel.measure("test", LOGITS, LABELS, thresholds=found).macro_f1 == 1


def test_a_class_without_images_counts_in_no_mean():
    logits = np.hstack([LOGITS, [[3.0], [-1.0], [-2.0]]])  # answered once, and never there
    labels = np.hstack([LABELS, np.zeros((3, 1), int)])
    plain, found = (
        multilabel.measure("test", *each) for each in ((LOGITS, LABELS), (logits, labels))
    )
    assert found.mean_average_precision == plain.mean_average_precision
    assert found.macro_f1 == plain.macro_f1
    assert multilabel.best_thresholds(logits, labels)[2] == 0.5
