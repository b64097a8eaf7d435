"""What the image of the embedded server holds, and that no more is needed."""

import json
import os
import pathlib
import re
import subprocess
import tarfile
import urllib.request
import venv
from importlib import metadata

import pytest

from kerasnets import UserError
from kerasnets.cli.main import parse
from kerasnets.deployment import image
from tests.serving.server import image_bytes


def test_the_libraries_have_the_versions_of_this_environment():
    pins = dict(line.split("==") for line in image.requirements())
    assert list(pins) == sorted(pins)
    assert {"tensorflow", "starlette", "protobuf"} < pins.keys()
    assert all(metadata.version(name) == version for name, version in pins.items())


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(image, "LIBRARIES", ("numpy", "no-such-library"))
    with pytest.raises(UserError, match=r"no-such-library is not: pip install 'kerasnets\[serving"):
        image.requirements()


def test_the_package_is_the_same_each_time(tmp_path):
    for name in ("1.tar.gz", "2.tar.gz"):
        image.write_package(tmp_path / name)
    assert (tmp_path / "1.tar.gz").read_bytes() == (tmp_path / "2.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "1.tar.gz") as archive:
        names = archive.getnames()
        # Another checkout of the same files has other times and another owner.
        assert {(each.mtime, each.uid, each.uname) for each in archive} == {(0, 0, "")}
    assert {"kerasnets/__init__.py", "kerasnets/serving/description/docs.html"} < set(names)
    assert not [name for name in names if "__pycache__" in name]


def environment(folder: pathlib.Path, requirements: str) -> pathlib.Path:
    """Python in an environment that has these libraries alone, linked to where they are."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "google").mkdir()
    for line in requirements.split():
        library = metadata.distribution(line.partition("==")[0])
        for parts in {file.parts for file in library.files or () if file.parts[0] != ".."}:
            # Several libraries share the one name.
            place = pathlib.Path(*parts[: 2 if parts[0] == "google" else 1])
            if not (site / place).exists():
                (site / place).symlink_to(library.locate_file(place))
    return folder / "bin" / "python"


@pytest.mark.slow
def test_the_server_runs_with_what_the_image_holds(models_folder, tmp_path):
    to = tmp_path / "deployed"
    models = [str(models_folder / name) for name in ("half", "lenet")]
    parse(["deploy", *models, "--to", str(to), "--server", "embedded"]).run()
    with tarfile.open(to / "kerasnets.tar.gz") as archive:
        archive.extractall(tmp_path / "app", filter="data")
    python = environment(tmp_path / "environment", (to / "requirements.txt").read_text())
    text = (to / "models.config").read_text().replace("/models/", f"{models_folder}/")
    (tmp_path / "models.config").write_text(text)
    lines = (to / "Dockerfile").read_text()
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)", lines, re.M)[1])
    command = [python, *entry[1:-1], "--port=0", f"--config={tmp_path}/models.config"]
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "app"), "HOME": "/tmp"}
    with subprocess.Popen(command, env=clean, stderr=subprocess.PIPE, text=True) as server:
        try:
            lines = iter(server.stderr.readline, "")
            serving = next(line for line in lines if line.startswith("serving half, lenet"))
            url = re.search(r"http://\S+", serving)[0]
            assert ask(f"{url}/readyz") == b"ok\n"
            assert ask(f"{url}/docs").startswith(b"<!doctype html>")
            found = ask(f"{url}/v1/models/lenet/labels/stable:predict", image_bytes())
            assert len(json.loads(found)["predictions"]) == 1
            # Of more values than the server's own process reads.
            body = json.dumps({"inputs": [0.5] * 1000, "more": [[]] * 9000}).encode()
            assert len(json.loads(ask(f"{url}/v1/models/half:predict", body))["outputs"]) == 1000
        finally:
            server.terminate()


def ask(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, body, timeout=60) as answer:
        return answer.read()
