"""The HTTP server: TensorFlow Serving's REST API, health, metrics and a page to try it."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import pathlib
import re
import socket
import time
from collections.abc import Coroutine
from typing import Any

import fastapi
import uvicorn
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from kerasnets.errors import UserError
from kerasnets.serving.access import JsonFormatter, guarded
from kerasnets.serving.body import read_body, takes_files
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.connection import KEEP_ALIVE_S, Connection, reporting
from kerasnets.serving.json_tensors import DEFAULT_SIGNATURE, to_json
from kerasnets.serving.metrics import Metrics
from kerasnets.serving.openapi import Example, description, page
from kerasnets.serving.repository import Repository
from kerasnets.serving.rest import RestApi
from kerasnets.serving.status import RequestError

log = logging.getLogger("kerasnets")

PAGE = pathlib.Path(__file__).parent / "page"
HEADERS = [
    # The page runs no script and loads nothing but its own.
    (
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
]


def create_app(repository: Repository, config: ServerConfig) -> ASGIApp:
    """The application that answers for a repository's models.

    Args:
        repository: The models; the caller starts and stops their watching.
        config: Limits of the server.
    """
    handlers = {HTTPException: _not_found, Exception: _unexpected}
    api = RestApi(repository, config)
    app = fastapi.FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers=handlers,
        lifespan=api.running,
    )
    metrics = Metrics()

    @app.get("/healthz")
    async def alive() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/readyz")
    async def ready() -> Response:
        if repository.ready:
            return PlainTextResponse("ok\n")
        return PlainTextResponse("a model has no version to answer with\n", 503)

    @app.get("/monitoring/prometheus/metrics")
    async def prometheus() -> Response:
        return PlainTextResponse(metrics.page(repository.queued(), repository.served()))

    @app.get("/models")
    async def models() -> Response:
        return _answer(200, to_json({"models": repository.abilities()}))

    @app.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        return _answer(200, to_json(_description(request, repository)))

    @app.get("/docs")
    async def docs(request: Request) -> Response:
        return HTMLResponse(page(_description(request, repository)))

    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return guarded(RestFirst(app, api, metrics, config), config, api.route)


class RestFirst:
    """Answers the paths of the API, which ignore case, before FastAPI looks for a route.

    FastAPI's own way to an endpoint takes about as long as reading a small image from JSON.
    """

    def __init__(self, app: ASGIApp, api: RestApi, metrics: Metrics, config: ServerConfig):
        self._app = app
        self._api = api
        self._metrics = metrics
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["raw_path"][:4].lower() != b"/v1/":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        path = scope["raw_path"].decode("latin-1")
        status = "OK"
        try:
            response = await self._respond(Request(scope, receive), path)
        except RequestError as error:
            # The rest of a body that was not read is no next request.
            headers = {"Connection": "close"} if error.http_code in (408, 413) else None
            response = _answer(error.http_code, to_json({"error": error.message}), headers)
            status = error.code
        except ClientDisconnect:
            # Nobody is there to read the answer.
            status, response = "CANCELLED", Response(status_code=499)
        # A SavedModel of others can make TensorFlow, and what takes its answers apart, raise
        # anything.
        except Exception as error:
            log.exception("%a failed", path)
            status, response = "INTERNAL", await _unexpected(Request(scope), error)
        elapsed = 1e6 * (time.perf_counter() - start)
        model, version, method = self._api.route(path)
        # Who asks how a model stands gets no answer of a version's.
        version = version if method else ""
        served = model, version, self._api.label(model, version)
        self._metrics.record(served, method, status, elapsed)
        await response(scope, receive, send)

    async def _respond(self, request: Request, path: str) -> Response:
        takes_images = self._api.takes_images(request.method, path)
        body = await read_body(request, self._config, takes_images=takes_images)
        if request.method == "OPTIONS":
            if not re.match("https?://", request.headers.get("origin", "")):
                message = "Origin header is missing in CORS preflight"
                raise RequestError("FAILED_PRECONDITION", message)
            return Response()
        try:
            async with asyncio.timeout(self._config.timeout_s):
                work = self._api.answer(request.method, path, body)
                return _answer(200, await while_connected(request, work))
        except TimeoutError:
            message = f"The answer took longer than {self._config.timeout_s:g} s."
            raise RequestError("DEADLINE_EXCEEDED", message) from None


def _description(request: Request, repository: Repository) -> dict[str, Any]:
    """The OpenAPI document, with commands that ask a model which takes image files, if one does."""
    url = str(request.base_url).rstrip("/")
    found = sorted(repository.input_types().items())
    images = [name for name, types in found if takes_files(types.get(DEFAULT_SIGNATURE, {}))]
    name = next(iter(images or repository.models), "MODEL")
    return description(url, Example(name, bool(images)))


async def _not_found(request: Request, _: Exception) -> Response:
    return _answer(404, to_json({"error": f"Not Found: {request.scope['path']}"}))


async def _unexpected(_: Request, error: Exception) -> Response:
    return _answer(500, to_json({"error": f"Internal error: {type(error).__name__}"}))


def _answer(code: int, body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, code, headers, media_type="application/json")


async def while_connected(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """What the work comes to; it is cancelled when the client, whose body was read, goes away.

    Raises:
        ClientDisconnect: When it has gone.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()


def serve(folder: pathlib.Path | None, config: ServerConfig) -> None:
    """Serves models until it is interrupted.

    Args:
        folder: Folder of one model's versions, or of several models'; ``None`` with
            ``config.config``.
        config: Where the server listens, and its limits.

    Raises:
        UserError: When there is nothing to serve, or the port is taken.
    """
    repository = Repository(config, folder)
    listener = _bind(config)
    for handler in log.handlers:
        if config.log_format == "json":
            handler.setFormatter(JsonFormatter())
        # What uvicorn says of its connections has the same form.
        logging.getLogger("uvicorn").addHandler(handler)
    repository.start()
    # What has been loaded stays: looking through it takes a quarter of a second, in which all wait.
    gc.freeze()
    server = uvicorn.Server(uvicorn_config(create_app(repository, config), config))
    # From here on connections wait until the server takes them.
    listener.listen(server.config.backlog)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.info("serving %s on http://%s:%d", ", ".join(repository.models), shown, port)
    try:
        server.run(sockets=[listener])
    finally:
        repository.stop()


def uvicorn_config(app: ASGIApp, config: ServerConfig) -> uvicorn.Config:
    """How uvicorn runs an application within the limits of a configuration."""
    protocol: Any = functools.partial(Connection, config.timeout_s)
    return uvicorn.Config(
        reporting(app),
        http=protocol,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws="none",
        proxy_headers=False,
        server_header=False,
        headers=HEADERS,
        # uvicorn refuses the connection that reaches its limit.
        limit_concurrency=config.max_connections + 1,
        timeout_graceful_shutdown=int(config.timeout_s) + 1,
    )


def _bind(config: ServerConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        where = f"{config.host}:{config.port}"
        raise UserError(f"Cannot listen on {where}: {error.strerror}.") from error
    return listener
