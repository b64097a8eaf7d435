"""The HTTP server: TensorFlow Serving's REST API, health, metrics and a page to try it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import pathlib
import re
import socket
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable

import fastapi
import uvicorn
from fastapi import Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from kerasnets.errors import UserError
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.metrics import Metrics
from kerasnets.serving.protocol import Protocol
from kerasnets.serving.repository import Repository
from kerasnets.serving.rest import RestApi
from kerasnets.serving.status import HTTP_CODES, BodyError, RequestError

log = logging.getLogger("kerasnets")

PAGE = pathlib.Path(__file__).parent / "page"
# The page runs no script and loads nothing but its own.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
# A body that is too large is read up to this many times the limit, so that its sender, who reads
# no answer before all is sent, gets to see the error.
DRAIN = 4
# Longer than clients keep idle connections: whoever closes first should not be the server.
KEEP_ALIVE_S = 75


def create_app(repository: Repository, config: ServerConfig) -> fastapi.FastAPI:
    """The application that answers for a repository's models; it starts and stops their watching.

    Args:
        repository: Loaded when the application starts.
        config: Of the server.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: fastapi.FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(repository.stop)

    app = fastapi.FastAPI(lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    metrics = Metrics()
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)

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
        queued = {
            name: sum(servable.queued for servable in model.loaded.values())
            for name, model in repository.models.items()
        }
        return PlainTextResponse(metrics.page(queued))

    @app.get("/models")
    async def models() -> Response:
        return _answer(200, {"models": sorted(repository.models)})

    for path, file in (("/", "page.html"), ("/page.js", "page.js"), ("/page.css", "page.css")):
        app.add_route(path, _file(PAGE / file), ["GET"])
    app.add_route("/{path:path}", _missing, METHODS)
    app.add_middleware(RestFirst, endpoint=_rest_endpoint(RestApi(repository), metrics, config))
    return app


class RestFirst:
    """Answers the paths of the API, which ignore case, before FastAPI looks for a route.

    Its own way to an endpoint takes about as long as reading a small image from JSON.
    """

    def __init__(self, app: ASGIApp, endpoint: Callable[[Request], Awaitable[Response]]):
        self._app = app
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["raw_path"][:4].lower() != b"/v1/":
            await self._app(scope, receive, send)
            return
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)


def _file(path: pathlib.Path) -> Callable[[Request], Awaitable[Response]]:
    async def send(_: Request) -> Response:
        return FileResponse(path, headers=PAGE_HEADERS)

    return send


async def _missing(_: Request) -> Response:
    raise HTTPException(404)


async def _http_error(request: Request, error: HTTPException) -> Response:
    return _answer(error.status_code, {"error": f"{error.detail}: {request.scope['path']}"})


async def _unexpected(_: Request, error: Exception) -> Response:
    return _answer(500, {"error": f"Internal error: {type(error).__name__}"})


def _answer(code: int, answer: dict, headers: dict[str, str] | None = None) -> Response:
    # JSONResponse would refuse NaN and infinity, which TensorFlow Serving writes. Text that came
    # with the request may hold lone surrogates, which UTF-8 has no place for.
    body = json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, code, headers, media_type="application/json")


def _rest_endpoint(
    api: RestApi, metrics: Metrics, config: ServerConfig
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        start = time.perf_counter()
        path = request.scope["raw_path"].decode("latin-1")
        status, response = "OK", None
        try:
            body = await _read_body(request, config)
            if request.method == "OPTIONS":
                response = _preflight(request)
            else:
                async with asyncio.timeout(config.timeout_s):
                    response = _answer(200, await api.answer(request.method, path, body))
        except RequestError as error:
            status = error.code
            response = _answer(error.http_code, {"error": error.message}, error.headers)
        except ClientDisconnect:
            # Nobody is there to read the answer.
            status, response = "CANCELLED", Response(status_code=HTTP_CODES["CANCELLED"])
        except TimeoutError:
            status = "DEADLINE_EXCEEDED"
            message = f"The answer took longer than {config.timeout_s:g} s."
            response = _answer(504, {"error": message})
        elapsed = 1e6 * (time.perf_counter() - start)
        metrics.record(*api.model_and_method(path), status, elapsed)
        return response

    return endpoint


def _preflight(request: Request) -> Response:
    if not re.match("https?://", request.headers.get("origin", "")):
        raise RequestError("FAILED_PRECONDITION", "Origin header is missing in CORS preflight")
    return Response()


async def _read_body(request: Request, config: ServerConfig) -> bytes:
    """The body of a request.

    Raises:
        RequestError: With 413 when it is larger than the limit, with 408 when it comes too slowly.
    """
    limit = int(config.max_body_mb * 2**20)
    declared = request.headers.get("content-length", "0")
    # Digits that are too many to be counted are too many bytes.
    size = int(declared) if len(declared) < 20 else sys.maxsize
    chunks, read = [], 0
    too_large = BodyError(413, f"A request has at most {limit} bytes.")
    if size > DRAIN * limit:
        raise too_large
    try:
        async with asyncio.timeout(config.timeout_s):
            async for chunk in request.stream():
                read += len(chunk)
                if read <= limit and size <= limit:
                    chunks.append(chunk)
                elif read > DRAIN * limit:
                    raise too_large
    except TimeoutError:
        message = f"The request took longer than {config.timeout_s:g} s to arrive."
        raise BodyError(408, message) from None
    if max(read, size) > limit:
        raise too_large
    return b"".join(chunks)


def serve(folder: pathlib.Path | None, config: ServerConfig) -> None:
    """Serves models until it is interrupted.

    Args:
        folder: Of one model's versions, or of several models'; ``None`` with ``config.config``.
        config: Of the server.

    Raises:
        UserError: When there is nothing to serve, or the port is taken.
    """
    repository = Repository(config, folder)
    listener = _bind(config)
    # How large an image may be is checked, without Pillow's own warning.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    repository.start()
    server = uvicorn.Server(_uvicorn_config(create_app(repository, config), config))
    # From here on connections wait until the server takes them.
    listener.listen(server.config.backlog)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.info("serving %s on http://%s:%d", ", ".join(repository.models), shown, port)
    server.run(sockets=[listener])


def _uvicorn_config(app: ASGIApp, config: ServerConfig) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        http=Protocol,
        ws="none",
        server_header=False,
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
        place = f"{config.host}:{config.port}"
        raise UserError(f"Cannot listen on {place}: {error.strerror}.") from error
    return listener
