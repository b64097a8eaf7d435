import csv
import dataclasses
import json
import logging
import math
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets import Run, TrainConfig, UserError, recipe, train
from kerasnets.cli.main import parse
from kerasnets.config.training import Extension, to_json
from kerasnets.evaluation.results import read_mistakes, read_scores
from kerasnets.runs.environment import read_environment
from kerasnets.runs.folder import LOCK, in_use
from kerasnets.runs.history import read_history
from kerasnets.runs.run import CONFIG, IDENTITY, load_data
from kerasnets.training.batches import batches_from
from kerasnets.training.callbacks import Interrupted, SaveCheckpoints
from kerasnets.training.distribution import Placement
from kerasnets.training.networks import starting_network
from kerasnets.training.process import seeded
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
        "tensorboard", "report.html", "scores.npz", "environment.json",
        "README.md",
    }  # fmt: skip
    assert short_run.finished
    loaded = Run.load(short_run.folder)
    assert loaded.config == short_run.config
    assert loaded.class_names == tuple("0123456789")
    log = (short_run.folder / "train.log").read_text()
    assert re.search(r"epoch 3/3  accuracy .* rate \S+  [\d,]+ images/s", log)


class Start(keras.callbacks.Callback):
    """Keeps what a training starts from."""

    def on_train_begin(self, logs=None):
        self.weights = self.model.network.get_weights()


def test_a_run_that_was_copied_goes_on_where_it_is(short_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copied = shutil.copytree(short_run.folder, tmp_path / "runs" / "lenet5_modern-digits-4")
    words = ["train", "--model", "lenet5_modern", "--data", "digits", "--resume"]
    found = parse([*words, "--epochs", "5"]).config
    assert found.out.absolute() == copied
    assert found.recipe.epochs == 5


@pytest.mark.usefixtures("without_pictures")
def test_another_seed_is_another_start_and_another_order(tmp_path):
    starts, orders = [], []
    for seed in (0, 1):
        start, folder = Start(), tmp_path / str(seed)
        run = train(config(folder, recipe=recipe("digits", epochs=1), seed=seed), callbacks=[start])
        batches = batches_from(run, load_data(run.config).split("train"), Placement(), 0)
        starts.append(start.weights[0])
        orders.append(next(iter(batches))[1].numpy())
    assert not np.array_equal(*starts)
    assert not np.array_equal(*orders)


def test_the_readme_tells_the_result_and_the_next_commands(short_run):
    text = (short_run.folder / "README.md").read_text()
    assert text.startswith("# lenet5_modern on digits\n")
    assert "It names one of 10 classes: 0, 1, 2" in text
    assert f"| test | 450 | {short_run.metrics()['top1']:.2%} |" in text
    assert "The network takes images of 28x28x1." in text
    lines = [line for line in text.splitlines() if line.startswith("kerasnets ")]
    names = ["predict", "evaluate", "explain", "export", "serve", "publish", "train"]
    assert [line.split()[1] for line in lines] == names
    for line in lines:
        assert parse(shlex.split(line, comments=True)[1:])
    assert parse(shlex.split(lines[-1])[1:]).config.resolved().recipe == short_run.recipe


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


@pytest.mark.usefixtures("without_pictures")
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

    original = SaveCheckpoints.on_train_batch_end
    monkeypatch.setattr(SaveCheckpoints, "on_train_batch_end", stop_in_second_epoch)
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
        "train", "--out", "run", "--resume", "--learning-rate", "0.5", cwd=tmp_path
    )
    assert resumed.returncode == 2
    assert "has learning_rate 0.003, not 0.5" in resumed.stderr
    assert "TensorFlow" not in resumed.stderr


def test_a_finished_run_is_not_overwritten(short_run):
    with pytest.raises(UserError, match="holds this run already; add --resume"):
        train(dataclasses.replace(short_run.config))
    with pytest.raises(UserError, match="holds a run with seed 0, not 5. Choose another --out"):
        train(dataclasses.replace(short_run.config, seed=5))
    with pytest.raises(UserError, match="this run already, of other epochs; add --resume to ext"):
        train(config(short_run.folder, recipe=recipe("digits", epochs=5)))
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


