import concurrent.futures
import contextlib
import signal
import types

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.training import callbacks
from kerasnets.training.callbacks import (
    FiniteLoss,
    History,
    Interrupted,
    KeepBest,
    SaveCheckpoints,
)


@pytest.mark.parametrize("shared", [False, True])
def test_a_stop_at_an_epochs_last_step_waits_for_the_validation(tmp_path, monkeypatch, shared):
    """Asked of this process, or of another worker of several; saved once, and behind it."""
    saved = []
    monkeypatch.setattr(callbacks.checkpoints, "state", lambda model: {})
    monkeypatch.setattr(
        callbacks.checkpoints, "save", lambda *values, **_: saved.append(values[-1])
    )
    loss = FiniteLoss(tmp_path / "checkpoints", 8)
    guard = SaveCheckpoints(loss, minutes=1e9, shared=shared)
    guard.set_model(
        types.SimpleNamespace(
            steps=2,
            steps_after=lambda batch: batch + 1,
            asked=types.SimpleNamespace(numpy=lambda: np.array([0, 1])),
            metrics_variables=[],
        )
    )
    guard.on_train_begin()
    guard.close()
    guard.stop_asked = not shared
    guard.on_train_batch_end(1)
    assert saved == []
    with pytest.raises(Interrupted, match="stopped after step 8"):
        guard.on_epoch_end(3)
    assert saved == [8]
    with pytest.raises(Interrupted):
        guard.on_train_batch_end(0)


def test_a_signal_between_two_fits_is_kept(tmp_path):
    """A resumed epoch is a fit of its own; a stop asked behind it holds in the next one."""
    before = signal.getsignal(signal.SIGTERM)
    guard = SaveCheckpoints(FiniteLoss(tmp_path / "checkpoints", 8), minutes=1e9)
    guard.set_model(types.SimpleNamespace(metrics_variables=[]))
    guard.on_train_begin()
    try:
        guard.on_train_end()
        signal.raise_signal(signal.SIGTERM)
        guard.on_train_begin()
        assert guard.stop_asked
        # A second signal acts as usual.
        assert signal.getsignal(signal.SIGTERM) == before
    finally:
        guard.close()


def test_a_thread_that_is_not_the_main_one_leaves_signals_alone(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    guard = SaveCheckpoints(FiniteLoss(tmp_path / "checkpoints", 8), minutes=1e9)
    guard.set_model(types.SimpleNamespace(metrics_variables=[]))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pool.submit(guard.on_train_begin).result()
        pool.submit(guard.close).result()
    assert signal.getsignal(signal.SIGTERM) == before


ROW = "epoch,loss,accuracy,learning_rate\n1,0.5,0.9,0.1\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROW + "2,0.4", "line 3 is no row of figures"),
        (ROW + "2,0.4,0.9,0.1,7\n", "line 3 is no row of figures"),
        (ROW + "inf,0.4,0.9,0.1\n", "line 3 is no row of figures"),
        (ROW + "2,a,0.9,0.1\n", "line 3 is no row of figures"),
        ("epoch,loss\n1,0.5\n2,0.4\n", "line 2 is no row of figures"),
        (ROW, "a row for each of the 2 epochs so far. Found: 1."),
        (ROW + "3,0.4,0.9,0.1\n", "a row for each of the 2 epochs so far. Found: 1."),
        ("", "a row for each of the 2 epochs so far. Found: none."),
    ],
)
def test_a_damaged_history_is_told(tmp_path, text, message):
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"history.csv' is damaged: .*{message}"):
        History(path, 2)
    path.write_text(ROW + "2,0.4,0.9,0.1\n3,0.3,0.9,0.1\n")
    assert [row["epoch"] for row in History(path, 2).rows] == [1, 2]


def test_the_best_epochs_weights_are_kept_and_the_first_of_equal_ones(tmp_path, monkeypatch):
    kept, network = [], types.SimpleNamespace(epoch=0)
    monkeypatch.setattr(callbacks, "save_weights", lambda network, path: kept.append(network.epoch))
    keep = KeepBest(tmp_path / "best.safetensors", 0.5)
    keep.set_model(
        types.SimpleNamespace(
            network=network,
            averaged=contextlib.nullcontext,
            measure=types.SimpleNamespace(name="accuracy"),
        )
    )
    for epoch, found in enumerate((0.4, 0.6, 0.6, 0.55, 0.7, 0.65)):
        network.epoch = epoch
        keep.on_epoch_end(epoch, {"val_accuracy": found})
    assert kept == [1, 4]


def test_checkpoints_come_every_so_many_steps_and_minutes(tmp_path, monkeypatch):
    saved, now = [], [0.0]
    monkeypatch.setattr(callbacks, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(callbacks.checkpoints, "state", lambda model: {})
    monkeypatch.setattr(
        callbacks.checkpoints, "save", lambda *values, **_: saved.append(values[-1])
    )
    loss = FiniteLoss(tmp_path / "checkpoints", 0)
    guard = SaveCheckpoints(loss, minutes=10, steps=3)
    guard.set_model(
        types.SimpleNamespace(steps=100, steps_after=lambda batch: batch + 1, metrics_variables=[])
    )
    guard.on_train_begin()
    guard.close()
    for step in range(1, 9):
        loss.step, now[0] = step, 601.0 if step == 8 else 0.0
        guard.on_train_batch_end(step - 1)
    assert saved == [3, 6, 8]
