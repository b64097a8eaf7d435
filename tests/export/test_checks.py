"""How far an export's answers may be from the network's."""

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.export.checks import compare
from kerasnets.tasks import TASKS

REGRESSION = TASKS["regression"]


def test_numbers_are_compared_by_their_own_size():
    # Of a price and the rooms it pays for, one unit in the last place of float32 apart.
    numbers = np.array([[1e6, 3.0], [2e6, 5.0]], "float32")
    found = compare(numbers, np.nextafter(numbers, np.float32(0)), "fp32", REGRESSION)
    assert 0 < found["largest_relative_difference_of_numbers"] < 1e-6
    assert "same_best_class" not in found
    wrong = numbers + np.float32([0, 1])
    with pytest.raises(UserError, match="difference of numbers is 0.2, the limit 0.0001"):
        compare(numbers, wrong, "fp32", REGRESSION)
    # As logits, whose largest alone counts, they would pass.
    assert compare(numbers, wrong, "fp32")["same_best_class"] == 1


def test_a_column_without_any_number_is_no_division_by_zero():
    none = np.zeros((2, 1), "float32")
    assert compare(none, none, "fp32", REGRESSION)["largest_relative_difference_of_numbers"] == 0
    with pytest.raises(UserError, match="difference of numbers"):
        compare(none, none + 1, "fp32", REGRESSION)


def test_a_number_that_is_none_is_refused():
    numbers = np.ones((2, 2), "float32")
    for task in TASKS.values():
        with pytest.raises(UserError, match="does not answer as the network does"):
            compare(numbers, numbers * np.nan, "fp32", task)
