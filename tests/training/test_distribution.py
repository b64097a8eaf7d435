import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kerasnets import UserError
from kerasnets.config import TrainConfig, recipe
from kerasnets.config.training import differences
from kerasnets.runs.history import read_history
from kerasnets.training import train
from kerasnets.training.distribution import Placement, check, is_chief, placement
from kerasnets.training.launch import launch
from kerasnets.weights import read_tensors

ROOT = pathlib.Path(__file__).parent.parent.parent
# Twenty steps; a network without batch norm and dropout, whose part of a batch adds up exactly.
TWENTY = recipe("digits", epochs=1, batch_size=60, optimizer="sgd", learning_rate=0.05)


def config(**changes) -> TrainConfig:
    return TrainConfig(model="lenet5_modern", **{"recipe": TWENTY, **changes}).resolved()


def in_own_process(settings: dict) -> subprocess.CompletedProcess:
    """Devices are chosen once in a process, so those of a test need one of their own."""
    code = (
        "import json, pathlib, sys; from kerasnets import TrainConfig, recipe, train;"
        "settings = json.loads(sys.argv[1]); out = pathlib.Path(settings.pop('out'));"
        "values = settings.pop('recipe'); plan = recipe(values.pop('name'), **values);"
        "train(TrainConfig(recipe=plan, out=out, **settings))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, json.dumps(settings)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.usefixtures("without_pictures")
def test_two_devices_learn_what_one_learns(tmp_path):
    one = train(config(out=tmp_path / "one"))
    result = in_own_process(
        {
            "model": "lenet5_modern",
            "recipe": {
                "name": "digits", "epochs": 1, "batch_size": 60, "optimizer": "sgd",
                "learning_rate": 0.05,
            },
            "out": str(tmp_path / "two"),
            "devices": "cpu:0,1",
        }
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    two = read_tensors(tmp_path / "two" / "weights.safetensors")
    for name, array in read_tensors(one.weights_path).items():
        np.testing.assert_allclose(two[name], array, atol=1e-5, err_msg=name)
    rows = [read_history(folder / "history.csv") for folder in (one.folder, tmp_path / "two")]
    # Each validation image once, whatever the number of devices.
    assert rows[0][0]["val_accuracy"] == pytest.approx(rows[1][0]["val_accuracy"], abs=1e-6)
    assert rows[0][0]["loss"] == pytest.approx(rows[1][0]["loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ("tpu", "--devices must be auto, cpu, gpu or gpu:0,1. Received: 'tpu'"),
        ("gpu:a", "--devices must be auto, cpu, gpu or gpu:0,1"),
        ("cpu:3", "there is no cpu:3; TensorFlow finds 1 CPU here"),
        ("gpu:99", "there is no gpu:99; TensorFlow finds"),
        ("cpu:0,1", "--devices cpu:0,1 came too late"),
    ],
)
def test_devices_that_do_not_exist_are_told(devices, message):
    tf.zeros(1).numpy()
    with pytest.raises(UserError, match=message):
        placement(config(devices=devices))


@pytest.mark.parametrize(
    ("cluster", "worker", "message"),
    [
        ("node1", 0, "--cluster must be HOST:PORT,HOST:PORT,... Received: 'node1'"),
        (
            "a:1,b:2",
            2,
            "--worker must be 0 to 1, this process among the 2 of --cluster. Received: 2",
        ),
        ("a:1,b:2", None, "--worker must be 0 to 1"),
        (None, 1, "--worker needs --cluster"),
    ],
)
def test_clusters_that_cannot_be_are_told(cluster, worker, message):
    with pytest.raises(UserError, match=message):
        placement(config(cluster=cluster, worker=worker))


@pytest.mark.parametrize(
    "text",
    [
        "worker",
        "{}",
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        "[]",
        '{"cluster": ["worker"], "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": [1, 2]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": ["worker"], "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": -1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "first"}}',
        '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief", "index": 1}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_cluster_description_that_cannot_be_read_is_told(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="TF_CONFIG describes no cluster of workers"):
        placement(config())


def test_the_chief_is_the_first_worker(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    for kind, index, chief in (("chief", 0, True), ("worker", 0, False), ("worker", 1, False)):
        task = {"type": kind, "index": index}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
        assert is_chief(config()) is chief
    monkeypatch.delenv("TF_CONFIG")
    assert is_chief(config())
    assert not is_chief(config(cluster="a:1,b:1", worker=1))


def test_a_cluster_of_one_goes_on_by_itself(short_run, monkeypatch):
    """As one of several: the same command is started again."""
    one = dataclasses.replace(short_run.config, cluster="localhost:1", worker=0)
    assert train(one).metrics() == short_run.metrics()
    task = {"type": "worker", "index": "0"}
    described = {"cluster": {"worker": ["a:1"]}, "task": task, "environment": "cloud"}
    monkeypatch.setenv("TF_CONFIG", json.dumps(described))
    assert placement(short_run.config) == Placement(in_cluster=True)


class Seven(Placement):
    replicas = 7


def test_what_several_devices_cannot_do_is_refused():
    two = Placement(tf.distribute.MirroredStrategy(["CPU:0"]))
    with pytest.raises(
        UserError, match=r"--fast xla does not work with 1 devices \(MirroredStrategy\)"
    ):
        check(config(fast=("xla",)), two)
    with pytest.raises(UserError, match=r"must divide among 7 devices. Received: batch_size=60"):
        check(config(), Seven())
    parts = dataclasses.replace(TWENTY, accumulate=4)
    with pytest.raises(UserError, match=r"among 7 devices times 4 parts \(accumulate\)"):
        check(config(recipe=parts), Seven())
    with pytest.raises(UserError, match="needs --out, a folder that all of them share"):
        check(config(), Placement(workers=2))


def test_a_run_may_go_on_elsewhere():
    here = config()
    there = config(
        devices="gpu:0", fast=("none",), cluster="a:1,b:1", worker=0, save_steps=5, log_to=()
    )
    assert differences(here, there) == {}
    assert differences(here, config(sync_batch_norm=True)) == {"sync_batch_norm": (False, True)}


def test_the_launcher_passes_errors_on(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert launch(2, ["--model", "lenet6", "--out", str(tmp_path / "run")]) == 2
    shown = capfd.readouterr().err
    for worker in (0, 1):
        assert f"[{worker}] kerasnets: Unknown network 'lenet6'" in shown