def test_a_run_that_another_process_writes_is_not_resumed(short_run, tmp_path, monkeypatch):
    run = Run.load(shutil.copytree(short_run.folder, tmp_path / "run"))
    before = modified(run.folder)
    monkeypatch.setattr("kerasnets.training.trainer.load_data", lambda _: pytest.fail("read"))
    with in_use(run.folder), pytest.raises(UserError, match="is in use: another training is"):
        train(config(run.folder), resume=True)
    assert modified(run.folder) == before


def modified(folder: pathlib.Path) -> dict[pathlib.Path, int]:
    """When each file was last written, the lock aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LOCK)
    return {path: path.stat().st_mtime_ns for path in files}


def test_a_checkpoint_of_another_run_is_told_before_the_data_are_read(
    short_run, tmp_path, monkeypatch
):
    """Of the same network and recipe."""
    for name in ("one", "other"):
        shutil.copytree(short_run.folder, tmp_path / name)
    (tmp_path / "other" / IDENTITY).write_text('"another"')
    monkeypatch.setattr("kerasnets.training.trainer.load_data", lambda _: pytest.fail("read"))
    with pytest.raises(UserError, match="step_.* is no checkpoint of this run: its run is '"):
        train(config(tmp_path / "other"), resume=True)


def test_a_folder_of_something_else_is_left_alone(tmp_path, short_run):
    (tmp_path / "thesis.tex").write_text("Chapter 1")
    with pytest.raises(UserError, match="is no run folder and not empty"):
        train(config(tmp_path))
    with pytest.raises(UserError, match="There is no run in .* to resume"):
        train(config(tmp_path / "new"), resume=True)


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
    # The images were measured decoded in memory, and keep their names.
    _, _, names = read_scores(run.folder, 2)
    assert {pathlib.Path(name).parent.parent for name in names} == {image_folder / "test"}
    assert all(pathlib.Path(each.image).is_file() for each in read_mistakes(run.folder))
    (session,) = read_environment(run.folder)
    assert session["keras"] == keras.__version__


@pytest.mark.parametrize("name", ["", "weights.safetensors"])
def test_weights_of_a_run_start_another(short_run, tmp_path, name):
    weights = str(short_run.folder / name)
    flags = ["--model", "lenet5_modern", "--weights", weights, "--out", str(tmp_path / "run")]
    other = parse(["train", *flags]).config
    network = starting_network(other, 10)
    for one, same in zip(network.get_weights(), short_run.network().get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_the_same_seed_gives_the_same_start(short_run):
    starts = []
    for _ in range(2):
        with seeded(0):
            starts.append(starting_network(short_run.config, 10).get_weights())
    for a, b in zip(*starts, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("without_pictures")
def test_the_random_streams_of_the_caller_go_on_untouched(tmp_path):
    """LeNet-5 of 1998 draws from Keras' own generator, and its layers' seeds from Python's."""

    def drawn(between) -> list:
        keras.utils.set_random_seed(7)
        draw = (
            random.random,
            np.random.random,
            lambda: float(keras.random.uniform(())),
            lambda: float(tf.random.uniform(())),
        )
        first = [each() for each in draw]
        between()
        return [*first, *(each() for each in draw)]

    plan = recipe("digits", epochs=1, warmup_epochs=0)
    expected = drawn(lambda: None)
    assert drawn(lambda: train(config(tmp_path / "run", model="lenet5", recipe=plan))) == expected
    assert drawn(lambda: refused(tmp_path)) == expected


def refused(folder):
    with pytest.raises(UserError, match="There is no weight file"):
        train(config(folder / "none", weights="nowhere.th"))


@pytest.mark.usefixtures("without_pictures")
def test_what_the_caller_has_drawn_does_not_change_a_run(short_run, tmp_path):
    random.seed(5)
    keras.random.uniform(())
    again = train(config(tmp_path / "run"))
    expected, found = (read_tensors(run.weights_path) for run in (short_run, again))
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.usefixtures("without_pictures")
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


