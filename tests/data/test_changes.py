"""Data sets that change while a network is trained on them."""

import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from kerasnets.data import load, pipeline
from kerasnets.data.bad_images import naming_bad_images
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing

PREPROCESSING = Preprocessing(size=(8, 8))


@pytest.fixture
def folder(tmp_path, rng) -> pathlib.Path:
    for split in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / split / label).mkdir(parents=True)
            for number in range(12):
                pixels = rng.integers(0, 256, (12, 10, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / label / f"{number}.png")
    return tmp_path


def remove(file: pathlib.Path) -> None:
    file.unlink()


def make_folder(file: pathlib.Path) -> None:
    file.unlink()
    file.mkdir()


def make_unreadable(file: pathlib.Path) -> None:
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("the superuser reads every file")


def cut(file: pathlib.Path) -> None:
    os.truncate(file, 60)


def empty(file: pathlib.Path) -> None:
    os.truncate(file, 0)


def write_text(file: pathlib.Path) -> None:
    file.write_text("no image")


def link_nowhere(file: pathlib.Path) -> None:
    file.unlink()
    file.symlink_to("gone.png")


def link_in_a_circle(file: pathlib.Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def remove_the_class(file: pathlib.Path) -> None:
    file.parent.rename(file.parent.with_name("elsewhere"))


def two_epochs(folder: pathlib.Path, change) -> list[np.ndarray]:
    """The images of two epochs; the folder changes after the first batch."""
    split = load(f"folder:{folder}").split("train")
    batches = pipeline.training_batches(split, PREPROCESSING, 3, batch_size=4)
    found = []
    with naming_bad_images([split], 3):
        for number, (images, _) in enumerate(batches.take(12)):
            if number == 0:
                change(folder / "train" / "b" / "5.png")
            found.append(images.numpy())
    return found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove, "No such file or directory"),
        (make_folder, "Is a directory"),
        (make_unreadable, "Permission denied"),
        (cut, "a PNG that ends early"),
        pytest.param(empty, "it is empty", marks=pytest.mark.slow),
        pytest.param(write_text, "it begins with the bytes 6e 6f", marks=pytest.mark.slow),
        pytest.param(link_nowhere, "No such file or directory", marks=pytest.mark.slow),
        pytest.param(link_in_a_circle, "Too many levels of symbolic links", marks=pytest.mark.slow),
    ],
)
def test_a_file_that_went_bad_is_named_with_its_reason(folder, change, reason):
    with pytest.raises(UserError) as found:
        two_epochs(folder, change)
    assert repr(str(folder / "train" / "b" / "5.png")) in str(found.value)
    assert reason in str(found.value)


def test_a_class_that_is_gone_is_told_by_its_first_file(folder):
    with pytest.raises(UserError, match=r"train/b/\d+\.png' cannot be read.*No such file"):
        two_epochs(folder, remove_the_class)


def test_an_image_of_another_size_is_read_as_it_is_now(folder):
    def replace(file: pathlib.Path) -> None:
        Image.new("RGB", (90, 70), (255, 0, 0)).save(file)

    images = np.concatenate(two_epochs(folder, replace)[6:])
    assert sum((image == (255, 0, 0)).all() for image in images) == 1


def test_images_that_come_in_are_not_seen_before_the_next_run(folder):
    def add(file: pathlib.Path) -> None:
        for number in range(50):
            Image.new("RGB", (9, 9), (255, 0, 0)).save(file.with_name(f"new{number}.png"))

    images = np.concatenate(two_epochs(folder, add))
    assert not any((image == (255, 0, 0)).all() for image in images)
