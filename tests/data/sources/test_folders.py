"""Folders as people have them: what is read of them, and that all else is counted."""

import os
import pathlib

import pytest
from PIL import Image

from kerasnets import UserError
from kerasnets.data import load
from kerasnets.data.sources.folders import folder

NO_IMAGES = "files that are no images"
BESIDE = "files beside the folders of images"
IGNORED = "hidden or system files and folders"


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("picture") / "picture.jpg"
    Image.new("RGB", (8, 8), (200, 30, 60)).save(path)
    return path


@pytest.fixture
def make(tmp_path, picture):
    """Makes files: images, but for those whose names end in .txt."""

    def made(*names: str) -> pathlib.Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".txt", ".csv", ".xml", ".db", ".yaml"):
                path.write_text("BMW, GIF and JPEG")
            else:
                path.write_bytes(picture.read_bytes())
        return tmp_path

    return made


def both(*names: str) -> list[str]:
    """The names with each of two classes in place of the star."""
    return [name.replace("*", label) for name in names for label in ("cat", "dog")]


SPLIT = {"train": 2, "validation": 2}
CASES = {
    # Names of splits.
    "Roboflow": (both("train/*/1.jpg", "valid/*/1.jpg", "test/*/1.jpg"), {**SPLIT, "test": 2}, {}),
    "Keras": (both("train/*/1.jpg", "validation/*/1.jpg"), SPLIT, {}),
    "torchvision": (both("train/*/1.jpg", "val/*/1.jpg"), SPLIT, {}),
    "dev": (both("train/*/1.jpg", "dev/*/1.jpg"), SPLIT, {}),
    "capitals": (both("Train/*/1.jpg", "TEST/*/1.jpg"), {"train": 2, "test": 2}, {}),
    "training": (both("Training/*/1.jpg", "Testing/*/1.jpg"), {"train": 2, "test": 2}, {}),
    "eval": (both("train/*/1.jpg", "eval/*/1.jpg"), {"train": 2, "test": 2}, {}),
    "another split": (
        [*both("train/*/1.jpg"), "extra/1.jpg", "extra/2.txt"],
        {"train": 2}, {"files in folders beside the splits": 2},
    ),
    "files beside splits": (
        [*both("train/*/1.jpg", "valid/*/1.jpg"), "README.roboflow.txt", "data.yaml", "train/c.csv"],
        SPLIT, {BESIDE: 3},
    ),
    # A root too many.
    "unpacked twice": ([f"flowers/{name}" for name in both("train/*/1.jpg")], {"train": 2}, {}),
    "with Apple's folder": (
        ["__MACOSX/flowers/._1.jpg", *(f"flowers/{name}" for name in both("train/*/1.jpg"))],
        {"train": 2}, {IGNORED: 1},
    ),
    # Suffixes.
    "jfif": (both("*/1.jpg", "*/2.jfif", "*/3.JPE"), {"all": 6}, {}),
    "capital suffix": (both("*/1.JPG", "*/2.JPEG"), {"all": 4}, {}),
    "without a suffix": (both("*/1"), {"all": 2}, {}),
    "any suffix": (both("*/1.dat", "*/2.jpg_large", "*/3.tmp"), {"all": 6}, {}),
    "text": (both("*/1.jpg", "*/2.txt", "*/3.xml"), {"all": 2},
             {f"{NO_IMAGES} (.txt)": 2, f"{NO_IMAGES} (.xml)": 2}),
    # Folders within folders.
    "nested": (both("*/1.jpg", "*/more/2.jpg", "*/more/still/3.jpg"), {"all": 6}, {}),
    "nested alone": (both("*/a/1.jpg", "*/b/1.jpg"), {"all": 4}, {}),
    "nested in splits": (both("train/*/1.jpg", "val/*/x/1.jpg"), SPLIT, {}),
    "a class called test": ([*both("*/1.jpg"), "cat/test/2.jpg"], {"all": 3}, {}),
    # Systems.
    "Windows": ([*both("*/1.jpg"), "cat/Thumbs.db", "Desktop.ini"], {"all": 2}, {IGNORED: 2}),
    "hidden": ([*both("*/1.jpg"), ".git/x.txt", "cat/.DS_Store.txt", "dog/._1.jpg"],
               {"all": 2}, {IGNORED: 3}),
    "Synology": ([*both("*/1.jpg"), "@eaDir/1.jpg", "cat/@eaDir/1.jpg"], {"all": 2}, {IGNORED: 2}),
    "Apple's beside classes": ([*both("*/1.jpg"), "__MACOSX/cat/1.jpg"], {"all": 2}, {IGNORED: 1}),
    "a list beside classes": ([*both("*/1.jpg"), "labels.csv", "loose.jpg"], {"all": 2}, {BESIDE: 2}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_everything_is_read_or_counted(name, make):
    files, sizes, left_out = CASES[name]
    root = make(*files)
    dataset = folder(str(root))
    assert dataset.sizes == sizes
    assert dataset.class_names == ("cat", "dog")
    assert {each.what: each.count for each in dataset.left_out} == left_out
    for each in dataset.left_out:
        assert os.path.exists(each.example)


REFUSED = {
    "one split twice": (both("val/*/1.jpg", "valid/*/1.jpg"), "'val' and 'valid' both are the split"),
    "splits in classes": (
        both("*/train/1.jpg", "*/test/1.jpg"),
        "holds folders of splits, test, train. Expected .* as in test/cat",
    ),
    "classes one level below": (
        [f"flowers/{name}" for name in both("*/1.jpg")],
        "two at least. Found: flowers. If the 2 folders in it are the classes, write "
        "folder:.*/flowers",
    ),
    "a class of text": ([*both("*/1.jpg"), "bird/1.txt"], "bird' holds no images"),
    "a flat split": ([*both("train/*/1.jpg"), "test/1.jpg"], "test' must hold a folder of images"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_unclear_is_refused_with_the_choice(name, make):
    files, message = REFUSED[name]
    with pytest.raises(UserError, match=message):
        folder(str(make(*files)))


def test_links_and_pipes(make, picture):
    root = make(*both("*/1.jpg"))
    (root / "cat" / "loop").symlink_to(root / "cat")
    (root / "cat" / "up").symlink_to(root)
    (root / "cat" / "link.jpg").symlink_to(picture)
    (root / "cat" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    os.mkfifo(root / "dog" / "pipe.jpg")
    dataset = folder(str(root))
    names = [os.path.relpath(path, root) for path in dataset.splits["all"].records.values]
    # A link that leads nowhere is a bad image, which has its own report; a pipe would never end.
    assert names[:3] == ["cat/1.jpg", "cat/gone.jpg", "cat/link.jpg"]
    counts = {each.what: each.count for each in dataset.left_out}
    assert counts["pipes, sockets and devices"] >= 1
    assert counts["links to a folder that they are in"] >= 1


def test_manifests_and_words_take_the_same_names(make):
    root = make("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    rows = ["path,label,split", "a.jpg,x,Train", "b.jpg,y,training", "c.jpg,x,VALID", "d.jpg,y,dev"]
    (root / "list.csv").write_text("\n".join(rows))
    dataset = load(f"manifest:{root / 'list.csv'}")
    assert dataset.sizes == {"train": 2, "validation": 2}
    assert dataset.split("Valid") is dataset.split("dev") is dataset.splits["validation"]


def test_what_is_left_out_is_told_in_a_line(make):
    root = make(*both("train/*/1.jpg", "valid/*/1.jpg"), "train/cat/notes.txt", "extra/1.jpg")
    assert list(map(str, folder(str(root)).left_out)) == [
        f"left out: files in folders beside the splits: 1, such as '{root}/extra/1.jpg'",
        f"left out: {NO_IMAGES} (.txt): 1, such as '{root}/train/cat/notes.txt'",
    ]
