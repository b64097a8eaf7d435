import json
import pathlib
import shutil

import keras
import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.runs.run import IDENTITY
from kerasnets.training import checkpoints
from kerasnets.weights import read_tensors, save_tensors


def model(units: int = 3) -> keras.Model:
    network = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(units)]
    )
    network.compile(keras.optimizers.Adam(0.1), "mse", run_eagerly=True)
    return network


def train(network, rng, steps):
    for _ in range(steps):
        network.train_on_batch(rng.standard_normal((8, 4)), rng.standard_normal((8, 3)))


def test_the_whole_state_comes_back(tmp_path):
    one = model()
    train(one, np.random.default_rng(0), 3)
    checkpoints.save(tmp_path, checkpoints.state(one), 3)
    other = model()
    assert checkpoints.restore(tmp_path, other) == 3
    # Momenta, step counter and dropout's random numbers go on as they were.
    train(one, np.random.default_rng(1), 2)
    train(other, np.random.default_rng(1), 2)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(other.optimizer.iterations) == 5


def test_the_last_three_are_kept(tmp_path):
    for step in (1, 5, 20, 100):
        checkpoints.save(tmp_path, checkpoints.state(model()), step)
    assert [path.stem for path in sorted(tmp_path.iterdir())] == [
        "step_00000005", "step_00000020", "step_00000100"
    ]  # fmt: skip
    assert checkpoints.latest(tmp_path).stem == "step_00000100"
    assert checkpoints.latest(tmp_path / "none") is None


def test_damaged_checkpoints_are_left_out(tmp_path, caplog):
    """Cut off, a bit turned, another network's: the one before is taken, and it is said."""
    network = model()
    train(network, np.random.default_rng(0), 1)
    first = {name: array.copy() for name, array in checkpoints.state(network).items()}
    good = checkpoints.save(tmp_path, first, 1).rename(tmp_path / "kept")
    checkpoints.save(tmp_path, checkpoints.state(model(5)), 2)
    for step in (3, 4):
        train(network, np.random.default_rng(step), 1)
        checkpoints.save(tmp_path, checkpoints.state(network), step)
    good.rename(tmp_path / "step_00000001.safetensors")
    with (tmp_path / "step_00000004.safetensors").open("r+b") as file:
        file.truncate(700)
    content = bytearray((tmp_path / "step_00000003.safetensors").read_bytes())
    content[-3] ^= 1
    (tmp_path / "step_00000003.safetensors").write_bytes(content)
    other = model()
    assert checkpoints.restore(tmp_path, other) == 1
    for name, array in checkpoints.state(other).items():
        np.testing.assert_array_equal(array, first[name])
    assert "step_00000004.safetensors' is damaged" in caplog.text
    assert "step_00000003.safetensors' is damaged: " in caplog.text
    assert "step_00000002.safetensors' is no checkpoint of this run" in caplog.text
    checkpoints.save(tmp_path, first, 2)
    assert [path.stem for path in sorted(tmp_path.iterdir())] == ["step_00000001", "step_00000002"]
    for path in tmp_path.iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="No checkpoint in .* can be used: step_00000002"):
        checkpoints.restore(tmp_path, model())


def test_a_checkpoint_that_may_not_be_read_is_left_out(tmp_path, caplog, monkeypatch):
    network = model()
    train(network, np.random.default_rng(0), 1)
    for step in (1, 2):
        checkpoints.save(tmp_path, checkpoints.state(network), step)
    as_before = pathlib.Path.open

    def refusing(path, *arguments, **options):
        if path.name == "step_00000002.safetensors":
            raise PermissionError(13, "Permission denied", str(path))
        return as_before(path, *arguments, **options)

    monkeypatch.setattr(pathlib.Path, "open", refusing)
    assert checkpoints.restore(tmp_path, model()) == 1
    assert "step_00000002.safetensors' cannot be read: Permission denied. It is" in caplog.text


def test_weights_that_are_no_numbers_are_not_kept(tmp_path):
    network = model()
    train(network, np.random.default_rng(0), 1)
    good = checkpoints.save(tmp_path, checkpoints.state(network), 1)
    network.layers[-1].kernel.assign(np.full((4, 3), np.nan))
    with pytest.raises(UserError, match="at step 2; the last checkpoint is step_00000001"):
        checkpoints.save(tmp_path, checkpoints.state(network), 2)
    assert checkpoints.latest(tmp_path) == good


