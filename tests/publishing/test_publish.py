"""A run is published on a stand-in of the hub, by the hub's own client, and taken from there."""

import dataclasses
import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from huggingface_hub import ModelCard

from kerasnets import Run, TrainConfig, UserError, recipe
from kerasnets.cli.main import parse
from kerasnets.prediction import predict
from kerasnets.publishing import Publication, write_folder
from kerasnets.publishing.folder import without_paths
from tests.publishing.hub import environment, hub

assert hub  # a fixture


@pytest.fixture(scope="module")
def command(hub, kerasnets_command, tmp_path_factory):
    """The command line, for which the stand-in is the hub."""
    monkeypatch = pytest.MonkeyPatch()
    for name, value in environment(hub, tmp_path_factory.mktemp("hub")).items():
        monkeypatch.setenv(name, value)
    yield kerasnets_command
    monkeypatch.undo()


@pytest.fixture(scope="module")
def published(command, hub, short_run):
    """A run on the hub."""
    result = command("publish", short_run.folder, "hf:me/digits", "--licence", "apache-2.0")
    assert result.returncode == 0, result.stderr
    assert f"Published: {hub.url}/me/digits" in result.stderr
    assert "kerasnets predict hf:me/digits IMAGE" in result.stderr
    return hub.repositories["me/digits"]


def test_the_files_are_those_of_a_run(published, short_run):
    assert set(published) == {
        "README.md", "weights.safetensors", "config.json", "classes.json", "network.json",
        "metrics.json", "history.csv",
    }  # fmt: skip
    assert published["weights.safetensors"] == short_run.weights_path.read_bytes()
    assert str(short_run.folder).encode() not in b"".join(published.values())


def test_the_card_has_the_facts_that_the_hub_reads(published, short_run):
    card = ModelCard(published["README.md"].decode())
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "kerasnets"
    assert card.data.pipeline_tag == "image-classification"
    first, *_ = card.data.eval_results
    assert (first.metric_type, first.dataset_name, first.dataset_split) == (
        "accuracy",
        "digits",
        "test",
    )
    assert first.metric_value == pytest.approx(short_run.metrics()["top1"], abs=1e-5)
    assert f"| test | 450 | {short_run.metrics()['top1']:.2%} |" in card.text
    line = next(line for line in card.text.splitlines() if line.startswith("kerasnets train"))
    again = parse(shlex.split(line)[1:]).config.resolved()
    assert again.recipe == short_run.recipe