def test_a_run_of_another_input_size(tmp_path):
    """The option reaches network, preprocessing and batches, in training and behind it."""
    options = {"input_shape": "[16,24,1]"}
    plan = recipe("digits", epochs=1, batch_size=404, warmup_epochs=0)
    run = train(config(tmp_path / "run", options=options, recipe=plan))
    assert run.preprocessing.size == (16, 24)
    assert json.loads((run.folder / "network.json").read_text())["preprocessing"]["size"] == [
        16,
        24,
    ]
    assert run.network().input_shape == (None, 16, 24, 1)
    handlers = logging.getLogger("kerasnets").handlers
    assert not any(isinstance(handler, logging.FileHandler) for handler in handlers)
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


def copied(run: Run, folder: pathlib.Path) -> Run:
    """A run of one's own, whose configuration has its folder."""
    shutil.copytree(run.folder, folder)
    (folder / CONFIG).write_text(to_json(dataclasses.replace(run.config, out=folder)))
    return Run.load(folder)


def test_a_finished_run_is_extended(short_run, tmp_path, monkeypatch):
    """Interrupted in the extension's first epoch, then ended; the earlier results stay till then."""
    run = copied(short_run, tmp_path / "run")
    before, metrics = read_tensors(run.weights_path), run.metrics()
    longer = config(run.folder, recipe=recipe("digits", epochs=5))

    def stop(self, batch, logs=None):
        self.stop_asked = True
        original(self, batch, logs)

    original = SaveCheckpoints.on_train_batch_end
    monkeypatch.setattr(SaveCheckpoints, "on_train_batch_end", stop)
    with pytest.raises(Interrupted):
        train(longer, resume=True)
    monkeypatch.undo()
    run = Run.load(run.folder)
    assert run.config.extensions == (Extension(after=3, old_epochs=3, new_epochs=5),)
    assert (run.finished, run.recipe.epochs, run.trained_recipe.epochs) == (False, 5, 3)
    assert run.metrics() == metrics
    for name, array in read_tensors(run.weights_path).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    network = run.network()
    np.testing.assert_array_equal(network.get_layer("conv1").bias, before["conv1/bias"])

    run = train(run.config, resume=True)
    assert (run.finished, run.recipe.epochs, run.trained_recipe.epochs) == (True, 5, 5)
    assert Run.load(run.folder) == run
    rows = read_history(run.folder / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[:3] == read_history(short_run.folder / "history.csv")
    # The cosine over all five epochs, after a warm-up of one.
    rates = [row["learning_rate"] for row in rows]
    expected = [3e-3 * (1 + math.cos(math.pi * passed / 4)) / 2 for passed in (3, 4)]
    assert rates[3:] == pytest.approx(expected, abs=1e-7)
    assert not np.array_equal(read_tensors(run.weights_path)["conv1/bias"], before["conv1/bias"])
    assert run.metrics() != metrics
    assert "extended after epoch 3: to 5 epochs, before to 3" in (
        (run.folder / "train.log").read_text()
    )


@pytest.mark.parametrize(
    ("changes", "values", "message"),
    [
        ({"epochs": 2}, {}, "has trained 3 epochs; .* at least 4. Received: 2"),
        ({"learning_rate": 0.5}, {}, "has learning_rate 0.003, not 0.5, and goes on with its"),
        ({"epochs": 9, "batch_size": 64}, {}, "has batch_size 32, not 64. .*--resume --epochs N"),
        ({}, {"seed": 5}, "has seed 0, not 5, .*; --weights /.*run with another --out starts"),
        ({}, {"options": {"pool": "max"}}, "has options {}, not {'pool': 'max'}, and goes on"),
        (None, {"seed": 5}, "recipe 'digits', not 'lenet_fast'; seed 0, not 5, and goes"),
    ],
)
def test_another_setting_of_a_resumed_run_is_told(short_run, changes, values, message):
    plan = recipe("lenet_fast") if changes is None else dataclasses.replace(SHORT, **changes)
    with pytest.raises(UserError, match=message) as caught:
        train(config(short_run.folder, recipe=plan, **values), resume=True)
    assert "\n" not in str(caught.value)
    assert Run.load(short_run.folder) == short_run


def test_an_extension_needs_a_checkpoint(short_run, tmp_path):
    run = copied(short_run, tmp_path / "run")
    shutil.rmtree(run.folder / "checkpoints")
    with pytest.raises(UserError, match="has no checkpoint to go on from; --weights"):
        train(config(run.folder, recipe=recipe("digits", epochs=5)), resume=True)
    assert Run.load(run.folder) == run
