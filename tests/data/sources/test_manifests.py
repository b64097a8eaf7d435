import csv
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from kerasnets import UserError
from kerasnets.data import load, read
from kerasnets.inputs import Preprocessing
from kerasnets.prediction.sources import items

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


def test_classes_may_be_called_by_numbers(tmp_path):
    (tmp_path / "classes.txt").write_text("1\n2\n3\n")
    rows = [{"path": f"{n}.jpg", "label": 1 + n % 2} for n in range(10)]
    dataset = load(write(tmp_path, "images.csv", rows))
    assert dataset.class_names == ("1", "2", "3")
    labels = np.concatenate([split.labels for split in dataset.splits.values()])
    assert sorted(labels) == [0] * 5 + [1] * 5


def test_names_that_python_takes_for_numbers_are_names(tmp_path):
    rows = [{"path": f"{n}.jpg", "label": ("1_0", "10")[n % 2]} for n in range(10)]
    assert load(write(tmp_path, "images.csv", rows)).class_names == ("10", "1_0")


def test_a_date_is_no_label(tmp_path):
    rows = [{"path": f"{n}.jpg", "label": 20230101 + n % 2} for n in range(10)]
    with pytest.raises(UserError, match="has the label 20230102: without classes.txt"):
        load(write(tmp_path, "images.csv", rows))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(UserError, match="the label '20230101' is none of the 2 classes"):
        load(write(tmp_path, "images.csv", rows))


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


MARKS = [
    {"path": "a.jpg", "cat": 1, "dog": 0, "split": "train"},
    {"path": "b.jpg", "cat": 0, "dog": 1, "split": "train"},
    {"path": "c.jpg", "cat": 1, "dog": 1, "split": "test"},
    {"path": "d.jpg", "cat": 0, "dog": 0, "split": "test"},
]


@pytest.mark.parametrize("separator", ["|", ";", ",", " | ", "list", "columns"])
def test_several_labels_of_an_image(tmp_path, separator):
    rows = MARKS
    if separator != "columns":
        names = [[name for name in ("cat", "dog") if row[name]] for row in MARKS]
        labels = names if separator == "list" else [separator.join(own) for own in names]
        rows = [
            {"path": row["path"], "label": label, "split": row["split"]}
            for row, label in zip(MARKS, labels, strict=True)
        ]
    name = "images.jsonl" if separator == "list" else "images.csv"
    dataset = load(write(tmp_path, name, rows), task="multilabel")
    assert dataset.class_names == ("cat", "dog")
    assert dataset.split("train").labels.tolist() == [[1, 0], [0, 1]]
    assert dataset.split("test").labels.tolist() == [[1, 1], [0, 0]]
    assert dataset.describe().startswith(f"{dataset.name}: 2 classes, 2 train, 2 test")


@pytest.mark.parametrize("label", ["cat|dog", "cat; dog", "cat,dog", ["cat", "dog"], ["cat"]])
def test_several_labels_are_not_taken_for_one_class(tmp_path, label):
    rows = [{"path": f"{n}.jpg", "label": ("cat", "dog")[n % 2]} for n in range(4)]
    rows[2]["label"] = label
    name = "images.jsonl" if isinstance(label, list) else "images.csv"
    with pytest.raises(UserError, match="image 3: .* are several labels. Give --task multilabel"):
        load(write(tmp_path, name, rows))
    # Unless somebody says that it is the name of one class.
    if not isinstance(label, list):
        (tmp_path / "classes.txt").write_text(f"cat\ndog\n{label}\n")
        rows *= 5
        assert load(write(tmp_path, name, rows)).class_names == ("cat", "dog", label)


def test_a_cell_too_many_is_told(tmp_path):
    """A comma without quotes, which would cost an image its second label or its split."""
    (tmp_path / "a.csv").write_text("path,label\na.jpg,cat\nb.jpg,cat,dog\n")
    for task in ("classification", "multilabel"):
        with pytest.raises(UserError, match=r"image 2: more cells than the header .*'dog'.* quot"):
            load(f"manifest:{tmp_path / 'a.csv'}", task=task)


def test_labels_divided_in_two_ways_are_told(tmp_path):
    rows = [{"path": "a.jpg", "label": "cat|dog"}, {"path": "b.jpg", "label": "cat,bird"}]
    with pytest.raises(UserError, match=r"image 2: 'cat,bird' is divided by ',', labels of other"):
        load(write(tmp_path, "a.csv", rows), task="multilabel")
    (tmp_path / "classes.txt").write_text("cat\ndog\ncat,bird\n")
    assert load(write(tmp_path, "a.csv", rows), task="multilabel").class_names[2] == "cat,bird"


