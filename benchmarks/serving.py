"""Times ``kerasnets serve`` under concurrent clients against the same SavedModel called directly.

    python benchmarks/serving.py [--model resnet20_cifar] [--clients 32] [--seconds 10]
    python benchmarks/serving.py --memory

The clients send one JPEG a request, as fast as they are answered. They, the server and, in turn,
the direct calls in batches of as many images share the machine. ``--memory`` compares what the
server's process holds after 2,000 and after 20,000 requests.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import functools
import io
import itertools
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import uvloop
from PIL import Image

import kerasnets
from kerasnets.export import export

LENGTH = re.compile(rb"content-length: (\d+)")


def export_network(name: str, folder: pathlib.Path) -> pathlib.Path:
    """A SavedModel of a network with its first weights: they do not change the time."""
    network = kerasnets.build(name, classifier_activation=None)
    names = tuple(str(label) for label in range(network.output_shape[-1]))
    return export(network, kerasnets.info(name).preprocessing, names, folder / name)


def jpeg(name: str) -> bytes:
    """A picture of twice the network's size, with the detail of a photograph."""
    side = 2 * kerasnets.info(name).preprocessing.size[0]
    noise = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


@contextlib.contextmanager
def server(folder: pathlib.Path, log: pathlib.Path) -> Iterator[tuple[int, int]]:
    """A running server's port and process number."""
    command = [sys.executable, "-m", "kerasnets.cli.main", "serve", str(folder), "--port", "0"]
    with log.open("w") as file:
        process = subprocess.Popen(command, stderr=file)
    try:
        while not (found := re.search(r"on http://127\.0\.0\.1:(\d+)\n", log.read_text())):
            if process.poll() is not None:
                sys.exit(f"the server has ended: {log.read_text()}")
            time.sleep(0.1)
        yield int(found[1]), process.pid
    finally:
        process.terminate()
        process.wait()


class Client(asyncio.Protocol):
    """Sends a request again and again on one connection, and notes the seconds that each took.

    It does next to nothing besides, since it shares the machine with the server.
    """

    def __init__(self, request: bytes, more: Callable[[], bool]):
        self.times: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self._request, self._more = request, more

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        if not self._more():
            self._transport.close()
            self.done.set_result(None)
            return
        self._answer, self._start = b"", time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < int(LENGTH.search(head)[1]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(OSError(f"refused: {self._answer!r}"))
            return
        self.times.append(time.perf_counter() - self._start)
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or OSError("the server has closed the connection"))


def load(port: int, request: bytes, clients: int, more: Callable[[], bool]) -> list[float]:
    """The seconds of all requests of concurrent clients."""

    async def run() -> list[float]:
        loop, protocols = asyncio.get_running_loop(), []
        for _ in range(clients):
            pair = await loop.create_connection(lambda: Client(request, more), "127.0.0.1", port)
            protocols.append(pair[1])
        await asyncio.gather(*(protocol.done for protocol in protocols))
        return [seconds for protocol in protocols for seconds in protocol.times]

    return uvloop.run(run())


def http_request(model: str, image: bytes) -> bytes:
    body = json.dumps({"instances": [{"b64": base64.b64encode(image).decode()}]}).encode()
    head = f"POST /v1/models/{model}:predict HTTP/1.1\r\nHost: localhost\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def until(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end


def throughput(port: int, version: pathlib.Path, image: bytes, options: argparse.Namespace) -> None:
    loaded = tf.saved_model.load(version)
    answer = loaded.signatures["serving_default"]
    batch = tf.constant([image] * options.clients)
    request = http_request(options.model, image)
    direct, served, ratios, latencies = [], [], [], []
    for number in range(1 + options.repeats):
        start, images, more = time.perf_counter(), 0, until(options.seconds)
        while more():
            answer(image_bytes=batch)["probabilities"].numpy()
            images += options.clients
        direct_rate = images / (time.perf_counter() - start)
        start = time.perf_counter()
        times = load(port, request, options.clients, until(options.seconds))
        rate = len(times) / (time.perf_counter() - start)
        if number:  # the first round warms up
            direct.append(direct_rate)
            served.append(rate)
            ratios.append(rate / direct_rate)
            latencies += times
    cuts = statistics.quantiles(latencies, n=100)
    print(f"{options.model}, {len(image):,} bytes of JPEG, {options.clients} clients")
    print(f"direct   {statistics.median(direct):8.1f} images/s in batches of {options.clients}")
    print(f"served   {statistics.median(served):8.1f} images/s")
    print(f"latency  p50 {1e3 * cuts[49]:.0f} ms, p99 {1e3 * cuts[98]:.0f} ms")
    spread = f"of rounds {min(ratios):.2f}..{max(ratios):.2f}"
    print(f"served / direct {statistics.median(ratios):.2f}; {spread}")


def memory(port: int, process: int, image: bytes, options: argparse.Namespace) -> None:
    request, sizes, done = http_request(options.model, image), {}, 0
    for goal in (2_000, 20_000):
        left = itertools.repeat(True, goal - done)
        done += len(load(port, request, options.clients, functools.partial(next, left, False)))
        sizes[done] = resident(process)
        print(f"after {done:6,} requests {sizes[done]:8.1f} MiB")
    print(f"ratio {sizes[20_000] / sizes[2_000]:.3f}")


def resident(process: int) -> float:
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s*(\d+)", status)[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="resnet20_cifar")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        version = export_network(options.model, pathlib.Path(folder, "models"))
        with server(version.parent, pathlib.Path(folder, "log")) as (port, process):
            image = jpeg(options.model)
            if options.memory:
                memory(port, process, image, options)
            else:
                throughput(port, version, image, options)


if __name__ == "__main__":
    main()
