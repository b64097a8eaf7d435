import os
import shutil

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.data import load
from kerasnets.data.sources import tfds


def test_digits_are_described_and_split_the_same_way_each_time():
    dataset = load("digits", validation_fraction=0.1)
    sizes = {name: split.size for name, split in dataset.splits.items()}
    assert sizes == {"train": 1212, "validation": 135, "test": 450}
    assert dataset.class_names == tuple("0123456789")
    assert dataset.image_shape == (8, 8, 1)
    assert dataset.held_out == "test"
    again = load("digits", validation_fraction=0.1)
    for name, split in dataset.splits.items():
        np.testing.assert_array_equal(split.records.values, again.splits[name].records.values)
        assert np.bincount(split.labels).min() >= 0.8 * split.size / 10
    assert "1,212 train, 135 validation, 450 test, images 8x8x1" in dataset.describe()


def test_validation_never_touches_the_test_split():
    plain, carved = load("digits"), load("digits", validation_fraction=0.3)
    np.testing.assert_array_equal(
        plain.split("test").records.values, carved.split("test").records.values
    )
    assert plain.split("train").size == carved.split("train").size + carved.split("val").size


def test_folder_with_splits(image_folder):
    dataset = load(f"folder:{image_folder}")
    assert dataset.class_names == ("blue sky", "rote Rosen")
    assert {name: split.size for name, split in dataset.splits.items()} == {"train": 24, "test": 12}
    assert dataset.image_shape == (None, None, None)
    for path, label in zip(
        dataset.split("train").records.values, dataset.split("train").labels, strict=True
    ):
        assert dataset.class_names[label] in path


def test_folder_without_splits_holds_some_out(image_folder):
    dataset = load(f"folder:{image_folder / 'train'}", test_fraction=0.25)
    assert dataset.split("train").size == 18
    assert np.bincount(dataset.split("test").labels).tolist() == [3, 3]
    train, test = (set(dataset.split(name).records.values) for name in ("train", "test"))
    assert not train & test


def test_validation_folder_names(image_folder, tmp_path):
    (tmp_path / "train").symlink_to(image_folder / "train")
    (tmp_path / "val").symlink_to(image_folder / "test")
    dataset = load(f"folder:{tmp_path}", validation_fraction=0.5)
    assert dataset.split("train").size == 24
    assert dataset.split("val") is dataset.split("validation")
    assert dataset.held_out == "validation"
    with pytest.raises(UserError, match="has no split 'test'. It has: train, validation"):
        dataset.split("test")


@pytest.fixture(scope="module")
def tfds_folder(tmp_path_factory):
    """A data set that TFDS itself prepares, of 20 + 10 images filled with their number."""
    import tensorflow_datasets as tfds

    class TinyNumbers(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(6, 5, 1)),
                "label": tfds.features.ClassLabel(names=["even", "odd"]),
            }
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, manager):
            return {
                "train": self._generate_examples(0, 20),
                "test": self._generate_examples(20, 30),
            }

        def _generate_examples(self, first, last):
            for number in range(first, last):
                yield number, {"image": np.full((6, 5, 1), number, np.uint8), "label": number % 2}

    folder = tmp_path_factory.mktemp("tfds")
    TinyNumbers(data_dir=folder).download_and_prepare()
    return folder


def test_tfds_by_its_name(tfds_folder):
    from kerasnets.data import evaluation_batches
    from kerasnets.inputs import Preprocessing

    dataset = load("tfds:tiny_numbers", data_dir=tfds_folder)
    assert dataset.image_shape == (6, 5, 1)
    assert dataset.class_names == ("even", "odd")
    assert {name: split.size for name, split in dataset.splits.items()} == {"train": 20, "test": 10}
    batches = evaluation_batches(
        dataset.split("test"), Preprocessing(size=(6, 5), fit="stretch"), 1, batch_size=10
    )
    images, labels = next(iter(batches))
    numbers = images.numpy()[:, 0, 0, 0]
    assert sorted(numbers) == list(range(20, 30))
    np.testing.assert_array_equal(numbers % 2, labels)


def test_damaged_files_and_unknown_versions_of_tfds_are_told(tfds_folder, tmp_path, monkeypatch):
    def copy(name):
        shutil.copytree(tfds_folder, tmp_path / name)
        (shard,) = (tmp_path / name).rglob("*train.tfrecord*")
        return shard

    shard = copy("turned")
    content = bytearray(shard.read_bytes())
    content[150] ^= 1
    shard.write_bytes(content)
    shard = copy("cut")
    os.truncate(shard, shard.stat().st_size - 20)
    copy("gone").unlink()
    for budget in (2**30, 0):
        monkeypatch.setattr(tfds, "MEMORY_BYTES", budget)
        for name in ("turned", "cut", "gone"):
            with pytest.raises(UserError, match=f"tfds:tiny_numbers in .*{name}.* is damaged: "):
                load("tfds:tiny_numbers", data_dir=tmp_path / name)
    with pytest.raises(UserError, match="tfds:tiny_numbers:9.9.9 cannot be opened: .*9.9.9"):
        load("tfds:tiny_numbers:9.9.9", data_dir=tfds_folder)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mnsit", "Unknown data set 'mnsit'. The closest: .*mnist"),
        ("", "Unknown data set ''. Expected digits"),
        ("folder:/nowhere", "There is no folder '/nowhere'"),
        ("zip:images.zip", "Unknown data set 'zip:images.zip'. Expected digits"),
        ("./images", "Unknown data set './images'. Expected digits"),
    ],
)
def test_what_is_no_source_is_told(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        load(source)


def test_a_folder_named_without_the_word_gets_a_hint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers").mkdir()
    with pytest.raises(UserError, match="write folder:flowers"):
        load("flowers")


def test_folders_with_nothing_to_learn_are_told(image_folder, tmp_path):
    with pytest.raises(
        UserError, match="a folder of images for each class, two at least. Found: none"
    ):
        load(f"folder:{tmp_path}")
    (tmp_path / "cats").symlink_to(image_folder / "train" / "blue sky")
    with pytest.raises(UserError, match="two at least. Found: cats"):
        load(f"folder:{tmp_path}")
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs" / "notes.txt").write_text("none yet")
    with pytest.raises(UserError, match="dogs' holds no images"):
        load(f"folder:{tmp_path}")


def test_splits_of_other_classes_are_told(image_folder, tmp_path):
    (tmp_path / "train").symlink_to(image_folder / "train")
    for label in ("blue sky", "tulips"):
        (tmp_path / "test" / label).mkdir(parents=True)
        (tmp_path / "test" / label / "0.jpg").symlink_to(
            image_folder / "train" / "blue sky" / "0.jpg"
        )
    with pytest.raises(UserError, match="differ: rote Rosen, tulips"):
        load(f"folder:{tmp_path}")


def test_fractions_out_of_range_are_told(image_folder):
    with pytest.raises(UserError, match=r"validation_fraction must be in \[0, 1\). Received: 1.5"):
        load("digits", validation_fraction=1.5)
    with pytest.raises(UserError, match="cannot be held out"):
        load(f"folder:{image_folder / 'train'}", test_fraction=0.0)
