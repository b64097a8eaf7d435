"""The HTTP application without a process of its own."""

import asyncio
import types

from kerasnets.serving import ServerConfig
from kerasnets.serving.app import create_app


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
    models = {"half": types.SimpleNamespace(loaded={})}
    repository = types.SimpleNamespace(
        models=models,
        queued=lambda: {"half": 0},
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
    assert 'request_count{model_name="half",status="CANCELLED"} 1' in page
