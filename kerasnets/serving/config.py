"""How the server runs."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Literal

from kerasnets.errors import UserError
from kerasnets.prediction.config import check_least


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Where the server listens, what it serves and how much it takes on."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in."""
    port: int = 8501
    """Port to listen on; 0 takes a free one."""
    allowed_hosts: tuple[str, ...] = ()
    """Names in the Host header that are answered, besides loopback names, addresses and --host; *
    allows all."""
    cors: tuple[str, ...] = ()
    """Origins whose web pages may ask, such as https://example.org; * allows all."""
    log_format: Literal["text", "json"] = "text"
    """Form of the lines of the log, which has one for each request."""
    config: pathlib.Path | None = None
    """TensorFlow Serving's models.config, instead of a folder."""
    versions: int = 1
    """Number of the newest versions of a model to serve."""
    max_batch: int = 32
    """Most images that are computed together."""
    batch_timeout_ms: float = 2.0
    """How long a batch waits for the next image; its first waits ten times as long at most."""
    batch_threads: int = 1
    """Number of batches that are computed at a time; one uses all cores."""
    max_queue: int = 1024
    """Number of images that may wait for one signature of a model; then 503 is answered."""
    max_body_mb: float = 32
    """Size of the largest request, in MiB; a larger one is answered with 413."""
    max_pixels: int = 50_000_000
    """Number of pixels of the largest image and batch; a larger image is answered with 400."""
    max_connections: int = 512
    """Number of connections that may be open; more are answered with 503."""
    timeout_s: float = 30.0
    """Seconds a request may take to arrive, and again to be answered; then 408 or 504."""
    poll_s: float = 1.0
    """Seconds between two looks for new versions."""

    def __post_init__(self) -> None:
        check_least(self, port=0, batch_timeout_ms=0, timeout_s=0.01, poll_s=0.01)
        check_least(self, versions=1, max_batch=1, batch_threads=1, max_queue=1)
        check_least(self, max_body_mb=1, max_pixels=1, max_connections=1)
        if self.port > 65535:
            raise UserError(f"--port must be at most 65535. Received: {self.port}.")
