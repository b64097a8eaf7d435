"""What a well-behaved client feels of hostile ones at the same server.

    python benchmarks/attacks.py [--model resnet20_cifar] [--seconds 10] [--only NAME ...]

Every attack is repeated as fast as it is answered, by a process of its own on the same machine. A
health check and a photograph are asked for in turn, ten times a second.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import io
import json
import multiprocessing
import os
import pathlib
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from multiprocessing.synchronize import Event

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import numpy as np
from PIL import Image

FORM = "multipart/form-data; boundary=b"
ATTACKS: dict[str, Callable[[int, str], None]] = {}


def attack(function: Callable[[int, str], None]) -> Callable[[int, str], None]:
    """Adds an attack: it gets the port and the model's name, and is called again and again."""
    ATTACKS[function.__name__] = function
    return function


def post(port: int, path: str, body: bytes, kind: str = "application/json") -> str:
    """The start of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    with contextlib.closing(connection):
        try:
            connection.request("POST", f"/v1/models/{path}", body, {"Content-Type": kind})
            answer = connection.getresponse()
            return f"{answer.status} {answer.read(160).decode('utf-8', 'replace')}"
        except OSError as error:
            return f"hung up: {error}"


def b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def predict(port: int, model: str, image: bytes) -> str:
    return post(port, f"{model}:predict", json.dumps({"instances": [b64(image)]}).encode())


def numbers(count: int, key: str = "instances") -> bytes:
    return b'{"%s": [' % key.encode() + b"1," * (count - 1) + b"1]}"


def picture(kind: str, side: int, **options: object) -> bytes:
    """An image file with the detail of a photograph."""
    noise = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC).save(
        file, kind, **options
    )
    return file.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def field(number: int, data: bytes) -> bytes:
    """A field of a serialised protocol buffer."""
    size, length = len(data), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + data


@attack
def many_instances(port: int, model: str) -> str:
    """200 kB: 100,000 instances for a signature of one number."""
    return post(port, "half:predict", numbers(100_000))


@attack
def many_inputs(port: int, model: str) -> str:
    """20 MB: ten million numbers in columns."""
    return post(port, "half:predict", numbers(10_000_000, "inputs"))


@attack
def empty_lists(port: int, model: str) -> str:
    """30 MB of empty lists."""
    return post(port, "half:predict", b'{"instances": [' + b"[]," * 10_000_000 + b"[]]}")


@attack
def fewer_empty_lists(port: int, model: str) -> str:
    """12 MB of empty lists, as many as are read."""
    return post(port, "half:predict", b'{"inputs": [' + b"[]," * 4_000_000 + b"[]]}")


@attack
def eight_bodies(port: int, model: str) -> str:
    """Eight times 2 MB of instances at once."""
    threads = [
        threading.Thread(target=post, args=(port, "half:predict", numbers(1_000_000)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return post(port, "half:predict", numbers(1_000_000))


@attack
def large_context(port: int, model: str) -> str:
    """2 MB that are copied into each of 1,000 examples."""
    body = {"context": {"x": "y" * 2_000_000}, "examples": [{}] * 1_000}
    return post(port, f"{model}:classify", json.dumps(body).encode())


@attack
def many_files(port: int, model: str) -> str:
    """A form of 30 MB with 450,000 empty files."""
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n\r\n'
    return post(port, f"{model}:predict", part * 450_000 + b"--b--", FORM)


@attack
def almost_boundaries(port: int, model: str) -> str:
    """A form with one file of 30 MB that begins to end in each of its bytes."""
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    return post(port, f"{model}:predict", head + b"\r\n--" * 7_500_000 + b"\r\n--b--", FORM)


@attack
def pipelined(port: int, model: str) -> str:
    """Requests without end from a client that reads nothing."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        requests = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10_000
        try:
            while True:
                connection.sendall(requests)
        except OSError as error:
            return f"hung up: {error}"


@attack
def large_png_in_an_example(port: int, model: str) -> str:
    """A PNG of 9,400 x 9,400 pixels in a tf.Example."""
    header = struct.pack(">IIBBBBB", 9400, 9400, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(9400 * (1 + 3 * 9400)), 1)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND")
    bytes_list = field(1, field(1, png))
    example = field(1, field(1, field(1, b"image/encoded") + field(2, bytes_list)))
    body = {"signature_name": "classify", "instances": [b64(example)]}
    return post(port, f"{model}:predict", json.dumps(body).encode())


