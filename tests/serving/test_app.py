"""The HTTP application without a process of its own."""

import asyncio
import types

from fastapi import Request
from starlette.requests import ClientDisconnect

from kerasnets.serving import ServerConfig
from kerasnets.serving.app import create_app, while_connected


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


def test_a_client_that_goes_while_it_sends_is_counted():
    models = {"half": types.SimpleNamespace(label=lambda version: "stable")}
    repository = types.SimpleNamespace(
        models=models,
        queued=lambda: {"half": 0},
        served=lambda: {("half", "1", "stable")},
        find=lambda *asked: types.SimpleNamespace(version=1),
    )
    app = create_app(repository, ServerConfig())
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
