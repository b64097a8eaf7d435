import dataclasses

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.data import load
from kerasnets.data.sources.unlabelled import without_unlabelled


def test_a_split_without_labels_is_left_out_and_one_with_some_refused(caplog, monkeypatch):
    caplog.set_level("INFO", "kerasnets")
    digits = load("digits")
    train, test = digits.split("train"), digits.split("test")

    def with_labels(labels):
        unlabelled = dataclasses.replace(test, labels=labels.astype(np.int32))
        return dataclasses.replace(digits, splits={"train": train, "test": unlabelled})

    none = with_labels(np.full(test.size, -1))
    assert list(without_unlabelled(none).splits) == ["train"]
    assert caplog.messages == ["digits: the split test has no labels and is left out"]
    assert without_unlabelled(digits).splits == digits.splits
    with pytest.raises(
        UserError, match="digits: 1 of the 450 images of the split test have no label"
    ):
        without_unlabelled(with_labels(np.r_[-1, test.labels[1:]]))
    monkeypatch.setattr("kerasnets.data.sources.digits", lambda: none)
    assert list(load("digits").splits) == ["train"]
