"""What people do to the folder under a running server: what is served stays served."""

import gc
import logging
import os
import pathlib
import shutil
import time
import weakref

import numpy as np
import pytest
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from kerasnets import UserError
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.metrics import Metrics
from kerasnets.serving.repository import Repository
from tests.serving.saved_models import half_plus

AVAILABLE = ModelVersionStatus.AVAILABLE
NOT_UTF8 = os.fsdecode(b"caf\xe9")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> pathlib.Path:
    return half_plus(1.0, tmp_path_factory.mktemp("saved") / "1")


@pytest.fixture
def root(saved, tmp_path) -> pathlib.Path:
    shutil.copytree(saved, tmp_path / "models" / "half" / "1")
    return tmp_path / "models"


@pytest.fixture
def repository(root):
    running = Repository(ServerConfig(poll_s=0.05), root)
    running.start()
    yield running
    running.stop()


def look_again(repository: Repository) -> None:
    """Waits until the files have been looked at twice, from start to end."""
    before, looks = repository._say, []
    repository._say = lambda notes: (before(notes), looks.append(notes))
    end = time.monotonic() + 30
    while len(looks) < 3:
        assert repository._watcher.is_alive()
        assert time.monotonic() < end
        time.sleep(0.02)
    repository._say = before


def versions(repository: Repository) -> dict[str, list[int]]:
    return {name: sorted(model.loaded) for name, model in repository.models.items()}


def pipe(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True)
    os.mkfifo(path)


def a_circle(root: pathlib.Path) -> None:
    root.rename(root.with_name("away"))
    root.symlink_to(root)


def a_file(root: pathlib.Path) -> None:
    root.rename(root.with_name("away"))
    root.touch()


