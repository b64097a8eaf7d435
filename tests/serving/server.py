"""A real server process with real SavedModels, asked by Python's own HTTP client."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.client
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.conftest import ROOT

MODELS = """
model_config_list {
  config {
    name: "half"
    base_path: "half"
    model_platform: "tensorflow"
    model_version_policy { latest { num_versions: 2 } }
    version_labels { key: "stable" value: 1 }
    version_labels { key: "gone" value: 7 }
  }
  config { name: "lenet" base_path: "lenet" model_platform: "tensorflow" }
  config { name: "changing" base_path: "changing" model_platform: "tensorflow" }
}
"""


@dataclasses.dataclass
class Server:
    """A running ``kerasnets serve``."""

    process: subprocess.Popen
    port: int
    folder: pathlib.Path
    log: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method: str, path: str, body: object = None, headers: dict | None = None):
        """The code and the JSON of an answer."""
        if not isinstance(body, bytes | None):
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            assert answer.headers["Content-Type"] == "application/json"
            text = answer.read().decode()
        if answer.status != 200:
            assert "\n" not in text
            assert list(json.loads(text)) == ["error"]
        return answer.status, json.loads(text)

    def get(self, path: str) -> tuple[int, str]:
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@contextlib.contextmanager
def serving(*arguments: object) -> Iterator[Server]:
    """``kerasnets serve`` on a free port until the block ends; Ctrl-C must end it cleanly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kerasnets.cli.main", "serve", "--port", "0", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    log: list[str] = []
    started = threading.Event()

    def read() -> None:
        for line in process.stderr:
            log.append(line)
            if "serving " in line and " on http://" in line:
                started.set()
        started.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert started.wait(300)
        found = re.search(r"on http://127\.0\.0\.1:(\d+)", "".join(log))
        assert found, "".join(log)
        yield Server(process, int(found[1]), pathlib.Path(), log)
        assert process.poll() is None, "".join(log)
        process.send_signal(signal.SIGINT)
        # A shell that started the tests in the background had Ctrl-C ignored.
        assert process.wait(60) in (130, 0)
        assert "Traceback" not in "".join(log)
    finally:
        process.kill()
        reader.join()
        process.stderr.close()


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory) -> pathlib.Path:
    """Two versions of one model, a kerasnets export, and a model that tests add versions to."""
    import kerasnets
    from kerasnets.export import export
    from tests.serving.saved_models import half_plus

    folder = tmp_path_factory.mktemp("models")
    for version in (1, 2):
        half_plus(1.0 + version, folder / "half" / str(version))
    half_plus(0.0, folder / "changing" / "1")
    network = kerasnets.build("lenet5_modern", classifier_activation=None)
    names = tuple(f"digit {number}" for number in range(10))
    export(network, kerasnets.info("lenet5_modern").preprocessing, names, folder / "lenet")
    (folder / "models.config").write_text(MODELS)
    return folder


@pytest.fixture(scope="session")
def server(models_folder) -> Iterator[Server]:
    config = models_folder / "models.config"
    limits = ("--max-body-mb", 2, "--max-pixels", 4_000_000, "--max-queue", 200)
    with serving("--config", config, *limits, "--poll-s", 0.2, "--timeout-s", 20) as running:
        running.folder = models_folder
        yield running


def image_bytes(
    size: tuple[int, int] = (30, 20), colour: tuple[int, int, int] = (200, 30, 90), kind="JPEG"
) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}
