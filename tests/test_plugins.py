"""A package outside of ours, made of the examples in docs/data.md, adds a source and more."""

import os
import re
import subprocess
import sys
import zipfile

import pytest

from kerasnets import UserError
from kerasnets.cli import main as command_line
from kerasnets.data import augmentation, load, register_augmentation
from kerasnets.plugins import Registry, load_plugins
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The folder of an installed package with two plug-ins that work and one that does not."""
    folder = tmp_path_factory.mktemp("site-packages")
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    source, augment = (
        next(each for each in examples if f"register_{kind}(" in each)
        for kind in ("source", "augmentation")
    )
    (folder / "my_package").mkdir()
    (folder / "my_package" / "zipped.py").write_text(source)
    (folder / "my_package" / "inverted.py").write_text(augment)
    information = folder / "my_package-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[kerasnets.plugins]\nzipped = my_package.zipped\ninverted = my_package.inverted\n"
        "gone = my_package.gone\n"
    )
    return folder


@pytest.fixture(scope="module")
def archive(image_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "images.zip"
    with zipfile.ZipFile(path, "w") as file:
        for image in sorted(image_folder.glob("train/*/*")):
            file.write(image, image.relative_to(image_folder / "train"))
    return path


def test_the_command_line_finds_a_source_and_an_augmentation(package, archive, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "kerasnets.cli.main", "data", "check", f"zip:{archive}",
         "--augment", "invert", "--out", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{package}"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = re.findall(r"^(blue sky|rote Rosen) +(\d+) +(\d+)\b", result.stdout, re.M)
    assert sum(int(count) for _, *counts in rows for count in counts) == 24
    assert (tmp_path / "out" / "augmented.png").exists()
    assert "the plug-in gone (my_package.gone) is left out: ModuleNotFoundError" in result.stderr


def test_a_network_is_trained_with_them(package, archive, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(package)
    load_plugins.cache_clear()
    monkeypatch.chdir(tmp_path)
    command_line.main(
        ["train", "--model", "lenet5_modern", "--data", f"zip:{archive}", "--epochs", "1",
         "--batch-size", "8", "--warmup-epochs", "0", "--out", "run",
         "--augment", "invert+keras:RandomBrightness(0.2)"]
    )  # fmt: skip
    assert (tmp_path / "run" / "metrics.json").exists()
    with pytest.raises(UserError, match="Expected digits, .*zip:FILE"):
        load("zap:images.zip")
    with pytest.raises(UserError, match="Unknown augmentation 'inverse'. The closest: invert"):
        augmentation("inverse")


def test_names_are_taken_once():
    with pytest.raises(UserError, match="The name 'vgg' is taken by another augmentation"):
        register_augmentation("vgg", augmentation("none"))


def test_what_is_registered_is_found_in_order():
    things = Registry("thing")
    things.register("one", 1)
    things.register("another", 2)
    assert things["one"] == things.get("one") == 1
    assert things.get("three") is None
    assert list(things.all()) == ["one", "another"]
    with pytest.raises(UserError, match="Unknown thing 'anothr'. The closest: another"):
        things["anothr"]
