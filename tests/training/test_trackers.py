"""What trackers are told of a run. `wandb` is stood in for; its trial is with the real one."""

import sys
import types

import pytest

from kerasnets import TrainConfig, recipe
from kerasnets.training import cross_validate

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def calls(monkeypatch):
    """What is called of a package that stands in for `wandb`."""
    found = []

    def init(**values):
        found.append(("init", values["id"], values["name"]))
        return types.SimpleNamespace(
            log=lambda figures, step: found.append(("log", values["id"], step)),
            finish=lambda: found.append(("finish", values["id"], None)),
        )

    module = types.ModuleType("wandb")
    module.init = init
    module.__spec__ = types.SimpleNamespace(name="wandb")
    monkeypatch.setitem(sys.modules, "wandb", module)
    return found


def test_each_run_has_curves_of_its_own_at_weights_and_biases(calls, tmp_path):
    """The folds of each cross-validation have the same names, and one process trains them."""
    cross_validate(
        TrainConfig(
            model="lenet5_modern", recipe=recipe("digits", epochs=1, augment="none"),
            out=tmp_path / "folds", folds=2, log_to=("wandb",),
        )
    )  # fmt: skip
    begun = [call for call in calls if call[0] == "init"]
    assert [name for _, _, name in begun] == ["fold-1", "fold-2"]
    ids = [known for _, known, _ in begun]
    assert not {*ids} & {"fold-1", "fold-2"}
    assert [(what, known) for what, known, _ in calls] == [
        (what, known) for known in ids for what in ("init", "log", "finish")
    ]
