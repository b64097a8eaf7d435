"""``kerasnets look``."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from kerasnets.cli import main as command_line
from kerasnets.cli.commands import look
from kerasnets.cli.main import parse
from kerasnets.config import recipe, recipes
from kerasnets.config.recipes import RECIPES, register_recipe


@pytest.fixture
def digit(tmp_path):
    path = tmp_path / "digit.png"
    Image.fromarray(np.kron(np.eye(8), np.ones((4, 4))).astype(np.uint8) * 250).save(path)
    return path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("filters", "Missing from kerasnets look filters"),
        ("filters lenet6", "Unknown network 'lenet6'. The closest: lenet5"),
        ("filters lenet5 --out a.gif", "--out must end in .png, .svg, .pdf"),
        ("filters lenet5 --steps 0", "--steps must be at least 1"),
        ("filters RUN --weights x.h5", "--weights is for a network's name"),
        ("maps lenet5", "Missing from kerasnets look maps"),
        ("maps lenet5 none.png", "There is no image file 'none.png'"),
        ("maps lenet5 BROKEN", "cannot be read as an image"),
        ("activations lenet5", "'lenet5' is a network: give image files, or --data SOURCE"),
        ("gradients lenet5", "'lenet5' is a network: give --data SOURCE"),
        ("embeddings lenet5 --data foldr:x", "Unknown data set 'foldr:x'"),
        ("reuse resnet50", "resnet50 has no dense blocks. Networks that have some: densenet"),
        ("schedule resnet_cifr", "Unknown recipe, run or network 'resnet_cifr'. The closest"),
        ("augment resnet_cifar", "Missing from kerasnets look augment"),
        ("augment resnet_cifar IMAGE --draws 0", "--draws must be at least 1"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_line(
    words, message, short_run, digit, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(
        "kerasnets.cli.commands.look.load_tensorflow", lambda *_: pytest.fail("TensorFlow")
    )
    (tmp_path / "broken.png").write_bytes(b"none")
    places = {"RUN": short_run.folder, "IMAGE": digit, "BROKEN": tmp_path / "broken.png"}
    with pytest.raises(SystemExit) as stop:
        command_line.main(["look", *(str(places.get(word, word)) for word in words.split())])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [
        "filters RUN",
        "maps RUN IMAGE --layer conv1_act",
        "receptive-field RUN IMAGE --csv CSV",
        "activations RUN --count 20 --csv CSV",
        "activations RUN IMAGE",
        "gradients RUN --count 8 --csv CSV",
        "schedule RUN --csv CSV",
        "augment RUN IMAGE --draws 2",
    ],
)
def test_a_picture_of_a_run(words, short_run, digit, tmp_path, capsys):
    out = tmp_path / "look.svg"
    places = {"RUN": short_run.folder, "IMAGE": digit, "CSV": tmp_path / "a.csv"}
    words = [str(places.get(word, word)) for word in words.split()]
    command_line.main(["look", *words, "--out", str(out)])
    assert out.read_bytes().startswith(b"<?xml")
    assert f"Written to {out}." in capsys.readouterr().out
    assert (tmp_path / "a.csv").is_file() == ("--csv" in words)


def test_random_weights_are_told(tmp_path, capsys):
    command_line.main(["look", "filters", "lenet5_modern", "--out", str(tmp_path / "a.png")])
    assert "lenet5_modern has random weights" in capsys.readouterr().err


def test_an_unknown_layer_is_told(short_run, tmp_path, capsys):
    words = ["filters", str(short_run.folder), "--layer", "conv2_ac"]
    with pytest.raises(SystemExit):
        command_line.main(["look", *words, "--out", str(tmp_path / "a.png")])
    assert "'conv2_ac'. The closest: conv2_act" in capsys.readouterr().err


def test_a_recipe_of_a_plug_in_is_drawn(tmp_path, monkeypatch):
    ours = recipe("cosine")
    theirs = dataclasses.replace(ours, name="of_a_plug_in", epochs=20)
    known = dict(RECIPES)
    monkeypatch.setattr(recipes, "RECIPES", known)
    monkeypatch.setattr(recipes, "load_plugins", lambda: None)
    monkeypatch.setattr(look, "load_plugins", lambda: register_recipe(theirs))
    out = tmp_path / "schedule.png"
    parse(["look", "schedule", "of_a_plug_in", "--out", str(out)]).run()
    assert out.exists()
    assert "of_a_plug_in" not in RECIPES
