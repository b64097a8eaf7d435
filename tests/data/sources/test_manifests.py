import csv
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from kerasnets import UserError
from kerasnets.data import load, read
from kerasnets.inputs import Preprocessing

ODD_NAMES = ("a b.jpg", "zwei\nZeilen.png", "花.bmp", '"quoted", comma.gif')


@pytest.fixture
def folder(image_folder, tmp_path):
    """Images whose names are unusual, two of each class."""
    for number, name in enumerate(ODD_NAMES):
        suffix = name.rpartition(".")[2]
        index = ("jpg", "png", "bmp", "gif").index(suffix)
        label = ("blue sky", "rote Rosen")[number % 2]
        shutil.copy(image_folder / "train" / label / f"{index}.{suffix}", tmp_path / name)
    return tmp_path


def write(folder, name, rows):
    path = folder / name
    if name.endswith("csv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"manifest:{path}"


@pytest.mark.parametrize("name", ["images.csv", "images.jsonl"])
def test_names_and_splits_come_from_the_manifest(folder, name):
    rows = [
        {"path": path, "label": ("sky", "roses")[n % 2], "split": "train" if n < 2 else "val"}
        for n, path in enumerate(ODD_NAMES)
    ]
    dataset = load(write(folder, name, rows))
    assert dataset.class_names == ("roses", "sky")
    assert dataset.split("train").labels.tolist() == [1, 0]
    for split in dataset.splits.values():
        assert read(split, Preprocessing(size=(8, 8)), 3).records.values.shape == (2, 8, 8, 3)


def test_numbers_are_labels_and_a_share_is_held_out(folder):
    rows = [{"path": ODD_NAMES[n % 4], "label": n % 2} for n in range(20)]
    dataset = load(write(folder, "images.csv", rows), test_fraction=0.3)
    assert dataset.class_names == ("0", "1")
    assert np.bincount(dataset.split("test").labels).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"path": "a.jpg"}], "image 1: no 'label'. Found: path"),
        ([{"path": "a.jpg", "label": 0}, {"path": "", "label": 1}], "image 2: no 'path'"),
        ([{"path": "a.jpg", "label": 0}, {"path": "b.jpg", "label": -1}], "image 2: the label .*-1.* is none of the 1 classes"),
        ([{"path": "a.jpg", "label": 0}], "two classes at least. Found: 0"),
        ([{"path": "a.jpg", "label": "a", "split": "train"}, {"path": "b.jpg", "label": "b", "split": "rest"}], "image 2: split must be train, training, .*, test, .*. Received: 'rest'"),
        ([{"path": "a.jpg", "label": "a", "split": "train"}, {"path": "b.jpg", "label": "b", "split": "val"}], "the classes b are in validation and not in train"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(tmp_path, rows, message):
    for name in ("images.csv", "images.jsonl"):
        if len({len(row) for row in rows}) == 1:
            with pytest.raises(UserError, match=message):
                load(write(tmp_path, name, rows))


def test_a_class_list_says_which_labels_there_are(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    rows = [{"path": f"{n}.jpg", "label": ("dog", "cat")[n % 2]} for n in range(10)]
    assert load(write(tmp_path, "images.csv", rows)).class_names == ("cat", "dog")
    rows[3]["label"] = "cow"
    with pytest.raises(UserError, match="image 4: the label 'cow' is none of the 2 classes"):
        load(write(tmp_path, "images.csv", rows))
    numbers = [{"path": f"{n}.jpg", "label": n} for n in range(3)]
    with pytest.raises(UserError, match="image 3: the label '2' is none of the 2 classes"):
        load(write(tmp_path, "images.csv", numbers))


def test_files_that_are_no_manifest_are_told(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        load(f"manifest:{tmp_path / 'none.csv'}")
    (tmp_path / "bad.jsonl").write_text('{"path": "a.jpg", "label": 1}\n{oops\n')
    with pytest.raises(UserError, match="line 2 is no JSON"):
        load(f"manifest:{tmp_path / 'bad.jsonl'}")
    (tmp_path / "deep.jsonl").write_text("[" * 100_000)
    with pytest.raises(UserError, match="line 1 is no JSON: it is nested too deeply"):
        load(f"manifest:{tmp_path / 'deep.jsonl'}")
    (tmp_path / "empty.csv").write_text("path,label\n")
    with pytest.raises(UserError, match="lists no images"):
        load(f"manifest:{tmp_path / 'empty.csv'}")


def test_a_folder_on_another_file_system(image_folder):
    """TensorFlow's file system in memory stands for gs://."""
    for path in sorted(image_folder.rglob("*.*")):
        target = f"ram://images/{path.relative_to(image_folder)}"
        tf.io.gfile.makedirs(target.rpartition("/")[0])
        tf.io.gfile.GFile(target, "wb").write(path.read_bytes())
    dataset = load("folder:ram://images")
    assert dataset.class_names == ("blue sky", "rote Rosen")
    found = read(dataset.split("test"), Preprocessing(size=(8, 8)), 3)
    expected = read(load(f"folder:{image_folder}").split("test"), Preprocessing(size=(8, 8)), 3)
    np.testing.assert_array_equal(found.records.values, expected.records.values)
    with pytest.raises(UserError, match="There is no folder 'ram://nowhere'"):
        load("folder:ram://nowhere")
    with pytest.raises(UserError, match="TensorFlow knows no file system nothing://"):
        load("folder:nothing://images")


@pytest.mark.needs("datasets")
def test_a_data_set_of_hugging_face(image_folder, tmp_path):
    import datasets

    files = load(f"folder:{image_folder}").split("train")
    features = datasets.Features(
        {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["sky", "roses"])}
    )
    rows = {"picture": list(files.records.values), "kind": files.labels.tolist()}
    table = datasets.Dataset.from_dict(rows, features)
    table.save_to_disk(tmp_path / "saved")
    dataset = load(f"hf:{tmp_path / 'saved'}", test_fraction=0.25)
    assert dataset.class_names == ("sky", "roses")
    assert {name: split.size for name, split in dataset.splits.items()} == {"train": 18, "test": 6}
    found = read(dataset.split("test"), Preprocessing(size=(8, 8)), 3)
    assert found.records.values.shape == (6, 8, 8, 3)
    with pytest.raises(UserError, match="could not be loaded"):
        load(f"hf:{tmp_path / 'nothing'}")


def test_damaged_lists_are_told(tmp_path):
    (tmp_path / "long.csv").write_text("path,label\na.jpg,0\n" + "x" * 200_000 + ",1\n")
    with pytest.raises(UserError, match="long.csv', line 3 is no CSV: field larger"):
        load(f"manifest:{tmp_path / 'long.csv'}")
    rows = [{"path": f"{n}.jpg", "label": n, "split": ["train"]} for n in range(2)]
    with pytest.raises(UserError, match=r"image 1: split must be .* Received: \['train'\]"):
        load(write(tmp_path, "images.jsonl", rows))
