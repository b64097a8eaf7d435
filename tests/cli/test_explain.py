"""``kerasnets explain``."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from kerasnets.cli import main as command_line
from tests.serving.saved_models import half_plus

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture
def digit(tmp_path) -> pathlib.Path:
    """A digit in the folder of its class, larger than the network takes."""
    from sklearn.datasets import load_digits

    pixels = np.kron(load_digits().images[7], np.ones((9, 5))) * 15.9
    (tmp_path / "7").mkdir()
    path = tmp_path / "7" / "digit.png"
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def fails(*words: object, capsys) -> str:
    """The one line that a command ends with."""
    with pytest.raises(SystemExit) as stop:
        command_line.main(["explain", *map(str, words)])
    assert stop.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("lenet5", "Give image files, kerasnets explain MODEL IMAGE..., or --mistakes N."),
        ("lenet5 IMAGE --mistakes 3", "Give image files, kerasnets explain MODEL IMAGE..., or"),
        ("lenet5 none.png", "There is no image file 'none.png'"),
        ("lenet5 IMAGE", "To explain the network lenet5 give --weights SOURCE."),
        ("lenet6 IMAGE --weights x.h5", "Unknown network 'lenet6'. The closest: lenet5"),
        ("lenet5 IMAGE --weights x.h5", "There is no weight file 'x.h5'"),
        ("lenet5 IMAGE --out a.gif", "--out must end in .png, .svg, .pdf. Received: 'a.gif'"),
        ("lenet5 IMAGE --out none/a.png", "There is no folder 'none' for --out"),
        ("lenet5 IMAGE --method gradcam", "invalid choice 'gradcam'"),
        ("lenet5 --mistakes 3", "--mistakes is for a run; 'lenet5' is a network"),
        ("RUN --mistakes 0", "--mistakes must be at least 1. Received: 0"),
        ("RUN --mistakes 61", "A sheet takes 60 images at most. Received: 61"),
        ("RUN IMAGE --weights x.h5", "--weights is for a network's name"),
        ("RUN IMAGE --labels LABELS", "--labels is for a network's name"),
        ("lenet5 IMAGE --weights WEIGHTS --labels LABELS", "each of the 10 classes of lenet5. Rec"),
        ("lenet5_modern IMAGE --weights WEIGHTS --labels none.txt", "none.txt'"),
        ("RUN IMAGE --class 10", "--class must be 0 to 9. Received: '10'"),
        ("RUN IMAGE --class seven", "Unknown class 'seven'. Known: 0, 1, 2"),
        (
            "SAVED IMAGE --class 3",
            "--class needs --method occlusion: a SavedModel gives the grad_cam",
        ),
        ("SAVED IMAGE --layer x", "--layer is for runs and networks; "),
        ("VERSIONS IMAGE --method cam", "gives; for it there is grad_cam and occlusion"),
        ("LITERT IMAGE --method grad_cam", "model.tflite' gives; for it there is occlusion."),
        ("http://h/v1/models/a IMAGE --method cam", "models/a' gives; for it there is occlusion."),
        ("VERSIONS --mistakes 3", "--mistakes is for runs and networks; "),
        ("VERSIONS", "Give image files: kerasnets explain MODEL IMAGE..."),
        ("RUN IMAGE --method occlusion --layer x", "--layer is for methods of a layer; occlusion"),
        ("RUN BROKEN", "broken.png' cannot be read as an image: no JPEG, PNG"),
    ],
)
def test_what_cannot_be_explained_is_told_in_a_line(
    words, message, short_run, digit, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(
        "kerasnets.cli.commands.explain.load_tensorflow", lambda *_: pytest.fail("TensorFlow")
    )
    (tmp_path / "saved" / "1").mkdir(parents=True)
    (tmp_path / "saved" / "1" / "saved_model.pb").touch()
    (tmp_path / "model.tflite").touch()
    (tmp_path / "broken.png").write_bytes(b"none")
    (tmp_path / "labels.txt").write_text("a\nb\n")
    places = {
        "RUN": short_run.folder,
        "IMAGE": digit,
        "SAVED": tmp_path / "saved" / "1",
        "VERSIONS": tmp_path / "saved",
        "LITERT": tmp_path / "model.tflite",
        "BROKEN": tmp_path / "broken.png",
        "WEIGHTS": short_run.weights_path,
        "LABELS": tmp_path / "labels.txt",
    }
    words = [places.get(word, word) for word in words.split()]
    assert message in fails(*words, capsys=capsys)


def test_it_is_told_before_tensorflow_loads(tmp_path):
    code = (
        "import sys; from kerasnets.cli.main import main\n"
        "try: main(['explain', 'lenet5', 'none.png'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_an_unknown_layer_is_told(short_run, digit, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    message = fails(short_run.folder, digit, "--layer", "conv2_ac", "--out", out, capsys=capsys)
    assert "'conv2_ac'. The closest: conv2_act" in message
    assert not out.exists()


def test_a_sheet_of_files(short_run, digit, tmp_path, capsys):
    """Those that cannot be read are named and skipped."""
    (tmp_path / "broken.png").write_bytes(b"none")
    (tmp_path / "short.png").write_bytes(digit.read_bytes()[:60])
    paths = [digit, tmp_path / "broken.png", tmp_path / "short.png"]
    out = tmp_path / "sheet.png"
    command_line.main(["explain", str(short_run.folder), *map(str, paths), "--out", str(out)])
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].startswith(f"{digit}: 7 ")
    assert shown.out.splitlines()[0].endswith("% true: 7")
    assert f"skipped: '{tmp_path / 'broken.png'}' cannot be read as an image" in shown.err
    assert f"skipped: '{tmp_path / 'short.png'}' cannot be read as an image" in shown.err
    with Image.open(out) as picture:
        # One row: the image, 72 x 40, at 200 x 111, and one map.
        assert picture.size == (2 * (111 + 16) + 16, 44 + 200 + 40 + 44)


def test_a_network_with_a_file_of_labels(short_run, digit, tmp_path, capsys):
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"digit {number}\n" for number in range(10)))
    words = ["--weights", str(short_run.weights_path), "--labels", str(labels)]
    words += ["--class", "digit 7", "--out", str(tmp_path / "a.png")]
    command_line.main(["explain", "lenet5_modern", str(digit), *words])
    assert capsys.readouterr().out.startswith(f"{digit}: digit 7 ")


def test_a_sheet_of_a_saved_model(short_run, exported_run, digit, tmp_path, capsys):
    version = exported_run()
    command_line.main(
        ["explain", str(short_run.folder), str(digit), "--out", str(tmp_path / "a.png")]
    )
    of_run = capsys.readouterr().out.splitlines()[0]
    out = tmp_path / "b.png"
    command_line.main(["explain", str(version.parent), str(digit), "--out", str(out)])
    # The run knows the classes, and so that the name of the folder is the true one.
    assert capsys.readouterr().out.splitlines()[0] == of_run.removesuffix(" true: 7")
    with Image.open(tmp_path / "a.png") as one, Image.open(out) as other:
        maps = [np.asarray(each.convert("L"))[84:284, 143:254] for each in (one, other)]
    assert np.abs(maps[0].astype(int) - maps[1]).mean() <= 1.5


def test_a_saved_model_and_any_class_by_its_answers(exported_run, digit, tmp_path, capsys):
    version = exported_run()
    (tmp_path / "bad.png").write_bytes(digit.read_bytes()[:60])
    out = tmp_path / "a.png"
    words = [str(digit), str(tmp_path / "bad.png"), "--method", "occlusion", "--out", str(out)]
    command_line.main(["explain", str(version), *words, "--class", "1"])
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{digit}: 7 ")
    assert f"skipped: '{tmp_path / 'bad.png'}' cannot be read as an image" in shown.err
    with Image.open(out) as picture:
        assert picture.size == (2 * (111 + 16) + 16, 44 + 200 + 40 + 44)


def test_an_export_without_explanations_is_told(digit, tmp_path, capsys):
    folder = half_plus(1.0, tmp_path / "2")
    message = fails(folder, digit, "--out", tmp_path / "a.png", capsys=capsys)
    assert "has no signature explain that gives class, score, map, seen; export the net" in message


@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_a_class_and_a_method_and_a_format(ending, short_run, digit, tmp_path, capsys):
    out = tmp_path / f"sheet.{ending}"
    words = ["--class", "3", "--method", "occlusion", "--out", str(out)]
    command_line.main(["explain", str(short_run.folder), str(digit), *words])
    assert out.read_bytes()[:5] in (b"<?xml", b"%PDF-")
    capsys.readouterr()


def test_the_worst_mistakes_of_a_run(short_run, tmp_path, capsys):
    rows = (short_run.folder / "mistakes.csv").read_text().splitlines()[1:3]
    assert len(rows) == 2
    out = tmp_path / "sheet.png"
    command_line.main(["explain", str(short_run.folder), "--mistakes", "2", "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    for line, row in zip(lines[:2], rows, strict=True):
        _, true, predicted, score = row.split(",")
        assert f": {predicted} {float(score):.1%}"[:-2] in line
        assert line.endswith(f"true: {true}")
    assert out.exists()


def test_mistakes_are_of_the_split_that_was_evaluated(short_run, tmp_path, capsys):
    """Images in memory have the same names in each split."""
    import csv
    import shutil

    folder = shutil.copytree(short_run.folder, tmp_path / "run")
    command_line.main(["evaluate", str(folder), "--split", "train", "--out", str(folder)])
    row = next(csv.DictReader((folder / "mistakes.csv").read_text().splitlines()))
    capsys.readouterr()
    out = str(tmp_path / "sheet.png")
    command_line.main(["explain", str(folder), "--mistakes", "1", "--out", out])
    (line, *_) = capsys.readouterr().out.splitlines()
    assert f"{row['image']}: {row['predicted']} " in line
    assert line.endswith(f"true: {row['true']}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "has no evaluation: there is no "),
        ("image,true,predicted,probability\n", "made no mistakes in its evaluation"),
        ("name,true\nx.png,1\n", "mistakes.csv' is no list of mistakes: 'image'"),
        ("image,true,predicted,probability\nx.png,1,2,0.9\n", "'x.png' of .* is no image of dig"),
    ],
)
def test_mistakes_that_are_not_there_are_told(text, message, short_run, tmp_path, capsys):
    import re
    import shutil

    folder = shutil.copytree(short_run.folder, tmp_path / "run")
    (folder / "mistakes.csv").unlink()
    if text:
        (folder / "mistakes.csv").write_text(text)
    found = fails(folder, "--mistakes", 3, "--out", tmp_path / "a.png", capsys=capsys)
    assert re.search(message, found)
