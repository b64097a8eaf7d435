"""A stand-in for the Hugging Face hub, on this machine: what its client asks for, as it answers."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator

import pytest

TOKEN = "hf_stand_in"
LICENCES = ("apache-2.0", "mit", "cc-by-4.0", "other")


class Handler(http.server.BaseHTTPRequestHandler):
    """Keeps files by repository in the server's ``repositories``."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        if path == "/api/validate-yaml":
            self.validate(json.loads(content)["content"])
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refuse(401, "Invalid credentials in Authorization header")
        elif path == "/api/repos/create":
            self.create(json.loads(content))
        elif found := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
            self.preupload(found[1], json.loads(content))
        elif re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            self.batch(json.loads(content))
        elif found := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            self.commit(found[1], content)
        else:
            self.refuse(404, f"POST {path}")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.large[self.path.rpartition("/")[2]] = content
        self.answer({})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            files = self.server.repositories.get(found[1])
            if files is None:
                self.refuse(404, "Repository not found", code="RepoNotFound")
            elif found[2] == "tree":
                self.answer([described(name, data) for name, data in files.items()])
            else:
                self.answer({"id": found[1], "sha": commit_of(files), "siblings": []})
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self.file(*found.groups())
        else:
            self.refuse(404, f"GET {path}")

    def validate(self, card: str) -> None:
        licence = re.search(r"^license: (.+)$", card, re.M)
        if licence and licence[1] in LICENCES:
            self.answer({"errors": [], "warnings": []})
        else:
            self.answer({"errors": ["license"]}, 400, b'"license" must be one of [apache-2.0, ...]')

    def create(self, asked: dict) -> None:
        repository = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] == "others":
            self.refuse(403, "You don't have the rights to create a model under this namespace")
        elif repository in self.server.repositories:
            self.answer({"url": f"{self.server.url}/{repository}"}, 409)
        else:
            self.server.repositories[repository] = {}
            self.answer({"url": f"{self.server.url}/{repository}"})

    def preupload(self, repository: str, asked: dict) -> None:
        large = (".safetensors", ".tflite", ".pb", ".data-00000-of-00001")
        self.answer({
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(large) else "regular",
                    "shouldIgnore": False,
                }
                for file in asked["files"]
            ]
        })  # fmt: skip

    def batch(self, asked: dict) -> None:
        self.answer({
            "transfer": "basic",
            "objects": [
                {**each, "actions": {"upload": {"href": f"{self.server.url}/lfs/{each['oid']}"}}}
                for each in asked["objects"]
            ],
        })  # fmt: skip

    def commit(self, repository: str, content: bytes) -> None:
        files = self.server.repositories[repository]
        for line in content.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "deletedFile":
                del files[value["path"]]
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
        url = f"{self.server.url}/{repository}/commit/{commit_of(files)}"
        self.answer({"success": True, "commitUrl": url, "commitOid": commit_of(files)})

    def file(self, repository: str, name: str) -> None:
        files = self.server.repositories.get(repository)
        if files is None:
            self.refuse(404, "Repository not found", code="RepoNotFound")
        elif name not in files:
            self.refuse(404, "Entry not found", code="EntryNotFound")
        else:
            self.answer(None, content=files[name], headers={
                "ETag": f'"{hashlib.sha256(files[name]).hexdigest()}"',
                "X-Repo-Commit": commit_of(files),
            })  # fmt: skip

    def answer(
        self, value: object, status: int = 200, content: bytes | None = None, headers=()
    ) -> None:
        content = json.dumps(value).encode() if content is None else content
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, text in dict(headers).items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status: int, message: str, code: str = "") -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
        self.answer({"error": message}, status, headers=headers)

    def log_message(self, *arguments: object) -> None:
        """Keeps the tests' output clean."""


def commit_of(files: dict[str, bytes]) -> str:
    """A commit by its content."""
    return hashlib.sha1(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()


def described(name: str, data: bytes) -> dict:
    """A file as the hub lists it."""
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return {"type": "file", "path": name, "size": len(data), "oid": oid}


def environment(hub: http.server.ThreadingHTTPServer, home: object) -> dict[str, str]:
    """What makes the stand-in the hub of a process that keeps its downloads in a folder."""
    return {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "HF_TOKEN": TOKEN,
        # Its own protocol for large files has servers of its own.
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


@pytest.fixture(scope="module")
def hub() -> Iterator[http.server.ThreadingHTTPServer]:
    """The stand-in; ``repositories`` holds the files by repository, ``url`` is its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.repositories, server.large = {}, {}
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
