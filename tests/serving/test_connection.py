"""Limits on connections, with the server's own uvicorn and the smallest application."""

import asyncio
import contextlib
import socket

import pytest
import uvicorn

from kerasnets.serving import ServerConfig, connection
from kerasnets.serving.app import uvicorn_config

WHOLE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answer(scope, receive, send):
    """The smallest application."""
    if scope["type"] != "http":
        return
    await receive()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def running(**config):
    """The address of a server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn_config(answer, ServerConfig(**config)))
        serving = asyncio.create_task(server.serve([listener]))
        yield listener.getsockname()
        server.should_exit = True
        await serving


def talk(*requests: bytes, timeout_s: float = 30) -> list[bytes]:
    """What comes back for each of the requests on one connection; b"" where it was closed."""

    async def run() -> list[bytes]:
        async with running(timeout_s=timeout_s) as address:
            reader, writer = await asyncio.open_connection(*address)
            received = []
            for request in requests:
                writer.write(request)
                try:
                    received.append(await asyncio.wait_for(reader.read(65536), 10))
                except ConnectionResetError:
                    received.append(b"")
            writer.close()
            return received

    return asyncio.run(run())


@pytest.mark.parametrize(
    "start", [b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b"]
)
def test_a_head_that_does_not_end_is_given_up_after_the_timeout(start):
    assert talk(start, timeout_s=0.2) == [b""]
    first, second = talk(WHOLE, start or b"\r\n", timeout_s=1)
    assert first.startswith(b"HTTP/1.1 200")
    assert second == b""


def test_an_idle_connection_is_given_up_later(monkeypatch):
    """Also one whose next head came in part with the request before it."""
    monkeypatch.setattr(connection, "KEEP_ALIVE_S", 0.5)
    for end in (b"", b"GET / HT"):
        first, second = talk(WHOLE + end, b"", timeout_s=1)
        assert first.startswith(b"HTTP/1.1 200")
        assert second == b""


def test_a_connection_outlives_the_timeout_between_requests():
    async def run() -> bytes:
        async with running(timeout_s=0.2) as address:
            reader, writer = await asyncio.open_connection(*address)
            for _ in range(2):
                writer.write(WHOLE)
                received = await asyncio.wait_for(reader.read(65536), 10)
                await asyncio.sleep(0.5)
            writer.close()
            return received

    assert asyncio.run(run()).startswith(b"HTTP/1.1 200")


def test_a_head_without_end_is_refused():
    (received,) = talk(b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 2 * connection.MAX_HEAD)
    assert received == b""


def test_a_body_may_be_larger_than_a_head():
    size = 8 * connection.MAX_HEAD
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size
    (received,) = talk(head + b"b" * size)
    assert received.startswith(b"HTTP/1.1 200")


def test_a_slow_body_is_not_the_heads_fault():
    async def run() -> bytes:
        async with running(timeout_s=0.2) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n")
            await asyncio.sleep(0.6)
            writer.write(b"body")
            received = await asyncio.wait_for(reader.read(65536), 10)
            writer.close()
            return received

    assert asyncio.run(run()).startswith(b"HTTP/1.1 200")


def test_as_many_connections_are_answered_as_the_flag_says():
    async def codes() -> list[bytes]:
        async with running(max_connections=2) as address:
            found, writers = [], []
            for _ in range(3):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(WHOLE)
                found.append((await asyncio.wait_for(reader.readline(), 10)).split()[1])
                writers.append(writer)
            for writer in writers:
                writer.close()
            return found

    assert asyncio.run(codes()) == [b"200", b"200", b"503"]


@pytest.mark.parametrize(("count", "answered"), [(20, True), (5_000, False)])
def test_a_client_may_send_some_requests_before_it_reads(count, answered):
    async def run() -> int:
        async with running() as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(WHOLE * count)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while received.count(b"ok") < count and (more := await reader.read(65536)):
                    received += more
            writer.close()
            return received.count(b"ok")

    assert (asyncio.run(run()) == count) is answered


def test_a_client_that_does_not_read_is_given_up_after_the_timeout(monkeypatch):
    async def much(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x" * 2**24})

    monkeypatch.setitem(globals(), "answer", much)

    async def run() -> int:
        async with running(timeout_s=0.5) as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(WHOLE)
            writer.transport.pause_reading()
            await asyncio.sleep(1)
            writer.transport.resume_reading()
            received = 0
            with contextlib.suppress(ConnectionResetError):
                while more := await reader.read(65536):
                    received += len(more)
            writer.close()
            return received

    assert asyncio.run(run()) < 2**24


def test_what_is_no_http_is_refused_with_the_headers_of_all_answers():
    (received,) = talk(b"GET / NONSENSE\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 400")
    assert b"x-content-type-options: nosniff" in received.lower()
