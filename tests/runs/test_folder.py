import dataclasses
import subprocess
import sys

import pytest

from kerasnets import Run, TrainConfig, UserError, recipe
from kerasnets.runs.folder import LOCK, clear, in_use, is_free, run_folder


def config(folder, **changes) -> TrainConfig:
    values = {"model": "lenet5_modern", "recipe": recipe("digits"), "out": folder, **changes}
    return TrainConfig(**values)


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


def test_a_run_is_free_again_when_the_process_that_writes_it_is_killed(tmp_path):
    lock = f"lock = filelock.FileLock({str(tmp_path / LOCK)!r})"
    code = f"import filelock; {lock}; lock.acquire(); print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-uc", code], **pipes) as process:
        process.stdout.readline()
        for _ in range(2):
            with pytest.raises(UserError, match="is in use: another training is"), in_use(tmp_path):
                pass
        process.kill()
    with in_use(tmp_path):
        pass


def test_a_folder_that_takes_no_lock_stops_nothing(tmp_path):
    (tmp_path / "file").touch()
    with in_use(tmp_path / "file"):
        pass
