import asyncio

import pytest
import uvicorn

from kerasnets.serving import protocol


async def answer(scope, receive, send):
    """The smallest application."""
    await receive()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def talk(*requests: bytes) -> list[bytes]:
    """What comes back for each of the requests on one connection; b"" where it was closed."""

    async def run() -> list[bytes]:
        config = uvicorn.Config(answer, http=protocol.Protocol, lifespan="off", log_level="error")
        config.load()
        state = uvicorn.server.ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: protocol.Protocol(config, state, {}), "127.0.0.1", 0
        )
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        received = []
        for request in requests:
            writer.write(request)
            try:
                received.append(await asyncio.wait_for(reader.read(65536), 10))
            except ConnectionResetError:
                received.append(b"")
        writer.close()
        server.close()
        return received

    return asyncio.run(run())


WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("start", [b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nA: b"])
def test_a_head_that_does_not_end_is_given_up(start):
    assert talk(start) == [b""]
    first, second = talk(WHOLE, start or b"\r\n")
    assert first.startswith(b"HTTP/1.1 200")
    assert second == b""


def test_a_head_without_end_is_refused():
    (received,) = talk(b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 2 * protocol.MAX_HEAD)
    assert received == b""


@pytest.mark.usefixtures("impatient")
def test_a_slow_body_is_not_the_heads_fault():
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    first, second = talk(WHOLE + head, b"body")
    assert first.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 200" in first + second
