"""Who may ask the server, and a line in the log for each request."""

from __future__ import annotations

import ipaddress
import json
import logging
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kerasnets.serving.config import ServerConfig

log = logging.getLogger("kerasnets.access")

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# From a path to the model, the version and the method that it names; empty where it names none.
Route = Callable[[str], tuple[str, str, str]]


def guarded(app: ASGIApp, config: ServerConfig, route: Route) -> ASGIApp:
    """The application, for the hosts and origins that a configuration allows, with a log."""
    if config.cors:
        app = CORSMiddleware(app, config.cors, allow_methods=("GET", "POST"), allow_headers=("*",))
    return AccessLog(Guard(app, config), route)


class Guard:
    """Refuses what a web page of another origin sends through a visitor's browser.

    A page whose name its owner lets point to this machine (DNS rebinding) gives itself away by the
    Host header. Addresses are allowed, since no name points elsewhere in them.
    """

    def __init__(self, app: ASGIApp, config: ServerConfig):
        self._app = app
        self._hosts = {*LOOPBACK, config.host.lower(), *map(str.lower, config.allowed_hosts)}
        self._origins = frozenset(config.cors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._refusal(scope) if scope["type"] == "http" else None
        app = self._app if reason is None else JSONResponse({"error": reason}, 403)
        await app(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host"), headers.get("origin")
        if host and not self._allows(host):
            return f"The host {host!r} is not served here: --allowed-hosts adds names."
        own = origin and _netloc(origin) == (host or "").lower()
        # A browser asks with OPTIONS what it may send.
        if not origin or own or scope["method"] == "OPTIONS" or {origin, "*"} & self._origins:
            return None
        return f"Pages of the origin {origin!r} may not ask: --cors adds origins."

    def _allows(self, host: str) -> bool:
        if "*" in self._hosts:
            return True
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self._hosts or _is_address(name)


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


class AccessLog:
    """A line for each request: method, path, status, milliseconds, the model and its version."""

    def __init__(self, app: ASGIApp, route: Route):
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        # What an exception in the application is answered with.
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            path = scope["raw_path"].decode("latin-1")
            model, version, _ = self._route(path)
            fields = {
                "method": scope["method"],
                "path": path,
                "status": status,
                "ms": round(1e3 * (time.perf_counter() - start), 1),
                "model": model,
                "version": version,
            }
            line = "{method} {path} {status} {ms} ms {model} {version}".format_map(fields).rstrip()
            level = logging.INFO if status < 400 else logging.WARNING
            # Bytes of the path that are no text must not steer a terminal.
            log.log(level, "%s", ascii(line)[1:-1], extra={"fields": fields})


class JsonFormatter(logging.Formatter):
    """A record as an object in one line: time, level, message, and the fields of a request."""

    def format(self, record: logging.LogRecord) -> str:
        made = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            made["exception"] = self.formatException(record.exc_info)
        return json.dumps(made | getattr(record, "fields", {}))
