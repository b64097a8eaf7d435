import json
import sys
import types

import pytest

from kerasnets import Run, UserError
from kerasnets.config.training import TrainConfig, to_json
from kerasnets.pretrained.sources import describe
from kerasnets.runs.run import load_data


def test_a_damaged_run_folder_is_told(tmp_path, short_run):
    with pytest.raises(UserError, match="is no run folder: it has no config.json"):
        Run.load(tmp_path)
    (tmp_path / "config.json").write_text((short_run.folder / "config.json").read_text())
    with pytest.raises(UserError, match=r"classes.json' cannot be read: No such file"):
        Run.load(tmp_path)
    (tmp_path / "classes.json").write_text(json.dumps(["a", "b"]))
    with pytest.raises(UserError, match="has not finished; go on with: kerasnets train --out"):
        Run.load(tmp_path).network()


def of_size(size: str) -> bytes:
    return f'{{"network": "lenet5_modern", "preprocessing": {{"size": {size}}}}}'.encode()


def with_shape(shape: str) -> bytes:
    """The configuration of a run with this option."""
    config = TrainConfig(model="lenet5_modern", options={"input_shape": shape})
    return to_json(config.resolved()).encode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b'{"recipe": null}', "no configuration of a run: recipe must be an object"),
        ("config.json", b'{"recipe": "digits"}', "recipe must be an object. Received: 'digits'"),
        ("config.json", b'{"recipe": []}', "recipe must be an object"),
        ("config.json", b"[1]", "a configuration must be an object"),
        ("config.json", b"\xff", "config.json' cannot be read: 'utf-8' codec"),
        ("classes.json", b'{"a": 1}', "classes.json' is damaged: it must hold a list"),
        ("classes.json", b'["a", 1]', "classes.json' is damaged: it must hold a list"),
        ("metrics.json", b'{"top1": 0.', "metrics.json' is damaged: it must hold figures by name"),
        ("metrics.json", b"null", "metrics.json' is damaged: it must hold figures by name"),
        ("network.json", b"null", "network.json' does not describe a network"),
        ("config.json", b"[" * 100_000, "no configuration of a run: it is nested too deeply"),
        ("classes.json", b"[" * 100_000, "classes.json' is damaged: .*nested too deeply"),
        ("metrics.json", b'{"a":' * 100_000, "metrics.json' is damaged: .*nested too deeply"),
        ("network.json", b"[" * 100_000, "does not describe a network: it is nested too deeply"),
        ("network.json", b'{"network": 3}', "does not describe a network: network must be a str"),
        ("network.json", b"{}", "does not describe a network: an origin is incomplete"),
        ("network.json", of_size("[0, 0]"), r"network: size must be positive. Received: \(0, 0\)"),
        ("network.json", of_size("[8]"), "does not describe a network: size must be"),
        ("network.json", of_size('"8"'), "does not describe a network: size must be"),
        ("splits.json", b"[" * 100_000, "splits.json' is damaged: .*nested too deeply"),
        ("config.json", with_shape("[[["), r"input_shape must be \(height, .*Received: '\[\[\['"),
        ("config.json", with_shape("[[[8]]]"), r"input_shape must be \(height, width, channels\)"),
        ("config.json", with_shape("[0, 8, 1]"), "height of input_shape must be a positive"),
        ("config.json", with_shape("[null, 8, 1]"), "A run needs images of one size"),
        ("config.json", with_shape("[" * 50_000), "input_shape must be .*Received: '\\[{9}.*'"),
        ("splits.json", b'{"train": "many"}', "splits.json' is damaged: it must hold the number"),
    ],
)
def test_damaged_files_of_a_run_are_named(short_run, tmp_path, name, content, message):
    for other in ("config.json", "classes.json"):
        (tmp_path / other).write_bytes((short_run.folder / other).read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        look_at_all(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_the_history_is_columns(tmp_path, monkeypatch):
    """A frame of pandas where that is installed; both are asked for columns in the same way."""
    run = Run(tmp_path, TrainConfig(), ("a",))
    monkeypatch.setattr("kerasnets.runs.run.installed", lambda name: False)
    assert dict(run.history()) == {}
    text = "epoch,loss,accuracy,learning_rate\n1,2.5,0.1,0.01\n2,1.5,0.4,0.001\n"
    (tmp_path / "history.csv").write_text(text)
    assert list(run.history()) == ["epoch", "loss", "accuracy", "learning_rate"]
    assert run.history()["accuracy"].tolist() == [0.1, 0.4]
    assert run.history()["accuracy"].max() == 0.4
    frames = types.SimpleNamespace(DataFrame=lambda columns: ("frame", columns))
    monkeypatch.setitem(sys.modules, "pandas", frames)
    monkeypatch.setattr("kerasnets.runs.run.installed", lambda name: name == "pandas")
    kind, columns = run.history()
    assert kind == "frame"
    assert columns["loss"].tolist() == [2.5, 1.5]


def look_at_all(folder):
    run = Run.load(folder)
    return run.metrics(), run.preprocessing, run.check_data(load_data(run.config))


@pytest.mark.parametrize(
    ("model", "shape", "expected"),
    [
        ("resnet50", None, ((224, 224), 256, 3)),
        ("resnet50", "[112,160,3]", ((112, 160), 128, 3)),
        ("resnet50", "[64,64,1]", ((64, 64), 73, 1)),
        ("lenet5", None, ((32, 32), 28, 1)),
    ],
)
def test_a_run_records_the_preprocessing_of_its_own_images(tmp_path, model, shape, expected):
    options = {"input_shape": shape} if shape else {}
    config = TrainConfig(model=model, options=options).resolved()
    run = Run.create(tmp_path / "run", config, ("a", "b"))
    recorded = describe(model, run.folder).preprocessing
    assert recorded == run.preprocessing == Run.load(run.folder).preprocessing
    assert (recorded.size, recorded.resize, len(recorded.mean)) == expected
