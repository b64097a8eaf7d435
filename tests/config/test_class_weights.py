import pathlib

import pytest

from kerasnets import UserError
from kerasnets.cli.main import parse
from kerasnets.config import TrainConfig
from kerasnets.config.class_weights import by_label, read_class_weights
from kerasnets.config.training import from_json, to_json

FILES = {
    "w.csv": 'class,weight\n"rote, Rosen",2.5\nsky,1\n',
    "bare.csv": '"rote, Rosen",2.5\nsky,1\n',
    "w.json": '{"rote, Rosen": 2.5, "sky": 1}',
    "w.toml": '"rote, Rosen" = 2.5\nsky = 1\n',
}


def written(folder: pathlib.Path, name: str, text: str) -> pathlib.Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", FILES)
def test_weights_are_read_from_every_kind_of_file(tmp_path, name):
    found = read_class_weights(written(tmp_path, name, FILES[name]))
    assert found == {"rote, Rosen": 2.5, "sky": 1.0}
    assert by_label(found, ("sky", "rote, Rosen")) == (1.0, 2.5)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("w.yaml", "a: 1", "'balanced' or a file .csv, .json or .toml"),
        ("w.csv", "a,1\na,2\n", "'a' stands in it twice"),
        ("w.csv", "a;1\n", "a line must be NAME,WEIGHT"),
        ("w.csv", "a,heavy\n", "'a' must have a number. Received: 'heavy'"),
        ("w.csv", "class,weight\n", "must name the classes"),
        ("w.csv", "a,nan\n", "The weight of 'a' must be more than 0"),
        ("w.json", '{"a": 0}', "The weight of 'a' must be more than 0"),
        ("w.json", '{"a": "1"}', "holds no class weights"),
        ("w.json", "[1, 2]", "holds no class weights"),
        ("w.toml", "a = ", "holds no class weights"),
    ],
)
def test_other_files_are_refused(tmp_path, name, text, words):
    with pytest.raises(UserError, match=words):
        read_class_weights(written(tmp_path, name, text))


def test_classes_that_do_not_fit_are_named():
    with pytest.raises(UserError, match=r"Unknown class 'skye'. The closest: sky"):
        by_label({"skye": 1.0}, ("sky", "roses"))
    with pytest.raises(UserError, match="no weight for 'roses'. Expected one for each of the 2"):
        by_label({"sky": 1.0}, ("sky", "roses"))


def test_a_run_keeps_the_weights_themselves(tmp_path):
    path = written(tmp_path, "w.csv", FILES["w.csv"])
    config = parse(["train", "--class-weights", str(path)]).config
    assert config.class_weights == {"rote, Rosen": 2.5, "sky": 1.0}
    assert from_json(to_json(config), "config.json") == config
    balanced = parse(["train", "--class-weights", "balanced"]).config
    assert balanced.class_weights == "balanced"
    assert from_json(to_json(balanced), "config.json") == balanced
    with pytest.raises(UserError, match="more than 0"):
        TrainConfig(class_weights={"sky": -1.0})
