import csv
import dataclasses
import json
import logging
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from kerasnets import Run, TrainConfig, UserError, recipe, train
from kerasnets.data.sources import ShardedSplit
from kerasnets.runs.run import clear, is_free, load_data, run_folder
from kerasnets.training.callbacks import Guard, Interrupted, read_history
from kerasnets.training.distribution import Place
from kerasnets.training.trainer import _validation_batches, log
from kerasnets.weights import read_tensors

SHORT = recipe("digits", epochs=3)


def config(folder, **changes) -> TrainConfig:
    values = {"model": "lenet5_modern", "recipe": SHORT, "out": folder, **changes}
    return TrainConfig(**values)


def test_a_run_leaves_everything_behind(short_run):
    names = {path.name for path in short_run.folder.iterdir()}
    assert names >= {
        "config.json", "classes.json", "history.csv", "curves.png", "confusion.csv",
        "confusion.png", "metrics.json", "train.log", "weights.safetensors", "checkpoints",
        "tensorboard",
    }  # fmt: skip
    assert short_run.finished
    loaded = Run.load(short_run.folder)
    assert loaded.config == short_run.config
    assert loaded.class_names == tuple("0123456789")
    log = (short_run.folder / "train.log").read_text()
    assert re.search(r"epoch 3/3  accuracy .* rate \S+  [\d,]+ images/s", log)


def test_history_and_metrics_hold_the_figures(short_run):
    rows = read_history(short_run.folder / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert {"accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"} <= set(rows[0])
    metrics = short_run.metrics()
    assert metrics["split"] == "test"
    assert metrics["images"] == 450
    with (short_run.folder / "confusion.csv").open(newline="") as file:
        table = list(csv.reader(file))
    counts = np.array([row[1:] for row in table[1:]], int)
    assert counts.sum() == 450
    assert np.trace(counts) / 450 == pytest.approx(metrics["top1"])


def test_three_epochs_teach_something(short_run):
    # Chance is 0.1; three epochs of 37 steps reach 0.9 and more.
    assert short_run.metrics()["top1"] > 0.7


def test_tensorboard_can_read_its_events(short_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(short_run.folder / "tensorboard" / "train"))
    events.Reload()
    tags = events.Tags()
    assert any("loss" in tag for kind in ("scalars", "tensors") for tag in tags[kind])


@pytest.mark.parametrize(
    ("steps", "stopped", "epochs"), [(range(51, 74), r"5\d", 1), ([74], "74", 2)]
)
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    short_run, tmp_path, monkeypatch, steps, stopped, epochs
):
    """Stopped in the second epoch or at its end, resumed, compared figure by figure."""

    def stop_in_second_epoch(self, batch, logs=None):
        # Several steps are started at once, but none of the next epoch with them.
        self.stop_asked = self.loss.step in steps
        original(self, batch, logs)

    original = Guard.on_train_batch_end
    monkeypatch.setattr(Guard, "on_train_batch_end", stop_in_second_epoch)
    with pytest.raises(Interrupted, match=f"stopped after step {stopped};"):
        train(config(tmp_path / "run"))
    monkeypatch.undo()
    assert not Run.load(tmp_path / "run").finished
    assert len(read_history(tmp_path / "run" / "history.csv")) == epochs
    resumed = train(config(tmp_path / "run"), resume=True)
    rows = [read_history(run.folder / "history.csv") for run in (short_run, resumed)]
    for one, other in zip(*rows, strict=True):
        del one["seconds"], other["seconds"]
        assert other == pytest.approx(one, abs=1e-5)
    whole, parts = (read_tensors(run.weights_path) for run in (short_run, resumed))
    for name, array in whole.items():
        np.testing.assert_allclose(parts[name], array, atol=1e-6, err_msg=name)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path, kerasnets_command):
    arguments = [
        sys.executable, "-m", "kerasnets.cli.main", "train", "--model", "lenet5_modern",
        "--epochs", "400", "--out", "run", "--no-export",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        arguments, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "history.csv").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "kerasnets train --out run --resume" in shown
    assert "Traceback" not in shown
    resumed = kerasnets_command(
        "train", "--out", "run", "--resume", "--epochs", "401", cwd=tmp_path
    )
    assert resumed.returncode == 2
    assert "differs in epochs" in resumed.stderr


