import json

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.data.records import Paths
from kerasnets.data.sources.base import Split
from kerasnets.evaluation.labels import real_labels, relabelled


def split(*names: str) -> Split:
    return Split(Paths(np.array(names)), np.arange(len(names), dtype=np.int32))


def test_real_labels_go_by_the_number_in_the_name(tmp_path):
    path = tmp_path / "real.json"
    path.write_text(json.dumps([[1], [], [4, 5]]))
    images = split("b/ILSVRC2012_val_00000003.JPEG", "a/ILSVRC2012_val_00000001.JPEG")
    assert real_labels(path, images) == [[4, 5], [1]]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("[[1]]", "dog.jpg", r"go by the numbers in file names.*Found: dog.jpg"),
        ("[[1]]", "ILSVRC2012_val_00000002.JPEG", "ILSVRC2012_val_00000001.JPEG to 00000001"),
        ("[[1]", "ILSVRC2012_val_00000001.JPEG", "has no ReaL labels"),
        ('[["a"]]', "ILSVRC2012_val_00000001.JPEG", "no list of lists of class numbers"),
        ("[1]", "ILSVRC2012_val_00000001.JPEG", "has no ReaL labels"),
    ],
)
def test_other_files_have_no_real_labels(tmp_path, text, name, message):
    path = tmp_path / "real.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        real_labels(path, split(name))
    with pytest.raises(UserError, match="has no ReaL labels"):
        real_labels(tmp_path / "none.json", split(name))


@pytest.mark.parametrize("text", ["cat,4\ndog,2\n", "ant\nbee\ndog\nemu\ncat\n"])
def test_labels_become_the_networks(tmp_path, text):
    path = tmp_path / "labels.txt"
    path.write_text(text)
    found, names = relabelled(split("a", "b"), ("cat", "dog"), path, 5)
    assert found.labels.tolist() == [4, 2]
    assert found.labels.dtype == np.int32
    assert (names[4], names[2]) == ("cat", "dog")
    assert len(names) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat,4\n", "no line for 1 of the data set's classes: dog"),
        ("cat,4\ndog,5\n", "gives 'dog' the number 5; the network has the classes 0 to 4"),
        ("cat,4\ndog,two\n", "must have a line NAME,NUMBER"),
        ("cat,4\ndog\n", "must have a line NAME,NUMBER"),
        ("cat,4,1\ndog,2,1\n", "must have a line NAME,NUMBER"),
        ("x" * 200_000, "cannot be read: field larger than field limit"),
        ("", "no line for 2 of the data set's classes"),
    ],
)
def test_what_is_wrong_with_a_label_file_is_told(tmp_path, text, message):
    path = tmp_path / "labels.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        relabelled(split("a", "b"), ("cat", "dog"), path, 5)
