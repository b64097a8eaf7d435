"""HTTP connections that cannot be held open by a head that never ends."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Bytes of a request's line and headers.
MAX_HEAD = 2**16
HEAD_SECONDS = 20.0


class Protocol(HttpToolsProtocol):
    """uvicorn's, with a limit on the time and the size of a request's head, which it has not."""

    _timer: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, error: Exception | None) -> None:
        self._end_head()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._head += len(data)
        super().data_received(data)
        # Empty lines between requests end uvicorn's own wait for the next one.
        if self.cycle and self.cycle.response_complete:
            self._await_head()
        # What is larger and has not ended yet is no head that a client sends.
        if self._timer and self._head > MAX_HEAD:
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def _await_head(self) -> None:
        if not self._timer:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _end_head(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer, self._head = None, 0
