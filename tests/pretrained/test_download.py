"""Downloads, by the real libraries, from a server of this machine's own."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import hashlib
import http.server
import os
import pathlib
import subprocess
import sys
import threading

import filelock
import numpy as np
import pytest

import kerasnets
from kerasnets import UserError, registry
from kerasnets.pretrained.download import download, parse_hub
from kerasnets.weights import save_weights

ROOT = pathlib.Path(__file__).parent.parent.parent
CONTENT = bytes(range(256)) * 100
COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVE = "/me/mine/resolve/main"


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()[:8]}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from the server's ``pages``, as a plain server and as the hub do."""

    def do_HEAD(self) -> bytes:
        self.server.asked.append(f"{self.command} {self.path}")
        content, kind = self.server.pages.get(self.path, (b"", "missing"))
        if kind == "missing":
            known = self.path.startswith(RESOLVE)
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
            self.send_header("Content-Length", "0")
        else:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        return content

    def do_GET(self) -> None:
        self.wfile.write(self.do_HEAD())

    def log_message(self, *arguments: object) -> None:
        """Keeps the tests' output clean."""


@pytest.fixture
def server():
    """A server; ``pages`` from paths to contents and kinds, ``asked`` for what it was asked."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.pages, server.asked = {}, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> pathlib.Path:
    """Where Keras keeps its downloads; it reads KERAS_HOME once, when it is imported."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path / "keras"))
    folder = tmp_path / "keras" / "models"
    folder.mkdir(parents=True)
    return folder


def test_a_file_is_downloaded_once(server, cache):
    server.pages["/weights.h5"] = (CONTENT, "application/octet-stream")
    for checksum in (sha256(CONTENT), f"md5:{hashlib.md5(CONTENT).hexdigest()}", ""):
        path = download(f"{server.url}/weights.h5", checksum)
        assert path == cache / "weights.h5"
        assert path.read_bytes() == CONTENT
    assert server.asked == ["GET /weights.h5"]


def test_two_processes_do_not_download_one_file_at_once(server, cache):
    """The lock, held here as another process would, is waited for."""
    server.pages["/weights.h5"] = (CONTENT, "application/octet-stream")
    (cache.parent / "locks").mkdir()
    lock = filelock.FileLock(cache.parent / "locks" / "weights.h5.lock")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with lock:
            download_here = pool.submit(download, f"{server.url}/weights.h5")
            with pytest.raises(TimeoutError):
                download_here.result(0.3)
            assert server.asked == []
        assert download_here.result(60).read_bytes() == CONTENT


def test_a_folder_for_locks_that_cannot_be_made_stops_nothing(server, cache):
    server.pages["/weights.h5"] = (CONTENT, "application/octet-stream")
    (cache.parent / "locks").touch()
    assert download(f"{server.url}/weights.h5").read_bytes() == CONTENT


def test_what_is_left_of_a_killed_download_is_fetched_anew(server, cache):
    server.pages["/weights.h5"] = (CONTENT, "application/octet-stream")
    (cache / "weights.h5").write_bytes(CONTENT[:1000])
    path = download(f"{server.url}/weights.h5", sha256(CONTENT))
    assert path.read_bytes() == CONTENT


def test_what_a_killed_download_leaves_is_not_taken_for_the_file(server, cache):
    """Of a file whose checksum nobody has published, too."""
    server.pages["/weights.h5"] = (CONTENT, "application/octet-stream")
    (cache / ".partial-weights.h5").write_bytes(CONTENT[:1000])
    assert download(f"{server.url}/weights.h5").read_bytes() == CONTENT
    assert [each.name for each in cache.iterdir()] == ["weights.h5"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (CONTENT[:-1] + b"!", "a file of 25,600 bytes"),
        (b"\n<!DOCTYPE html><p>Log in", "a web page"),
    ],
)
def test_another_file_than_the_published_one_is_refused(server, cache, content, found):
    server.pages["/weights.h5"] = (content, "text/html")
    with pytest.raises(UserError, match=f"its checksum is not sha256:.*Found {found}"):
        download(f"{server.url}/weights.h5", sha256(CONTENT))
    assert not list(cache.iterdir())


