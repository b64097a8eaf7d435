"""The HTTP application without a process of its own."""

import asyncio
import types

import uvicorn
from starlette.requests import Request

from kerasnets.serving import app
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.metrics import Metrics
from kerasnets.serving.protocol import Protocol


def test_a_client_that_goes_while_it_sends_is_counted():
    messages = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive():
        return next(messages)

    api = types.SimpleNamespace(model_and_method=lambda _: ("half", "predict"))
    metrics = Metrics()
    path = b"/v1/models/half:predict"
    scope = {"type": "http", "method": "POST", "raw_path": path, "headers": []}
    endpoint = app._rest_endpoint(api, metrics, ServerConfig())
    assert asyncio.run(endpoint(Request(scope, receive))).status_code == 499
    assert 'request_count{model_name="half",status="CANCELLED"} 1' in metrics.page({})


async def answer(scope, receive, send):
    """The smallest application."""
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def test_as_many_connections_are_answered_as_the_flag_says():
    async def codes() -> list[bytes]:
        config = app._uvicorn_config(answer, ServerConfig(max_connections=2))
        config.load()
        state = uvicorn.server.ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: Protocol(config, state, {}), "127.0.0.1", 0
        )
        found, writers = [], []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            found.append((await asyncio.wait_for(reader.readline(), 10)).split()[1])
            writers.append(writer)
        for writer in writers:
            writer.close()
        server.close()
        return found

    assert asyncio.run(codes()) == [b"200", b"200", b"503"]