def test_a_finished_run_is_not_overwritten(short_run):
    with pytest.raises(UserError, match="holds this run already; add --resume"):
        train(dataclasses.replace(short_run.config))
    again = train(short_run.config, resume=True)
    assert again.metrics() == short_run.metrics()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "lenet6"}, "Unknown network 'lenet6'"),
        ({"data": "folder:/nowhere"}, "There is no folder '/nowhere'"),
        ({"options": {"pool": "sum"}}, "pool must be 'max' or 'average'. Received: 'sum'"),
        ({"weights": "nowhere.th"}, "There is no weight file 'nowhere.th'"),
        ({"recipe": recipe("digits", batch_size=5000)}, "larger than the 1212 training images"),
    ],
)
def test_what_does_not_work_is_told_before_training(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        train(config(tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path, short_run):
    (tmp_path / "thesis.tex").write_text("Chapter 1")
    with pytest.raises(UserError, match="is no run folder and not empty"):
        train(config(tmp_path))
    with pytest.raises(UserError, match="another configuration; it differs in seed"):
        train(dataclasses.replace(short_run.config, seed=5), resume=True)
    with pytest.raises(UserError, match="There is no run in .* to resume"):
        train(config(tmp_path / "new"), resume=True)


def test_runs_without_a_folder_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = TrainConfig(data="folder:some/flowers")
    assert str(run_folder(plain, False)) == "runs/lenet5-flowers-1"
    (tmp_path / "runs" / "lenet5-flowers-1").mkdir(parents=True)
    assert str(run_folder(plain, False)) == "runs/lenet5-flowers-2"
    assert str(run_folder(plain, True)) == "runs/lenet5-flowers-1"
    # The first one was removed.
    (tmp_path / "runs" / "lenet5-flowers-1").rename(tmp_path / "runs" / "lenet5-flowers-10")
    assert str(run_folder(plain, True)) == "runs/lenet5-flowers-10"
    assert str(run_folder(plain, False)) == "runs/lenet5-flowers-11"
    named = dataclasses.replace(plain, model="LeNet5")
    assert str(run_folder(named, True)) == "runs/lenet5-flowers-10"
    with pytest.raises(UserError, match=r"There is no run runs/lenet5-digits-\* to resume"):
        run_folder(TrainConfig(), True)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    wild = recipe("digits", epochs=3, learning_rate=1e30, warmup_epochs=0, optimizer="sgd")
    with pytest.raises(
        UserError, match=r"The loss is (nan|inf) at step \d+; there is no checkpoint yet"
    ):
        train(config(tmp_path / "run", recipe=wild))


def test_a_folder_of_images_trains(image_folder, tmp_path):
    run = train(
        config(
            tmp_path / "run",
            data=f"folder:{image_folder}",
            recipe=recipe("digits", epochs=2, batch_size=6, validation_fraction=0),
        )
    )
    assert run.class_names == ("blue sky", "rote Rosen")
    assert run.metrics()["images"] == 12
    assert run.network().output_shape == (None, 2)
    assert "val_loss" not in read_history(run.folder / "history.csv")[0]


def test_weights_of_a_run_start_another(short_run, tmp_path):
    other = config(tmp_path / "run", weights=str(short_run.weights_path))
    network = Run(tmp_path, other, short_run.class_names).network(trained=False)
    for one, same in zip(network.get_weights(), short_run.network().get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_the_same_seed_gives_the_same_start(short_run, tmp_path):
    keras.utils.set_random_seed(0)
    one = short_run.network(trained=False).get_weights()
    keras.utils.set_random_seed(0)
    two = short_run.network(trained=False).get_weights()
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_damaged_run_folder_is_told(tmp_path, short_run):
    with pytest.raises(UserError, match="is no run folder: it has no config.json"):
        Run.load(tmp_path)
    (tmp_path / "config.json").write_text((short_run.folder / "config.json").read_text())
    with pytest.raises(UserError, match=r"classes.json' cannot be read: No such file"):
        Run.load(tmp_path)
    (tmp_path / "classes.json").write_text(json.dumps(["a", "b"]))
    with pytest.raises(UserError, match="has not finished; go on with: kerasnets train --out"):
        Run.load(tmp_path).network()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b'{"recipe": null}', "no configuration of a run: recipe must be an object"),
        ("config.json", b'{"recipe": "digits"}', 'recipe must be an object. Received: "digits"'),
        ("config.json", b'{"recipe": []}', "recipe must be an object"),
        ("config.json", b"[1]", "it must be an object"),
        ("config.json", b"\xff", "config.json' cannot be read: 'utf-8' codec"),
        ("classes.json", b'{"a": 1}', "classes.json' is damaged: it must hold a list"),
        ("classes.json", b'["a", 1]', "classes.json' is damaged: it must hold a list"),
        ("metrics.json", b'{"top1": 0.', "metrics.json' is damaged: it must hold figures by name"),
        ("metrics.json", b"null", "metrics.json' is damaged: it must hold figures by name"),
        ("network.json", b"null", "network.json' does not describe a network"),
        ("splits.json", b'{"train": "many"}', "splits.json' is damaged: it must hold the number"),
    ],
)
def test_damaged_files_of_a_run_are_named(short_run, tmp_path, name, content, message):
    for other in ("config.json", "classes.json"):
        (tmp_path / other).write_bytes((short_run.folder / other).read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        look_at_all(tmp_path)


def look_at_all(folder):
    run = Run.load(folder)
    return run.metrics(), run.preprocessing, run.check_data(load_data(run.config))


def test_two_runs_cannot_begin_in_one_folder(short_run, tmp_path):
    """What a killed beginning left behind may be begun anew."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("classes.json", "network.json", ".partial-config.json"):
        (folder / name).write_text("")
    assert is_free(folder)
    clear(folder)
    new = Run.create(folder, config(folder), short_run.class_names)
    assert Run.load(folder) == new
    assert not is_free(folder)
    with pytest.raises(UserError, match="Another run began in .*run' meanwhile"):
        Run.create(folder, config(folder), short_run.class_names)


def test_a_run_whose_number_another_has_taken_takes_the_next(short_run, tmp_path, monkeypatch):
    """Others begin after the folder was chosen, while the data are read."""
    monkeypatch.chdir(tmp_path)

    def others_begin(given):
        for folder in (given.out, given.out.with_name("lenet5_modern-digits-2")):
            Run.create(folder, dataclasses.replace(given, seed=5), short_run.class_names)
        return load_data(given)

    monkeypatch.setattr("kerasnets.training.trainer.load_data", others_begin)
    plan = recipe("digits", epochs=1, warmup_epochs=0)
    run = train(config(None, recipe=plan))
    assert run.folder == run.config.out == pathlib.Path("runs/lenet5_modern-digits-3")
    assert Run.load(run.folder) == run
    assert run.finished
    for number in (1, 2):
        taken = run.folder.with_name(f"lenet5_modern-digits-{number}")
        assert Run.load(taken).config.seed == 5
        assert not (taken / "train.log").exists()
    # A folder that was asked for is not changed for another.
    with pytest.raises(UserError, match="Another run began in .*mine' meanwhile; choose another"):
        train(config(tmp_path / "mine", recipe=plan))


def test_changed_data_and_data_without_training_images_are_told(short_run, tmp_path, monkeypatch):
    data = load_data(short_run.config)
    less = {**data.splits, "train": data.split("train").take(np.arange(1000))}
    for changes, message in (
        ({"splits": less}, "since it began: train had 1,212 images and has 1,000."),
        ({"class_names": tuple("abcdefghij")}, "was trained on the classes 10: 0, 1, 2, 3, ...;"),
        ({"splits": {"test": data.split("test")}}, "digits has no split 'train'. It has: test"),
    ):
        changed = dataclasses.replace(data, **changes)
        monkeypatch.setattr("kerasnets.training.trainer.load_data", lambda config, x=changed: x)
        with pytest.raises(UserError, match=message):
            train(short_run.config, resume=True)


def test_validation_takes_as_many_steps_as_the_worker_with_most(short_run):
    """Files are divided whole: here the first of two workers has nearly all images."""
    files, counts = ("a", "b"), (600, 10)
    labels = np.zeros(610, np.int32)
    split = ShardedSplit(np.arange(610), labels, "shards", files=files, counts=counts)
    split = dataclasses.replace(split, encoded=lambda record: record)
    _, steps = _validation_batches(short_run, {"validation": split}, Place(workers=2))
    # 125 images of each worker at a time.
    assert steps == 5


def test_a_run_of_another_input_size(tmp_path):
    """The option reaches network, preprocessing and batches, in training and behind it."""
    options = {"input_shape": "[16,24,1]"}
    plan = recipe("digits", epochs=1, batch_size=404, warmup_epochs=0)
    run = train(config(tmp_path / "run", options=options, recipe=plan))
    assert run.preprocessing.size == (16, 24)
    assert run.network().input_shape == (None, 16, 24, 1)
    assert not any(isinstance(handler, logging.FileHandler) for handler in log.handlers)
    anywhere = config(tmp_path / "none", options={"input_shape": "[null,null,1]"})
    with pytest.raises(UserError, match=r"must be \[HEIGHT, WIDTH, CHANNELS\]. Received: \[null"):
        Run(tmp_path, anywhere, run.class_names).preprocessing  # noqa: B018


def test_a_new_run_keeps_decoded_images_on_disk(tmp_path, monkeypatch, caplog):
    """Its folder, and the one that this is in, are made later."""
    caplog.set_level("INFO", "kerasnets")
    monkeypatch.setattr("kerasnets.data.pipeline.MEMORY_BUDGET_BYTES", 1000)
    folder = tmp_path / "runs" / "new"
    plan = recipe("digits", epochs=1, warmup_epochs=0, augment="none")
    train(TrainConfig(model="lenet5_modern", data="digits", recipe=plan, out=folder))
    assert f"train: decoded once and cached on disk in {str(tmp_path)!r}" in caplog.text
    assert (folder / "weights.safetensors").exists()