def test_build_takes_it_again(command, published, short_run, tmp_path):
    """In a process of its own: huggingface_hub reads its switches when imported."""
    code = (
        "import kerasnets, numpy as np\n"
        "network = kerasnets.build('lenet5_modern', weights='hf:me/digits', classes=10,\n"
        "    classifier_activation=None)\n"
        "print(kerasnets.preprocessing(network).size)\n"
        "np.save('last.npy', network.weights[-1].numpy())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(short_run.preprocessing.size)
    expected = short_run.network().weights[-1].numpy()
    np.testing.assert_array_equal(np.load(tmp_path / "last.npy"), expected)


def test_predict_takes_it_again(command, published, short_run, tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(2).integers(0, 256, (32, 32), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    result = command("predict", "hf:me/digits", tmp_path / "digit.png", "--top", "1")
    assert result.returncode == 0, result.stderr
    (own,) = predict(short_run.folder, [tmp_path / "digit.png"])
    expected = f"{tmp_path / 'digit.png'}: {own.classes[0]} {own.scores[0]:.2%}"
    assert result.stdout.strip() == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hf:others/digits", "--licence", "mit"], "the hub says: You don't have the rights"),
        (["hf:me/digits", "--licence", "mine"], 'not published: "license" must be one of'),
        (["hf:me/digits", "--licence", "My licence"], "--licence must be an identifier"),
        (["hf:me", "--licence", "mit"], "hf:OWNER/REPO"),
        (["me/digits", "--licence", "mit"], "hf:OWNER/REPO"),
        (["hf:me/digits@main", "--licence", "mit"], "published as hf:OWNER/NAME"),
        (["hf:me/digits"], "Missing from kerasnets publish: --licence"),
        (["hf:me/digits", "--licence", "mit", "--dry-run", "."], "is not empty; give a new folder"),
    ],
)
def test_what_is_refused_is_one_line(command, short_run, words, message):
    result = command("publish", short_run.folder, *words, cwd=short_run.folder)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1, result.stderr


def test_without_a_right_to_write_the_token_is_asked_for(command, short_run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    result = command("publish", short_run.folder, "hf:me/new", "--licence", "mit")
    assert result.returncode == 2
    assert "HF_TOKEN" in result.stderr
    assert result.stderr.count("\n") == 1, result.stderr


def test_a_hub_that_is_not_there_is_told(command, short_run, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    result = command("publish", short_run.folder, "hf:me/new", "--licence", "mit")
    assert result.returncode == 2
    assert result.stderr.startswith("kerasnets: hf:me/new was not published: ")
    assert result.stderr.count("\n") == 1, result.stderr


def test_predict_tells_what_the_hub_has_not(command, tmp_path):
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "digit.png")
    result = command("predict", "hf:me/nothing", tmp_path / "digit.png")
    assert result.returncode == 2
    assert "the hub has no repository me/nothing" in result.stderr


def test_a_dry_run_writes_the_exports_too(short_run, tmp_path):
    publication = Publication.of(short_run, "hf:me/digits", "mit", ("savedmodel", "litert"))
    write_folder(publication, tmp_path / "dry")
    assert (tmp_path / "dry" / "savedmodel" / "saved_model.pb").is_file()
    assert (tmp_path / "dry" / "litert" / "model.tflite").is_file()
    names = {path.name for path in (tmp_path / "dry").iterdir()}
    assert {"README.md", "savedmodel", "litert"} <= names
    assert not any("versions" in name for name in names)
    card = (tmp_path / "dry" / "README.md").read_text()
    assert "`savedmodel/` is a SavedModel" in card
    assert "| `serving_default` | `image_bytes` string (N) |" in card
    assert not (tmp_path / "dry" / "savedmodel" / "README.md").exists()
    assert Run.load(tmp_path / "dry").class_names == short_run.class_names
    with pytest.raises(UserError, match="is there already and not empty"):
        write_folder(publication, tmp_path / "dry")


def test_weights_in_a_folder_that_is_called_like_a_source_are_none_of_its(short_run, tmp_path):
    run = dataclasses.replace(
        short_run, config=dataclasses.replace(short_run.config, weights="runs/imagenet")
    )
    write_folder(Publication.of(run, "hf:me/digits", "mit"), tmp_path / "dry")
    card = (tmp_path / "dry" / "README.md").read_text()
    assert "the weights `./imagenet`" in card
    assert "--weights ./imagenet" in card
    assert "base_model" not in card


def test_what_an_earlier_run_left_on_the_hub_goes(command, hub, short_run):
    command("publish", short_run.folder, "hf:me/again", "--licence", "mit")
    files = hub.repositories["me/again"]
    files |= {"thresholds.json": b"{}", "savedmodel/saved_model.pb": b"old", "notes.md": b"mine"}
    result = command("publish", short_run.folder, "hf:me/again", "--licence", "mit")
    assert result.returncode == 0, result.stderr
    assert files.keys() & {"thresholds.json", "savedmodel/saved_model.pb", "notes.md"} == {
        "notes.md"
    }
    assert "weights.safetensors" in files


def test_nothing_of_the_machine_is_told(tmp_path):
    config = TrainConfig(
        data="folder:/home/me/flowers", data_dir=tmp_path, out=tmp_path / "run",
        weights="/home/me/start.safetensors", teacher="/home/me/runs/large",
        init_from=tmp_path / "first", recipe=recipe("digits"),
    )  # fmt: skip
    (tmp_path / "mine.toml").write_text("base = 'digits'\n")
    of_file = TrainConfig(recipe=recipe(str(tmp_path / "mine.toml")))
    assert without_paths(of_file).recipe.source == "mine.toml"
    public = without_paths(config)
    assert (public.data, public.weights) == ("folder:flowers", "./start.safetensors")
    assert (public.teacher, str(public.init_from)) == ("./large", "first")
    assert "/home" not in json.dumps(vars(public), default=str)
    saved = without_paths(TrainConfig(data="hf:/home/me/saved"))
    assert saved.data == "hf:saved"
    named = without_paths(
        TrainConfig(data="hf:uoft-cs/cifar10", weights="timm:resnet18.tv_in1k", teacher="resnet18")
    )
    assert named.data == "hf:uoft-cs/cifar10"
    assert (named.weights, named.teacher) == ("timm:resnet18.tv_in1k", "resnet18")
