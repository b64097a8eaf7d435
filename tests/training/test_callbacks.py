import types

import numpy as np
import pytest

from kerasnets.training import callbacks
from kerasnets.training.callbacks import FiniteLoss, Guard, Interrupted


@pytest.mark.parametrize("shared", [False, True])
def test_a_stop_at_an_epochs_last_step_waits_for_the_validation(tmp_path, monkeypatch, shared):
    """Asked of this process, or of another worker of several; saved once, and behind it."""
    saved = []
    monkeypatch.setattr(callbacks.checkpoints, "state", lambda model: {})
    monkeypatch.setattr(callbacks.checkpoints, "save", lambda *values: saved.append(values[-1]))
    loss = FiniteLoss(tmp_path / "checkpoints", 8)
    guard = Guard(loss, minutes=1e9, shared=shared)
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