# What is done, and what the log says of it once; nothing, where it is no folder of models.
CHANGES = {
    "an empty folder with a number": (
        lambda root: (root / "7").mkdir(),
        "models/7' is ignored: it has no numbered versions",
    ),
    "a folder with a number and a broken model": (
        lambda root: shutil.copytree(root / "half" / "1", root / "7"),
        "models/7' is ignored: it has no numbered versions",
    ),
    "a folder without versions": (
        lambda root: (root / "notes").mkdir(),
        "models/notes' is ignored: it has no numbered versions",
    ),
    "a link to itself": (
        lambda root: (root / "loop").symlink_to("loop"),
        "models/loop' is ignored: the link leads nowhere",
    ),
    "a link to nothing": (
        lambda root: (root / "gone").symlink_to("nothing"),
        "models/gone' is ignored: the link leads nowhere",
    ),
    "links in a circle": (
        lambda root: [(root / a).symlink_to(b) for a, b in ("xy", "yx")],
        "models/x' is ignored: the link leads nowhere",
    ),
    "a name that is not UTF-8": (
        lambda root: (root / NOT_UTF8 / "1").mkdir(parents=True),
        "caf\\udce9' is ignored: its name is not UTF-8",
    ),
    "a version that is a link to itself": (
        lambda root: (root / "half" / "2").symlink_to("2"),
        "",
    ),
    "a version without files": (
        lambda root: (root / "half" / "2").mkdir(),
        "half: version 2 was not loaded: There is no file",
    ),
    "a version that is a pipe": (
        lambda root: pipe(root / "half" / "2" / "saved_model.pb"),
        "half: version 2 was not loaded: There is no file",
    ),
    "a version with a link to itself": (
        lambda root: [
            (root / "half" / "2").mkdir(),
            (root / "half" / "2" / "variables").symlink_to("variables"),
        ],
        "half: version 2 was not loaded: There is no file",
    ),
    "a version of another planet": (
        lambda root: (root / "half" / str(10**30)).mkdir(),
        "",
    ),
    "the folder is a link to itself": (
        a_circle,
        "the models cannot be looked up: There is no folder",
    ),
    "the folder is a file": (a_file, "the models cannot be looked up: There is no folder"),
    "the folder is gone": (
        lambda root: root.rename(root.with_name("away")),
        "the models cannot be looked up: There is no folder",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_served_stays_served(change, root, repository, saved, caplog) -> None:
    caplog.set_level(logging.INFO, "kerasnets")
    make, message = CHANGES[change]
    make(root)
    look_again(repository)
    assert versions(repository) == {"half": [1]}
    assert repository.find("half", None, None).version == 1
    assert repository.ready
    Metrics().page(repository.queued(), repository.served())
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == (len(set(said)) if message else 0)
    assert message in "".join(said)

    # And the next version comes in.
    if root.with_name("away").exists():
        root.unlink(missing_ok=True)
        root.with_name("away").rename(root)
    shutil.copytree(saved, root / "half" / "3")
    end = time.monotonic() + 30
    while versions(repository) != {"half": [3]}:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_version_that_another_takes_the_place_of_is_loaded_anew(root, repository, tmp_path):
    """Answers are the old one's until the new one is there, and while it is broken."""
    half, first = root / "half", weakref.ref(repository.find("half", 1, None))
    assert answer_of(repository) == 1
    shutil.copytree(half_plus(2.0, tmp_path / "1"), half / ".next")
    (half / "1").rename(half / ".before")
    (half / ".next").rename(half / "1")
    look_again(repository)
    assert answer_of(repository) == 2
    look_again(repository)
    assert first() is None
    (half / "1" / "saved_model.pb").write_bytes(b"broken")
    look_again(repository)
    assert answer_of(repository) == 2
    assert [status.state for status in repository.statuses("half", 1)] == [AVAILABLE]


def answer_of(repository: Repository) -> float:
    found = repository.find("half", None, None)._run("serving_default", {"x": np.float32([0])})
    return float(found["y"][0])


def test_a_version_that_has_left_is_freed(root, repository, saved):
    """Also one that was there at the start, whose memory the collector no longer looks through."""
    gc.freeze()
    try:
        first = weakref.ref(repository.find("half", 1, None))
        shutil.copytree(saved, root / "half" / "2")
        look_again(repository)
        look_again(repository)
        assert versions(repository) == {"half": [2]}
        assert first() is None
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_what_no_look_expects_does_not_end_the_watching(root, repository, caplog, monkeypatch):
    """One model's trouble is no other's, and is said once."""
    shutil.copytree(root / "half", root / "other")
    look_again(repository)
    assert versions(repository) == {"half": [1], "other": [1]}

    def broken(folder):
        if "half" in str(folder):
            raise RuntimeError("Symlink loop")
        return {1: pathlib.Path(folder, "1")}

    monkeypatch.setattr("kerasnets.serving.repository.numbered", broken)
    shutil.copytree(root / "other", root / "third")
    look_again(repository)
    look_again(repository)
    assert versions(repository)["half"] == versions(repository)["other"] == [1]
    assert caplog.text.count("the models cannot be looked up: Symlink loop") <= 1
    assert caplog.text.count("Symlink loop") == 1


@pytest.mark.parametrize(
    ("make", "served"),
    [
        (lambda root: None, {"half": [1]}),
        (lambda root: (root / "7").mkdir(), {"half": [1]}),
        (lambda root: shutil.move(root / "half", root / "2024"), {"2024": [1]}),
        (lambda root: (root / "loop").symlink_to("loop"), {"half": [1]}),
        (lambda root: shutil.copytree(root / "half", root / NOT_UTF8), {"half": [1]}),
        (lambda root: shutil.copytree(root / "half" / "1", root / "5"), {"models": [5]}),
    ],
)
def test_what_a_folder_holds_is_told_when_the_server_starts(make, served, root) -> None:
    make(root)
    repository = Repository(ServerConfig(), root)
    repository.start()
    assert versions(repository) == served
    repository.stop()


def test_a_model_without_a_version_is_not_ready(root):
    (root / "half" / "1" / "saved_model.pb").write_bytes(b"broken")
    repository = Repository(ServerConfig(), root)
    repository.start()
    assert not repository.ready
    repository.stop()


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ("latest { num_versions: 2 }", [2, 3]),
        ("all {}", [1, 2, 3]),
        ("specific { versions: 1 }", [1]),
    ],
)
def test_versions_are_those_of_the_policy(root, saved, tmp_path, policy, served):
    for number in ("2", "3"):
        shutil.copytree(saved, root / "half" / number)
    path = tmp_path / "models.config"
    path.write_text(
        'model_config_list { config { name: "half" base_path: "models/half" '
        f"model_version_policy {{ {policy} }} }} }}"
    )
    repository = Repository(ServerConfig(config=path), None)
    repository.start()
    assert versions(repository) == {"half": served}
    repository.stop()


def test_as_many_versions_of_a_folder_are_served_as_the_flag_says(root, saved):
    for number in ("2", "3"):
        shutil.copytree(saved, root / "half" / number)
    repository = Repository(ServerConfig(versions=2), root)
    repository.start()
    assert versions(repository) == {"half": [2, 3]}
    repository.stop()


def test_a_folder_that_is_a_link_to_itself_is_told(tmp_path) -> None:
    (tmp_path / "models").symlink_to("models")
    with pytest.raises(UserError, match="There is no folder '.*models'"):
        Repository(ServerConfig(), tmp_path / "models")
