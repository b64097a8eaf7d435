import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.data import load, write_tfrecords
from kerasnets.prediction.sources import count, items
from tests.conftest import ROOT
from tests.prediction.made import photographs


def names(*sources):
    return [item.name for item in items([str(source) for source in sources])]


@pytest.fixture
def folder(tmp_path):
    """Three images, two of them in a folder inside, and what is none."""
    photographs(tmp_path / "b", 1)
    photographs(tmp_path / "b" / "inner", 2)
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / "b" / ".hidden.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "b" / "inner" / "again").symlink_to(tmp_path / "b")
    return tmp_path / "b"


def test_a_folder_is_its_images_in_the_order_of_their_names(folder):
    inside = ["0000 ä.png", "inner/0000 ä.png", "inner/0001 ä.png"]
    assert names(folder) == [f"{folder}/{name}" for name in inside]
    assert count([str(folder)]) == 3


def test_an_image_is_told_by_its_content_where_its_suffix_is_none(folder):
    (folder / "0000 ä.png").rename(folder / "photograph")
    assert names(folder)[0] == f"{folder}/photograph"


def test_a_pattern_is_sorted_and_goes_into_folders(folder):
    (folder / "inner" / "again").unlink()
    assert names(folder / "inner" / "*.png") == names(folder)[1:]
    assert names(folder / "*") == [*names(folder), f"{folder}/notes.txt"]
    assert names(folder / "**" / "0001*.png") == names(folder)[2:]
    for whole in (folder / "**", folder / "**" / "*"):
        assert sorted(set(names(whole)) - {f"{folder}/notes.txt"}) == sorted(names(folder))
        assert len(names(whole)) == len(set(names(whole))) == count([str(whole)])


def test_a_file_whose_name_is_a_pattern_is_that_file(folder):
    (folder / "0000 ä.png").rename(folder / "a[1].png")
    assert names(folder / "a[1].png") == [f"{folder}/a[1].png"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_manifest_needs_no_labels(ending, folder):
    rows = ["0000 ä.png", "inner/0001 ä.png"]
    path = folder / f"list.{ending}"
    lines = rows if ending == "csv" else [json.dumps({"path": row}) for row in rows]
    path.write_text("\n".join(["path", *lines] if ending == "csv" else lines), encoding="utf-8")
    assert names(f"manifest:{path}") == [f"{folder}/{row}" for row in rows]
    path.write_text("file\na.png\n" if ending == "csv" else '{"file": "a.png"}')
    with pytest.raises(UserError, match=rf"list.{ending}', image 1: no 'path'. Found: file."):
        names(f"manifest:{path}")
    path.write_bytes(b"path\n\xff\n")
    with pytest.raises(UserError, match=rf"list.{ending}' cannot be read: "):
        names(f"manifest:{path}")


def test_records_are_the_files_that_were_packed(image_folder, tmp_path):
    dataset = load(f"folder:{image_folder}")
    write_tfrecords(dataset, tmp_path / "records")
    found = list(items([f"records:{tmp_path / 'records'}"]))
    assert count([f"records:{tmp_path / 'records'}"]) == len(found) == 36
    assert all("record " in item.name for item in found)
    packed = {item.content for item in found}
    assert packed == {path.read_bytes() for path in image_folder.rglob("*.*")}


def test_other_file_systems_are_read(folder):
    import tensorflow as tf

    for path in (folder / "0000 ä.png", folder / "inner" / "0001 ä.png"):
        tf.io.gfile.makedirs("ram://photos/inner")
        with tf.io.gfile.GFile(f"ram://photos/inner/{path.name}", "wb") as file:
            file.write(path.read_bytes())
    expected = ["ram://photos/inner/0000 ä.png", "ram://photos/inner/0001 ä.png"]
    assert names("ram://photos") == expected
    assert names("ram://photos/inner/*1*") == expected[1:]
    assert names("ram://photos/inner/0000 ä.png") == expected[:1]


def test_names_on_the_standard_input_may_be_no_text():
    code = (
        "import os, sys\n"
        "from kerasnets.prediction.sources import count, items\n"
        "assert count(['-']) is None\n"
        "sys.stdout.buffer.writelines(os.fsencode(item.name) + b'|' for item in items(['-']))"
    )
    given = b"a b.png\r\n\n\xff.jpg\nc.png"
    result = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, cwd=ROOT, check=True
    )
    assert result.stdout == b"a b.png|\xff.jpg|c.png|"


def test_what_is_no_source_is_told(tmp_path):
    with pytest.raises(UserError, match=r"There is no image file '.*none.png'\."):
        names(tmp_path / "none.png")
    for empty in (tmp_path, tmp_path / "*.png"):
        with pytest.raises(UserError, match="holds no images"):
            count([str(empty)])
    with pytest.raises(UserError, match="There is no folder|cannot be read"):
        names(f"manifest:{tmp_path / 'none.csv'}")
    assert np.all([os.path.exists(name) for name in names(photographs(tmp_path / "a", 2))])
