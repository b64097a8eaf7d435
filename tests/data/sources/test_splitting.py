import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.data import Dataset, Pixels, Split, load, register_source


def test_a_split_without_labels_is_left_out_and_one_with_some_refused(caplog):
    caplog.set_level("INFO", "kerasnets")

    def source(rest, data_dir):
        images = Pixels(np.zeros((3, 4, 4, 3), np.uint8))
        labels = {"train": np.arange(3), "test": np.array([int(rest), -1, -1])}
        splits = {name: Split(images, each.astype(np.int32)) for name, each in labels.items()}
        return Dataset(f"partly:{rest}", ("a", "b", "c"), splits)

    register_source("partly", source, "partly:LABEL")
    assert list(load("partly:-1").splits) == ["train"]
    assert caplog.messages == ["partly:-1: the split test has no labels and is left out"]
    with pytest.raises(
        UserError, match="partly:0: 2 of the 3 images of the split test have no label"
    ):
        load("partly:0")
    with pytest.raises(UserError, match="The name 'partly' is taken by another source"):
        register_source("partly", source)
    with pytest.raises(
        UserError, match="Unknown data set 'partly'. Expected digits, .* or partly:LABEL"
    ):
        load("partly")
