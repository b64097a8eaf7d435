import json
import shutil

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.data import check, from_arrays, load, write_tfrecords
from kerasnets.data.bad_images import find_bad_images
from kerasnets.data.records import Shards


@pytest.fixture(scope="module")
def packed(image_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "records"
    write_tfrecords(load(f"folder:{image_folder}"), folder, images_per_shard=5)
    return folder


@pytest.fixture
def copy(packed, tmp_path):
    return shutil.copytree(packed, tmp_path / "copy")


def test_a_folder_is_packed_and_described(image_folder, packed):
    one, other = load(f"folder:{image_folder}"), load(f"records:{packed}")
    assert other.class_names == one.class_names
    assert {name: split.size for name, split in other.splits.items()} == {"train": 24, "test": 12}
    assert other.split("train").records.counts == (5, 5, 5, 5, 4)
    # Mixed, so that a shard holds both classes.
    assert set(other.split("train").labels[:5]) == {0, 1}
    assert other.split("train").name(7).endswith("train-00001-of-00005.tfrecord, record 2")


def test_an_interrupted_packing_goes_on(image_folder, copy):
    (copy / "dataset.json").unlink()
    (copy / "train-00002-of-00005.tfrecord").unlink()
    kept = copy / "train-00001-of-00005.tfrecord"
    before = kept.stat().st_mtime_ns
    write_tfrecords(load(f"folder:{image_folder}"), copy, images_per_shard=5)
    assert kept.stat().st_mtime_ns == before
    assert load(f"records:{copy}").split("train").size == 24
    with pytest.raises(UserError, match="holds another data set"):
        write_tfrecords(load(f"folder:{image_folder}"), copy, images_per_shard=6)


def test_a_folder_of_other_files_is_left_alone(image_folder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty"):
        write_tfrecords(load(f"folder:{image_folder}"), tmp_path)
    for name in ("images_per_shard", "threads"):
        with pytest.raises(UserError, match=f"{name} must be at least 1. Received: 0"):
            write_tfrecords(load(f"folder:{image_folder}"), tmp_path / "new", **{name: 0})


def test_arrays_come_back_as_they_were(rng, tmp_path):
    from kerasnets.data import evaluation_batches
    from kerasnets.inputs import Preprocessing

    images = rng.integers(0, 256, (7, 6, 5, 1), dtype=np.uint8)
    dataset = from_arrays({"train": (images, np.arange(7) % 2)}, ("even", "odd"))
    write_tfrecords(dataset, tmp_path / "records")
    split = load(f"records:{tmp_path / 'records'}").split("train")
    preprocessing = Preprocessing(size=(6, 5), fit="stretch")
    found, _ = next(iter(evaluation_batches(split, preprocessing, 1, batch_size=7)))
    assert sorted(image.tobytes() for image in found.numpy()) == sorted(map(bytes, images))


@pytest.mark.parametrize("formats", ["*", "*.jpg"])
def test_crops_are_the_same_where_records_tell_no_sides(image_folder, tmp_path, formats):
    """As those that another version packed. Sides are used where all images of a call are JPEGs."""
    from kerasnets.data import training_batches
    from kerasnets.inputs import Preprocessing

    for path in image_folder.glob(f"*/*/{formats}"):
        to = tmp_path / "images" / path.relative_to(image_folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    packed = tmp_path / "records"
    write_tfrecords(load(f"folder:{tmp_path / 'images'}"), packed)
    shown = []
    for told in (True, False):
        if not told:
            manifest = json.loads((packed / "dataset.json").read_text())
            del manifest["has_sides"]
            (packed / "dataset.json").write_text(json.dumps(manifest))
        split = load(f"records:{packed}").split("train")
        assert (split.records.with_sides is not None) == told
        batches = training_batches(
            split, Preprocessing(size=(16, 16)), 3, batch_size=4, augment="inception"
        )
        shown += [[images.numpy() for images, _ in batches.take(6)]]
    np.testing.assert_array_equal(*shown)


def test_sides_of_jpegs_are_packed(image_folder, packed):
    import tensorflow as tf
    from PIL import Image

    records = load(f"records:{packed}").split("train").records
    found = {}
    for record in tf.data.TFRecordDataset(list(records.paths)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        name = features["image/filename"].bytes_list.value[0].decode()
        encoded, sides = records.with_sides(record)
        assert encoded == records.encoded(record)
        found.setdefault(name, []).append([int(side) for side in sides])
    for name, sides in found.items():
        if name.endswith(".jpg"):
            expected = []
            for path in image_folder.glob(f"train/*/{name}"):
                with Image.open(path) as image:
                    expected.append([image.height, image.width])
        else:
            expected = [[0, 0]] * 2
        assert sorted(sides) == sorted(expected)
    assert len(found) == 12


def test_a_file_without_a_header_is_packed_as_it_is(image_folder, tmp_path):
    folder = shutil.copytree(image_folder, tmp_path / "images")
    (folder / "train" / "blue sky" / "0.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    write_tfrecords(load(f"folder:{folder}"), tmp_path / "records")
    [bad] = find_bad_images(load(f"records:{tmp_path / 'records'}").split("train"), 3)
    assert "train-00000-of-00001.tfrecord, record" in bad.name


def test_shards_are_checked_once_for_all_bad_images(image_folder, tmp_path, monkeypatch):
    folder = shutil.copytree(image_folder, tmp_path / "images")
    for name in ("0.jpg", "4.jpg", "8.jpg"):
        (folder / "train" / "blue sky" / name).write_bytes(b"\xff\xd8\xff\xe0")
    write_tfrecords(load(f"folder:{folder}"), tmp_path / "records")
    dataset, checked = load(f"records:{tmp_path / 'records'}"), []
    whole = Shards.check
    monkeypatch.setattr(Shards, "check", lambda self: checked.append(whole(self)))
    assert len(find_bad_images(dataset.split("train"), 3)) == 3
    assert len(find_bad_images(dataset.split("train"), 3, most=0)) == 1
    assert len(check(dataset).splits["train"].bad) == 3
    assert len(checked) == 3


def test_missing_and_damaged_shards_are_told(copy):
    shard = copy / "test-00001-of-00003.tfrecord"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-10])
    with pytest.raises(UserError, match="test-00001-of-00003.tfrecord' is damaged: it has"):
        load(f"records:{copy}")
    shard.unlink()
    with pytest.raises(UserError, match="test-00001-of-00003.tfrecord' is missing"):
        load(f"records:{copy}")
    with pytest.raises(
        UserError, match=r"dataset.json' cannot be read: No such file or directory\.$"
    ):
        load(f"records:{copy / 'nowhere'}")


def test_a_wrong_checksum_names_its_shard(copy):
    from kerasnets.data import read
    from kerasnets.inputs import Preprocessing

    shard = copy / "train-00003-of-00005.tfrecord"
    content = bytearray(shard.read_bytes())
    content[200] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError, match="train-00003-of-00005.tfrecord' is damaged: corrupted"):
        read(load(f"records:{copy}").split("train"), Preprocessing(size=(8, 8)), 3)


def test_labels_without_a_class_are_told(copy):
    manifest = json.loads((copy / "dataset.json").read_text())
    manifest["splits"]["train"][0]["labels"][2] = 2
    (copy / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(
        UserError, match="labels must be whole numbers from 0 to 1. Received: 2 for image 2"
    ):
        load(f"records:{copy}")


def test_arrays_are_checked():
    images = np.zeros((3, 4, 4, 3), np.uint8)
    for splits, message in (
        ({"train": (images.astype(float), [0, 1, 0])}, "must be .* uint8. Received: .* float64"),
        ({"train": (images, [0, 1])}, "3 images. Received: labels"),
        (
            {"train": (images, [0, 1, 7])},
            "labels must be whole numbers from 0 to 1. Received: 7 for image 2",
        ),
        ({"train": (images, [0, 0.5, 1])}, "Received: 0.5 for image 1"),
        ({"train": (images, [0, 1, np.nan])}, "Received: nan for image 2"),
        ({"training": (images, [0, 1, 0])}, "splits are train, validation, test"),
    ):
        with pytest.raises(UserError, match=message):
            from_arrays(splits, ("a", "b"))


def test_damaged_descriptions_are_told(image_folder, copy):
    manifest = json.loads((copy / "dataset.json").read_text())
    for content in ({**manifest, "splits": []}, {**manifest, "splits": {"train": 3}}, []):
        (copy / "dataset.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match=r"dataset.json' is no manifest of TFRecord files"):
            load(f"records:{copy}")
    (copy / "dataset.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"is no manifest of TFRecord files: .*nested too deeply"):
        load(f"records:{copy}")
    for content in (b'"cut', b"\xff", b"null"):
        (copy / "plan.json").write_bytes(content)
        with pytest.raises(UserError, match=r"plan.json' (is damaged|cannot be read)"):
            write_tfrecords(load(f"folder:{image_folder}"), copy, images_per_shard=5)


def test_a_damaged_shard_cannot_be_packed_again(copy, tmp_path):
    shard = copy / "train-00003-of-00005.tfrecord"
    content = bytearray(shard.read_bytes())
    content[200] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError, match="train-00003-of-00005.tfrecord' is damaged: corrupted"):
        write_tfrecords(load(f"records:{copy}"), tmp_path / "again", threads=1)
