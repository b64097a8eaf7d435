"""Hosts, origins and log lines, on an application that has nothing to do."""

import asyncio
import json
import logging

import pytest
from starlette.responses import PlainTextResponse

from kerasnets.serving.access import JsonFormatter, guarded
from kerasnets.serving.config import ServerConfig


def ask(config: ServerConfig, app=None, method: str = "GET", path: str = "/", **headers: str):
    """The status, the headers and the body of an answer."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": b"",
        "headers": [(key.encode(), value.encode("latin-1")) for key, value in headers.items()],
    }
    app = guarded(
        app or PlainTextResponse("fine"),
        config,
        lambda path: ("half", "2", "predict") if path.startswith("/v1/") else ("", "", ""),
    )
    asyncio.run(app(scope, receive, send))
    found = {key.decode(): value.decode() for key, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(each.get("body", b"") for each in sent)


@pytest.mark.parametrize(
    ("host", "options", "status"),
    [
        ("localhost", {}, 200),
        ("localhost:8501", {}, 200),
        ("LOCALHOST.", {}, 200),
        ("127.0.0.1:8501", {}, 200),
        ("[::1]:8501", {}, 200),
        ("192.168.1.7", {"host": "0.0.0.0"}, 200),
        ("models.example", {}, 403),
        ("models.example:8501", {}, 403),
        ("localhost.models.example", {}, 403),
        ("127.0.0.1.models.example", {}, 403),
        ("[::1", {}, 403),
        ("x@localhost@models.example", {}, 403),
        ("models.example", {"host": "models.example"}, 200),
        ("Models.example:80", {"allowed_hosts": ("models.example",)}, 200),
        ("other.example", {"allowed_hosts": ("models.example",)}, 403),
        ("other.example", {"allowed_hosts": ("*",)}, 200),
    ],
)
def test_hosts(host, options, status):
    found, _, body = ask(ServerConfig(**options), host=host)
    assert found == status
    if status == 403:
        assert f"The host {host!r} is not served here: --allowed-hosts" in json.loads(body)["error"]


def test_a_client_that_names_no_host_is_no_browser():
    assert ask(ServerConfig())[0] == 200


@pytest.mark.parametrize(
    ("origin", "cors", "status"),
    [
        ("http://localhost:8501", (), 200),
        ("http://localhost:3000", (), 403),
        ("https://models.example", (), 403),
        ("null", (), 403),
        ("http://[", (), 403),
        ("https://models.example", ("https://models.example",), 200),
        ("https://other.example", ("https://models.example",), 403),
        ("https://other.example", ("*",), 200),
    ],
)
def test_origins(origin, cors, status):
    config = ServerConfig(cors=cors)
    found, headers, body = ask(config, method="POST", host="localhost:8501", origin=origin)
    assert found == status
    allowed = headers.get("access-control-allow-origin")
    assert allowed == ((cors[0] if "*" in cors else origin) if cors and status == 200 else None)
    if status == 403:
        assert "--cors adds origins" in json.loads(body)["error"]


def test_a_preflight_is_answered_for_the_origins_that_may_ask():
    config = ServerConfig(cors=("https://models.example",))
    asked = {"access-control-request-method": "POST", "host": "localhost"}
    for origin, status in (("https://models.example", 200), ("https://other.example", 400)):
        found, headers, _ = ask(config, method="OPTIONS", origin=origin, **asked)
        assert found == status
        assert ("access-control-allow-origin" in headers) == (status == 200)


async def failing(scope, receive, send):
    raise RuntimeError("a fault")


@pytest.mark.parametrize(
    ("path", "options", "level", "words"),
    [
        ("/", {}, "INFO", "GET / 200 # ms"),
        ("/v1/models/half:predict", {}, "INFO", "GET /v1/models/half:predict 200 # ms half 2"),
        ("/", {"host": "x.example"}, "WARNING", "GET / 403 # ms"),
        ("/\x1b[2J", {}, "INFO", r"GET /\x1b[2J 200 # ms"),
    ],
)
def test_each_request_is_a_line_of_the_log(caplog, path, options, level, words):
    caplog.set_level("INFO", "kerasnets.access")
    ask(ServerConfig(), path=path, **options)
    (record,) = caplog.records
    assert record.levelname == level
    start, end = words.split("#")
    assert record.getMessage().startswith(start)
    assert record.getMessage().endswith(end)


def test_what_fails_is_in_the_log_too(caplog):
    with pytest.raises(RuntimeError, match="a fault"):
        ask(ServerConfig(), failing)
    assert [record.fields["status"] for record in caplog.records] == [500]


def test_a_line_of_json(caplog):
    caplog.set_level("INFO", "kerasnets.access")
    ask(ServerConfig(), path="/v1/models/half:predict")
    line = json.loads(JsonFormatter().format(caplog.records[0]))
    assert set(line) == {
        *("time", "level", "message"),
        *("method", "path", "status", "ms", "model", "version"),
    }
    assert line["level"] == "info"
    assert (line["method"], line["status"], line["model"], line["version"]) == (
        "GET", 200, "half", "2",
    )  # fmt: skip
    plain = logging.LogRecord("kerasnets", logging.WARNING, "", 0, "%s is gone", ("v1",), None)
    assert json.loads(JsonFormatter().format(plain))["message"] == "v1 is gone"