@attack
def gif_of_small_blocks(port: int, model: str) -> str:
    """A GIF of 60,000 blocks of one byte."""
    whole = picture("GIF", 64)
    at = whole.index(b",\0\0\0\0")
    return predict(port, model, whole[:at] + b"!\xfe" + b"\1a" * 60_000 + b"\0" + whole[at:])


@attack
def gif_of_comments(port: int, model: str) -> str:
    """A GIF of 50,000 empty comments."""
    whole = picture("GIF", 64)
    at = whole.index(b",\0\0\0\0")
    return predict(port, model, whole[:at] + b"!\xfe\0" * 50_000 + whole[at:])


@attack
def jpeg_of_many_scans(port: int, model: str) -> str:
    """A progressive JPEG whose last scan comes a hundred times."""
    whole = picture("JPEG", 2048, progressive=True)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    return predict(port, model, whole[:-2] + scan * 100 + whole[-2:])


@attack
def jpeg_of_comments(port: int, model: str) -> str:
    """A JPEG of 500,000 empty comments."""
    whole = picture("JPEG", 64)
    return predict(port, model, whole[:2] + b"\xff\xfe\0\2" * 500_000 + whole[2:])


@attack
def png_of_chunks(port: int, model: str) -> str:
    """A PNG of 200,000 empty chunks."""
    whole = picture("PNG", 64)
    return predict(port, model, whole[:33] + chunk(b"teXt") * 200_000 + whole[33:])


def attacking(name: str, port: int, model: str, started: Event) -> None:
    """Repeats an attack, as fast as it is answered, until it is terminated."""
    print(f"\n{name}: {ATTACKS[name](port, model)[:150]}", flush=True)
    started.set()
    while True:
        ATTACKS[name](port, model)


def timed(ask: Callable[[], str], expected: str) -> float:
    start = time.perf_counter()
    answer = ask()
    seconds = time.perf_counter() - start
    if not answer.startswith(expected):
        print(f"  a good request was answered with {answer[:100]}")
    return seconds


def health(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    with contextlib.closing(connection):
        connection.request("GET", "/healthz")
        return str(connection.getresponse().status)


def probe(port: int, model: str, seconds: float) -> tuple[list[float], list[float]]:
    """The seconds of health checks and of photographs, ten times a second."""
    image = picture("JPEG", 320)
    checks, photographs = [], []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        checks.append(timed(lambda: health(port), "200"))
        photographs.append(timed(lambda: predict(port, model, image), "200"))
        time.sleep(0.1)
    return checks, photographs


def report(name: str, checks: list[float], photographs: list[float]) -> None:
    cuts = statistics.quantiles(photographs * 2, n=100, method="inclusive")
    middle = statistics.median(checks)
    print(
        f"{name:24} health {1e3 * middle:6.1f} ms, at most {1e3 * max(checks):7.1f}; photograph "
        f"p50 {1e3 * cuts[49]:6.1f} ms, p99 {1e3 * cuts[98]:7.1f} ({len(photographs)})"
    )


def half(folder: pathlib.Path) -> None:
    """A SavedModel of one number in, one number out."""
    import tensorflow as tf

    module = tf.Module()
    spec = tf.TensorSpec([None], tf.float32, name="x")
    module.answer = tf.function(lambda x: {"y": x / 2}, input_signature=[spec])
    tf.saved_model.save(module, str(folder / "half" / "1"), {"serving_default": module.answer})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="resnet20_cifar")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", nargs="*", default=list(ATTACKS), choices=list(ATTACKS))
    options = parser.parse_args()

    from benchmarks.serving import export_network, server

    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name, "models")
        export_network(options.model, folder)
        half(folder)
        with server(folder, pathlib.Path(name, "log")) as (port, _):
            probe(port, options.model, 2)
            report("alone", *probe(port, options.model, options.seconds))
            for each in options.only:
                started = spawn.Event()
                arguments = (each, port, options.model, started)
                process = spawn.Process(target=attacking, args=arguments, daemon=True)
                process.start()
                if not started.wait(120):
                    sys.exit(f"{each} did not start")
                found = probe(port, options.model, options.seconds)
                if not process.is_alive():
                    sys.exit(f"{each} ended before the server was measured")
                report(each, *found)
                process.terminate()
                process.join()
            time.sleep(1)
            report("afterwards", *probe(port, options.model, options.seconds))


if __name__ == "__main__":
    main()
