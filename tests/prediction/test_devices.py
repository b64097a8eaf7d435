"""LiteRT and ONNX files as models, beside the run that they come from."""

import json
import resource
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from kerasnets import UserError
from kerasnets.cli import main as command_line
from kerasnets.export import Form
from kerasnets.prediction import open_model, predict
from tests.conftest import ROOT

KINDS = {"litert": "model.tflite", "onnx": "model.onnx"}


@pytest.fixture(scope="module")
def exports(exported_run, tmp_path_factory):
    """The folder of versions of each format and precision."""
    root = tmp_path_factory.mktemp("exports")
    for kind in KINDS:
        for quantize in ("none", "int8"):
            made = exported_run(Form(format=kind, quantize=quantize))
            shutil.copytree(made.parent, root / f"{kind}-{quantize}")
    return root


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("digits")
    for number, digit in enumerate(load_digits().images[:40]):
        image = Image.fromarray(np.uint8(digit * 255 / 16))
        # Upright, of colours that are none, and of another size than the network's.
        image.convert("RGB").resize((30, 30)).save(folder / f"{number:02}.png")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_a_version_and_all_versions_answer_as_the_run(kind, short_run, exports, photos):
    folder = exports / f"{kind}-none"
    expected = predict(short_run.folder, photos)
    for source in (folder, folder / "1", folder / "1" / KINDS[kind]):
        found = predict(source, photos)
        for one, other in zip(found, expected, strict=True):
            # Pillow rounds a pixel otherwise now and then.
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=0.02)
            assert one.image == other.image
            assert one.classes[0] == other.classes[0] or one.scores[0] < 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_takes_its_classes_and_its_preprocessing_with_it(kind, exports, photos, tmp_path):
    for quantize in ("none", "int8"):
        source = exports / f"{kind}-{quantize}" / "1" / KINDS[kind]
        alone = shutil.copy(source, tmp_path)
        model, beside = open_model(alone), open_model(source)
        assert model.class_names == tuple("0123456789")
        assert model.facts["precision"] == ("int8" if quantize == "int8" else "fp32")
        assert model.identity() == beside.identity()
        assert predict(model, photos)[3].classes == predict(beside, photos)[3].classes


def test_labels_are_where_other_programs_look_for_them(exports):
    with zipfile.ZipFile(exports / "litert-none" / "1" / "model.tflite") as archive:
        assert archive.read("labels.txt").decode().split() == list("0123456789")
        assert json.loads(archive.read("model.json"))["format"] == "litert"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quantize", ["none", "int8"])
def test_evaluation_says_what_an_export_costs(kind, quantize, exports, short_run, capsys):
    command_line.main(["evaluate", str(exports / f"{kind}-{quantize}" / "1" / KINDS[kind])])
    first, second = capsys.readouterr().out.splitlines()
    run = short_run.metrics()
    top1 = float(first.split("top-1 ")[1].split("%")[0]) / 100
    assert first.startswith(f"test: top-1 {top1:.2%}, top-5 ")
    assert f"on {run['images']} images" in first
    assert top1 == pytest.approx(run["top1"], abs=0.002 if quantize == "none" else 0.03)
    cost = 100 * (run["top1"] - top1)
    shown = float(second.split("costs ")[1].split()[0])
    assert f"before export: top-1 {run['top1']:.2%}" in second
    assert shown == pytest.approx(cost, abs=0.011)