def test_spaces_around_a_label_are_not_of_its_name(tmp_path):
    rows = [{"path": f"{n}.jpg", "label": ("cat", " cat", "dog ")[n % 3]} for n in range(12)]
    assert load(write(tmp_path, "a.csv", rows)).class_names == ("cat", "dog")
    (tmp_path / "classes.txt").write_text("cat \n dog\n")
    assert load(write(tmp_path, "a.csv", rows)).class_names == ("cat", "dog")
    rows[3]["label"] = " "
    with pytest.raises(UserError, match="image 4: no 'label'"):
        load(write(tmp_path, "a.csv", rows))


def test_the_mark_that_excel_writes_is_no_part_of_a_name(tmp_path):
    rows = [{"path": f"{n}.jpg", "label": ("cat", "dog")[n % 2]} for n in range(10)]
    given = write(tmp_path, "a.csv", rows)
    content = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + content)
    (tmp_path / "classes.txt").write_bytes(b"\xef\xbb\xbfcat\ndog\n")
    assert load(given).class_names == ("cat", "dog")
    assert [item.name for item in items([given])] == [str(tmp_path / row["path"]) for row in rows]
    for name in ("a.csv", "classes.txt"):
        with tf.io.gfile.GFile(f"ram://marks/{name}", "wb") as file:
            file.write((tmp_path / name).read_bytes())
    assert load("manifest:ram://marks/a.csv").class_names == ("cat", "dog")
    assert next(items(["manifest:ram://marks/a.csv"])).name == "ram://marks/0.jpg"


def test_a_comma_may_be_in_a_name(tmp_path):
    names = ("tench, Tinca tinca", "cock")
    rows = [{"path": f"{n}.jpg", "label": names[n % 2]} for n in range(20)]
    assert load(write(tmp_path, "images.csv", rows)).class_names == tuple(sorted(names))


def test_a_class_list_says_which_of_several_labels_there_are(tmp_path):
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    rows = [{"path": f"{n}.jpg", "label": ("dog|cat", "cat", "")[n % 3]} for n in range(12)]
    dataset = load(write(tmp_path, "images.csv", rows), task="multilabel")
    assert dataset.class_names == ("dog", "cat")
    rows[4]["label"] = "cat|cow"
    with pytest.raises(UserError, match="image 5: the label 'cow' is none of the 2 classes"):
        load(write(tmp_path, "images.csv", rows), task="multilabel")


def test_numbers_of_an_image(tmp_path):
    rows = [{"path": f"{n}.jpg", "age": n / 2, "height": -n} for n in range(10)]
    dataset = load(write(tmp_path, "images.csv", rows), task="regression", validation_fraction=0.2)
    assert dataset.class_names == ("age", "height")
    labels = np.concatenate([split.labels for split in dataset.splits.values()])
    assert sorted(labels.tolist()) == [[n / 2, -n] for n in range(10)]
    assert "2 numbers, " in dataset.describe()
    # A column `label` is the number alone; the others are notes.
    named = [{"path": row["path"], "label": row["age"], "note": "x"} for row in rows]
    assert load(write(tmp_path, "label.csv", named), task="regression").class_names == ("label",)


@pytest.mark.parametrize(
    ("task", "rows", "message"),
    [
        ("multilabel", [{"path": "a.jpg", "cat": 2}], "image 1: cat must be 0 or 1. Received: '?2"),
        ("multilabel", [{"path": "a.jpg", "split": "train"}], "no column of labels. Found: path, split"),
        ("multilabel", [{"path": "a.jpg", "label": ""}], "no image has a label in the column 'label'"),
        ("regression", [{"path": "a.jpg", "age": "old"}], "image 1: age must be a number. Received: 'old'"),
        ("regression", [{"path": "a.jpg", "age": "nan"}], "image 1: age must be a number"),
        ("classification", [{"path": "a.jpg", "cat": 1, "dog": 0}], "no 'label'.*Several labels need --task multilabel"),
        ("multilabel", [{"path": "a.jpg", "cat": 1, "dog": 0, "split": "train"}, {"path": "b.jpg", "cat": 1, "dog": 1, "split": "test"}], "the classes dog are in test and not in train"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_labels_of_a_task_is_told(tmp_path, task, rows, message):
    for name in ("images.csv", "images.jsonl"):
        with pytest.raises(UserError, match=message):
            load(write(tmp_path, name, rows), task=task)


def test_other_sources_have_one_class_for_each_image(image_folder):
    with pytest.raises(UserError, match="have one class each; the task multilabel needs several"):
        load(f"folder:{image_folder}", task="multilabel")