@pytest.mark.parametrize(
    "name",
    [
        "step_best.safetensors",
        "step_.safetensors",
        "step_7.safetensors",
        "step_-0000009.safetensors",
        "step_00000009.old.safetensors",
        "step_٠٠٠٠٠٠٠٩.safetensors",
        "step_00000009.safetensors/",
        "step_99999999999999999999.safetensors",
    ],
)
def test_other_files_among_checkpoints_are_left_alone(name, tmp_path):
    one = model()
    train(one, np.random.default_rng(0), 1)
    good = checkpoints.save(tmp_path, checkpoints.state(one), 5)
    other = tmp_path / name
    other.mkdir() if name.endswith("/") else shutil.copy(good, other)
    assert checkpoints.latest(tmp_path) == good
    assert checkpoints.restore(tmp_path, model()) == 5
    for step in (6, 7, 8, 9 if not other.is_dir() else 10):
        checkpoints.save(tmp_path, checkpoints.state(one), step)
    assert other.exists()


def test_many_steps_are_ordered_by_number(tmp_path):
    for step in (99_999_999, 100_000_000):
        path = checkpoints.save(tmp_path, checkpoints.state(model()), step)
    assert checkpoints.latest(tmp_path) == path


def run_folder(path: pathlib.Path, identity: str | None) -> pathlib.Path:
    """The folder of a run's checkpoints, with one of step 3."""
    (path / "checkpoints").mkdir(parents=True)
    if identity is not None:
        (path / IDENTITY).write_text(json.dumps(identity))
    network = model()
    train(network, np.random.default_rng(0), 3)
    checkpoints.save(path / "checkpoints", checkpoints.state(network), 3)
    return path / "checkpoints"


def rewritten(change):
    def damage(own, other):
        path = own / "step_00000003.safetensors"
        values = read_tensors(path)
        change(values)
        save_tensors(path, values, {"run": "one", "step": "3"})

    return damage


WRONG = {
    "of another run": (
        lambda own, other: shutil.copy(other / "step_00000003.safetensors", own),
        "is no checkpoint of this run: its run is 'two', expected 'one'. Move it away",
    ),
    "of another run, and newer": (
        lambda own, other: shutil.copy(
            other / "step_00000003.safetensors", own / "step_00000004.safetensors"
        ),
        "step_00000004.safetensors' is no checkpoint of this run: its run is 'two'",
    ),
    "without a run": (
        lambda own, other: save_tensors(own / "step_00000004.safetensors", {}),
        "is no checkpoint of this run: its run is None, expected 'one'",
    ),
    "by another name": (
        lambda own, other: (own / "step_00000003.safetensors").rename(
            own / "step_00000033.safetensors"
        ),
        "is no checkpoint of this run: its step is '3', expected '33'",
    ),
    "with NaN": (
        rewritten(lambda values: values["trainable/0000"].fill(np.nan)),
        "No checkpoint in .* can be used: step_00000003",
    ),
    "with another shape": (
        rewritten(lambda values: values.update({"trainable/0000": np.zeros((4, 4), "float32")})),
        "No checkpoint in .* can be used: step_00000003",
    ),
    "with a variable less": (
        rewritten(lambda values: values.pop("trainable/0001")),
        "No checkpoint in .* can be used: step_00000003",
    ),
    "of a run whose identity is damaged": (
        lambda own, other: (own.parent / IDENTITY).write_text("[" * 100_000),
        "identity.json' is damaged: it must hold the run's identity",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_checkpoint_that_is_not_the_runs_own_is_refused(kind, tmp_path, caplog):
    own, other = run_folder(tmp_path / "own", "one"), run_folder(tmp_path / "other", "two")
    assert checkpoints.restore(own, model()) == 3
    change, message = WRONG[kind]
    change(own, other)
    before = {path.name: path.read_bytes() for path in own.iterdir()}
    network = model()
    weights = network.get_weights()
    with pytest.raises(UserError, match=message):
        checkpoints.restore(own, network)
    assert {path.name: path.read_bytes() for path in own.iterdir()} == before
    for one, two in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    if kind == "with NaN":
        assert "trainable/0000 (for " in caplog.text
        assert ") holds NaN, expected finite numbers" in caplog.text


def test_a_run_of_an_earlier_version_goes_on(tmp_path):
    folder = run_folder(tmp_path / "old", None)
    assert checkpoints.restore(folder, model()) == 3


def test_epochs_of_another_length_are_told(tmp_path, rng):
    """Workers that share out files of unequal sizes make an epoch as long as the smallest part."""
    one = model()
    train(one, rng, 1)
    path = checkpoints.save(tmp_path, checkpoints.state(one), 90, per_epoch=90)
    assert checkpoints.restore(tmp_path, model(), per_epoch=90) == 90
    assert checkpoints.restore(tmp_path, model()) == 90
    message = f"{path.name}' is of epochs of 90 steps; with these workers they have 89. Go on with"
    with pytest.raises(UserError, match=message):
        checkpoints.restore(tmp_path, model(), per_epoch=89)