def test_the_first_answer_comes_soon_and_without_a_framework(exports, photos, tmp_path):
    """In processor time, the start of the interpreter included."""
    for kind, file in KINDS.items():
        shutil.copy(exports / f"{kind}-none" / "1" / file, tmp_path)
        code = (
            "import sys\n"
            "from kerasnets.cli.main import main\n"
            "main(['predict', *sys.argv[1:]])\n"
            "assert not {'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)\n"
        )
        arguments = [sys.executable, "-c", code, str(tmp_path / file), str(photos[0])]
        spent = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert result.returncode == 0, result.stderr
            assert result.stdout.startswith(f"{photos[0]}: 0 ")
            assert result.stderr == ""
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert min(spent) < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_image_is_one_of_many(kind, exports, photos, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(photos[0].read_bytes()[:60])
    out = tmp_path / "answers.csv"
    sources = [str(photos[1]), str(tmp_path / "*.png"), str(photos[2])]
    model = str(exports / f"{kind}-int8")
    command_line.main(["predict", model, *sources, "--out", str(out)])
    rows = out.read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == [str(photos[1]), str(photos[2])]
    assert "1,bad" not in rows
    (_, bad) = (tmp_path / "answers.csv.bad.csv").read_text().splitlines()
    assert bad.startswith(f"1,{tmp_path / 'bad.png'},")
    with pytest.raises(SystemExit):
        command_line.main(["predict", model, *sources])
    assert "bad.png' cannot be read as an image: " in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gives_no_embeddings(kind, exports, photos, tmp_path, capsys):
    words = [str(exports / f"{kind}-none"), str(photos[0]), "--embeddings", "--out"]
    with pytest.raises(SystemExit):
        command_line.main(["predict", *words, str(tmp_path / "vectors.jsonl")])
    assert " models give no embeddings; a run and a SavedModel of it do" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_explained_by_its_answers_without_a_framework(kind, exports, photos, tmp_path):
    code = (
        "import sys\n"
        "from kerasnets.cli.main import main\n"
        "main(['explain', *sys.argv[1:]])\n"
        "assert not {'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)\n"
    )
    out = tmp_path / "sheet.png"
    words = [exports / f"{kind}-none", photos[3], "--out", out]
    arguments = [sys.executable, "-c", code, *map(str, words)]
    result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{photos[3]}: 3 ")
    assert out.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_the_cost_of_a_file_is_measured(kind, exports, kerasnets_command, tmp_path):
    file, out = exports / f"{kind}-none" / "1" / KINDS[kind], tmp_path / "cost.json"
    words = ("benchmark", file, "--rounds", 1, "--round-seconds", 0.1, "--out", out)
    result = kerasnets_command(*words)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(out.read_text())
    assert row["kind"] == kind
    assert row["megabytes"] == file.stat().st_size / 1e6
    assert 0 < row["p50_ms"] <= row["p99_ms"]
    assert row["first_s"] > 0
    assert row["answers"] >= 100
    assert row["images_per_s"] > 0
    # TensorFlow alone takes more.
    assert 20 < row["memory_mib"] < 350
    assert f"{row['p50_ms']:,.2f}" in result.stdout


def test_export_tells_size_agreement_and_what_comes_next(short_run, tmp_path, capsys):
    folder = tmp_path / "onnx"
    words = ["export", str(short_run.folder), "--format", "onnx", "--quantize", "int8"]
    command_line.main([*words, "--to", str(folder)])
    version, size, agreement, following = capsys.readouterr().out.splitlines()
    assert version == str(folder / "1")
    total = sum(path.stat().st_size for path in (folder / "1").iterdir())
    assert size == f"size: {total / 1e6:.2f} MB"
    assert agreement.startswith("agreement: the same class on ")
    assert "% of 200 inputs, probabilities within 0." in agreement
    assert following == f"next: kerasnets evaluate {folder}"


def test_files_of_other_programs_are_told(exports, tmp_path):
    (tmp_path / "a.pb").touch()
    with pytest.raises(UserError, match=r"A model's file ends in .tflite or .onnx. Received: "):
        open_model(tmp_path / "a.pb")
    for kind, file in KINDS.items():
        (tmp_path / file).write_bytes(b"nothing of the kind")
        with pytest.raises(UserError, match="does not tell its classes|is no ONNX file"):
            open_model(tmp_path / file)
        labels = exports / f"{kind}-none" / "1"
        for name in ("labels.txt", "model.json"):
            shutil.copy(labels / name, tmp_path)
        with pytest.raises(UserError, match="is no LiteRT file of kerasnets|is no ONNX file"):
            open_model(tmp_path / file)
        (tmp_path / "model.json").write_text("{}")
        shutil.copy(labels / file, tmp_path)
        assert open_model(tmp_path / file).class_names == tuple("0123456789")
