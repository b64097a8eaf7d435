"""The HTTP application without a process of its own."""

import asyncio
import json
import socket
import types

from fastapi import Request
from starlette.requests import ClientDisconnect

from kerasnets.serving import ServerConfig
from kerasnets.serving.app import create_app, while_connected
from kerasnets.serving.rest import RestApi
from tests.serving.server import serving


async def ask(app, method: str, path: str, *messages: dict) -> tuple[int, bytes]:
    """The code and the body of an answer to what comes from the client."""
    arriving, sent = iter(messages), []

    async def receive():
        return next(arriving)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
    await app({**scope, "headers": [], "query_string": b""}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def stand_in() -> types.SimpleNamespace:
    """A repository of one model."""
    return types.SimpleNamespace(
        models={"half": types.SimpleNamespace(label=lambda version: "stable")},
        queued=lambda: {"half": 0},
        served=lambda: {("half", "1", "stable")},
        find=lambda *asked: types.SimpleNamespace(version=1),
    )


def test_what_no_one_expected_is_answered_and_counted(caplog, monkeypatch):
    """A SavedModel of others can make anything be raised."""

    async def answer(*asked):
        raise ValueError("y has the shape (3,) for a batch of 2")

    monkeypatch.setattr(RestApi, "answer", answer)
    app = create_app(stand_in(), ServerConfig())
    body = {"type": "http.request", "body": b'{"instances": [1.0]}'}

    async def run() -> tuple[int, bytes, bytes]:
        code, answer = await ask(app, "POST", "/v1/models/half:predict", body)
        _, page = await ask(app, "GET", "/monitoring/prometheus/metrics", body)
        return code, answer, page

    code, answer, page = asyncio.run(run())
    assert (code, json.loads(answer)) == (500, {"error": "Internal error: ValueError"})
    labels = 'label="stable",model_name="half",status="INTERNAL",version="1"'
    assert f"request_count{{{labels}}} 1" in page.decode()
    assert "for a batch of 2" in caplog.text


def test_an_answer_that_takes_too_long_is_504(monkeypatch):
    async def answer(*asked):
        await asyncio.sleep(30)

    monkeypatch.setattr(RestApi, "answer", answer)
    app, sent = create_app(stand_in(), ServerConfig(timeout_s=0.05)), []
    body = [{"type": "http.request", "body": b'{"inputs": [1]}'}]

    async def receive():
        if not body:
            await asyncio.sleep(30)
        return body.pop()

    async def send(message):
        sent.append(message)

    path = "/v1/models/half:predict"
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode()}
    asyncio.run(app({**scope, "headers": [], "query_string": b""}, receive, send))
    assert sent[0]["status"] == 504


def test_a_request_of_too_many_arrays_is_refused(monkeypatch):
    monkeypatch.setattr("kerasnets.serving.rest.MAX_ARRAYS", 3)
    app = create_app(stand_in(), ServerConfig())
    body = {"type": "http.request", "body": b'{"instances": [[[]]]}'}
    code, answer = asyncio.run(ask(app, "POST", "/v1/models/half:predict", body))
    assert code == 400
    assert b"A request has at most 3 arrays and objects." in answer


def test_a_model_without_a_version_is_not_ready():
    repository = stand_in()
    for ready, expected in ((True, 200), (False, 503)):
        repository.ready = ready
        app = create_app(repository, ServerConfig())
        assert asyncio.run(ask(app, "GET", "/readyz"))[0] == expected


def test_every_line_of_a_log_in_json_is_one(models_folder):
    """What uvicorn says of a connection, too."""
    with serving(models_folder / "half", "--log-format", "json") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"x\r\n\r\n")
            assert b"400 Bad Request" in connection.recv(1000)
        assert server.get("/healthz")[0] == 200
    lines = [line for line in server.log if line.startswith("{")]
    assert [json.loads(line)["message"] for line in lines if "Invalid" in line]
    # Before the server there is the command line, and behind it too.
    first, last = server.log.index(lines[0]), server.log.index(lines[-1])
    assert server.log[first : last + 1] == lines


def test_a_client_that_goes_while_it_sends_is_counted():
    app = create_app(stand_in(), ServerConfig())
    begun = {"type": "http.request", "body": b"{", "more_body": True}
    gone = {"type": "http.disconnect"}

    async def run() -> bytes:
        code, _ = await ask(app, "POST", "/v1/models/half:predict", begun, gone)
        assert code == 499
        code, page = await ask(app, "GET", "/monitoring/prometheus/metrics", gone)
        assert code == 200
        return page

    page = asyncio.run(run()).decode()
    labels = 'label="stable",model_name="half",status="CANCELLED",version="1"'
    assert f"request_count{{{labels}}} 1" in page


def test_work_for_a_client_that_has_gone_is_given_up():
    async def ended(gone_after: float, work_s: float) -> str:
        async def receive() -> dict:
            await asyncio.sleep(gone_after)
            return {"type": "http.disconnect"}

        async def work() -> bytes:
            try:
                await asyncio.sleep(work_s)
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise
            return b"an answer"

        ends: list[str] = []
        request = Request({"type": "http"}, receive)
        try:
            return (await while_connected(request, work())).decode()
        except ClientDisconnect:
            await asyncio.sleep(0)
            return " ".join(ends)

    assert asyncio.run(ended(gone_after=30, work_s=0.01)) == "an answer"
    assert asyncio.run(ended(gone_after=0.01, work_s=30)) == "cancelled"