def test_addresses_that_do_not_answer(server, cache):
    with pytest.raises(
        UserError, match=r"weights.h5' was not downloaded: URL fetch.*404"
    ) as failure:
        download(f"{server.url}/weights.h5")
    assert "\n" not in str(failure.value)
    with pytest.raises(UserError, match="was not downloaded: .*refused"):
        download("http://127.0.0.1:9/weights.h5")
    assert not list(cache.iterdir())


def test_a_pickle_is_not_downloaded_where_nothing_can_read_it(server, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs torch: pip install 'kerasnets\[torch\]'"):
        download(f"{server.url}/resnet18.pth")
    assert server.asked == []


def test_a_network_loads_from_its_published_source(server, cache, tmp_path, monkeypatch):
    trained = kerasnets.build("resnet20_cifar")
    save_weights(trained, tmp_path / "own.safetensors")
    content = (tmp_path / "own.safetensors").read_bytes()
    server.pages["/resnet20-own.safetensors"] = (content, "application/octet-stream")
    entry = registry.registration("resnet20_cifar")
    row = dataclasses.replace(
        entry.info.weights[0],
        location=f"{server.url}/resnet20-own.safetensors",
        checksum=sha256(content),
        preprocessing=dataclasses.replace(entry.info.preprocessing, mean=(0.5,) * 3),
    )
    monkeypatch.setitem(registry._WEIGHTS, "resnet20_cifar", (row,))
    loaded = kerasnets.build("resnet20_cifar", weights="akamaster")
    for ours, theirs in zip(loaded.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert kerasnets.preprocessing(loaded).mean == (0.5,) * 3


def test_locations_on_the_hub():
    assert parse_hub("hf:me/mine") == ("me/mine", None, None)
    assert parse_hub("hf:me/mine@v1/a/b.pth") == ("me/mine", "v1", "a/b.pth")
    assert parse_hub("hf:timm/resnet18.a1_in1k@main") == ("timm/resnet18.a1_in1k", "main", None)
    for wrong in ("hf:", "hf:mine", "hf:me/mine@", "hf:me/mine/", "hf:me/mine@a@b"):
        with pytest.raises(UserError, match="hf:OWNER/REPO"):
            parse_hub(wrong)


@pytest.fixture
def from_hub(server, tmp_path):
    """Downloads in a process of its own: huggingface_hub reads its switches when imported."""

    def run(location: str, **switches: str) -> str:
        code = (
            "import sys; from kerasnets import UserError\n"
            "from kerasnets.pretrained.download import download\n"
            "try: print(download(sys.argv[1]))\n"
            "except UserError as error: print('refused:', error)"
        )
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": server.url,
            "HF_HOME": str(tmp_path / "hf"),
            **switches,
        }
        environment.pop("HF_TOKEN", None)
        result = subprocess.run(
            [sys.executable, "-c", code, location],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return result.stdout.strip()

    return run


def test_a_file_of_the_hub_is_kept_for_when_there_is_no_network(server, from_hub, tmp_path):
    server.pages[f"{RESOLVE}/model.safetensors"] = (CONTENT, "application/octet-stream")
    path = from_hub("hf:me/mine")
    assert pathlib.Path(path).read_bytes() == CONTENT
    assert COMMIT in path
    assert path.startswith(str(tmp_path / "hf"))
    before = len(server.asked)
    assert from_hub("hf:me/mine", HF_HUB_OFFLINE="1") == path
    assert len(server.asked) == before
    server.shutdown()
    server.server_close()
    assert from_hub("hf:me/mine/model.safetensors") == path


def test_the_usual_files_are_looked_for_in_a_repository(server, from_hub):
    server.pages[f"{RESOLVE}/weights.safetensors"] = (CONTENT, "application/octet-stream")
    path = from_hub("hf:me/mine")
    assert path.endswith("/weights.safetensors")
    assert from_hub("hf:me/mine", HF_HUB_OFFLINE="1") == path
    assert from_hub("hf:me/mine/other.h5").startswith(
        "refused: 'hf:me/mine/other.h5' was not downloaded: it has no file other.h5"
    )


def test_what_the_hub_has_not(server, from_hub):
    assert "the hub has no repository me/yours" in from_hub("hf:me/yours")
    assert "cannot be reached, and no earlier" in from_hub("hf:me/mine", HF_HUB_OFFLINE="1")
    for location in ("hf:me/mi..ne", "hf:me/mine@-"):
        found = from_hub(location)
        assert found.startswith("refused: ")
        assert "\n" not in found
