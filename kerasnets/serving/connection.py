"""Limits that uvicorn does not have: on a head's time and size, on pipelines, on slow readers."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

# Bytes of a request's line and headers.
MAX_HEAD = 2**16
# Requests that may wait behind the one that is answered, and bytes that hold no more than a few
# times as many.
MAX_PIPELINED = 64
PIECE = 4096
# Longer than clients keep idle connections: whoever closes first should not be the server.
KEEP_ALIVE_S = 75
_CONNECTION: contextvars.ContextVar[Connection] = contextvars.ContextVar("connection")


class Connection(asyncio.Protocol):
    """Delegates to uvicorn's own protocol, and hangs up on a client that would hold others up.

    Its next request is late, it sends requests without end, or it does not read its answers.

    uvicorn calls the application, in the context of the connection, when a head is complete.

    Args:
        timeout_s: Seconds that a request's head may take to arrive, and answers to be read.
        arguments: Arguments of uvicorn's protocol.
    """

    def __init__(self, timeout_s: float, **arguments: Any):
        self._inner = AutoHTTPProtocol(**arguments)
        self.eof_received = self._inner.eof_received
        self._context = contextvars.copy_context()
        self._context.run(_CONNECTION.set, self)
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._head = 0
        self._running = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by its class.
        self._transport = cast(asyncio.Transport, transport)
        self._close_in(self._timeout_s)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_reading()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read what was written."""
        self._reading = self._loop.call_later(self._timeout_s, self._transport.abort)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has read most of what was written."""
        self._stop_reading()
        self._inner.resume_writing()

    def data_received(self, data: bytes) -> None:
        if not self._running:
            if not self._head:
                self._close_in(self._timeout_s)
            self._head += len(data)
        # uvicorn parses all that it gets at once, for as long as that takes.
        many = data.count(b"\r\n\r\n") > MAX_PIPELINED
        size = PIECE if many else len(data)
        for start in range(0, len(data), size):
            self._context.run(self._inner.data_received, data[start : start + size])
            # A list of the protocol that httptools parses for; the other takes one at a time.
            if len(getattr(self._inner, "pipeline", ())) > MAX_PIPELINED:
                self._transport.abort()
                return
        if self._head > MAX_HEAD:
            # Where the head is complete, the application is called before that.
            self._loop.call_soon(self._close_large)

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """While a request whose head is complete is answered."""
        self._running += 1
        self._head = 0
        self._stop_timer()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running and not self._transport.is_closing():
                self._close_in(KEEP_ALIVE_S)

    def _close_large(self) -> None:
        if self._head > MAX_HEAD:
            self._transport.close()

    def _close_in(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(seconds, self._transport.close)

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading.cancel()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()


def reporting(app: ASGIApp) -> ASGIApp:
    """An application that tells its connection of each request's start and end."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        in_time = (
            _CONNECTION.get().answering() if scope["type"] == "http" else contextlib.nullcontext()
        )
        with in_time:
            await app(scope, receive, send)

    return call
