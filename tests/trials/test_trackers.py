"""Curves in the real Weights & Biases, offline, and the real MLflow."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kerasnets.runs.run import identity

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def train(out, tmp_path, *words):
    """Trains a small network for an epoch, in a process of its own."""
    found = {
        "WANDB_MODE": "offline",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'curves.db'}",
    }
    told = [
        sys.executable, "-m", "kerasnets.cli.main", "train", "--model", "lenet5_modern",
        "--no-export", "--out", str(out), *words,
    ]  # fmt: skip
    subprocess.run(told, check=True, cwd=tmp_path, env={**os.environ, **found})


# MLflow's own, of how it uses SQLAlchemy.
@pytest.mark.filterwarnings("ignore")
def test_runs_of_the_same_name_have_their_own_curves_and_go_on_in_them(tmp_path):
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("wandb")
    one, other = (tmp_path / place / "the run's" for place in ("here", "there"))
    for out in (one, other):
        train(out, tmp_path, "--epochs", "1", "--log-to", "wandb", "mlflow")
    train(one, tmp_path, "--resume", "--epochs", "2")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'curves.db'}")
    experiment = client.get_experiment_by_name("kerasnets")
    runs = {
        found.data.tags["identity"]: found.info.run_id
        for found in client.search_runs([experiment.experiment_id])
    }
    assert set(runs) == {identity(one), identity(other)}
    for out, epochs in ((one, [1, 2]), (other, [1])):
        steps = [each.step for each in client.get_metric_history(runs[identity(out)], "accuracy")]
        assert steps == epochs
        sent = [path.name for path in (out / "wandb").glob("offline-run-*")]
        assert len(sent) == len(epochs)
        assert all(name.endswith(f"-{identity(out)}") for name in sent)
