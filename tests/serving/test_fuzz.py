"""Requests that nobody should send: the server answers each, lives, and its memory stays flat."""

import base64
import contextlib
import http.client
import json
import pathlib
import random
import string

import pytest

from tests.serving.server import image_bytes
from tests.serving.test_limits import gif_frame, png_header, raw

# All but the last three are the client's fault; those are documented: a type that JSON has no
# conversion for, a full queue, an answer that took too long.
ALLOWED = {200, 400, 404, 413, 501, 503, 504}
PATHS = [
    "/v1/models/lenet:predict",
    "/v1/models/lenet:classify",
    "/v1/models/half:predict",
    "/v1/models/half:classify",
    "/v1/models/half:regress",
]


def some_bytes(random: random.Random) -> bytes:
    return random.randbytes(random.choice((0, 1, 10, 1000, 50_000)))


def damaged(data: bytes, random: random.Random) -> bytes:
    """Some bytes changed, cut out or put in."""
    result = bytearray(data)
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(result) + 1)
        match random.randrange(4):
            case 0 if at < len(result):
                result[at] = random.randrange(256)
            case 1:
                del result[at : at + random.randint(1, 20)]
            case 2:
                result[at:at] = random.randbytes(random.randint(1, 20))
            case _:
                del result[at:]
    return bytes(result)


def image(random: random.Random) -> bytes:
    size = random.randint(1, 80), random.randint(1, 80)
    kind = random.choice(("JPEG", "PNG", "GIF", "BMP", "WEBP"))
    data = random.choice(
        (
            image_bytes(size, kind=kind),
            png_header(random.choice((1, 70, 2**31 - 1)), random.choice((0, 1, 65535, 2**32 - 1))),
            gif_frame(random.randint(0, 65535), random.randint(0, 65535)),
        )
    )
    return damaged(data, random) if random.random() < 0.6 else data


def value(random: random.Random, depth: int = 0) -> object:
    """Any JSON."""
    scalars = [
        None, True, 0, -1, 2**31, 2**63, 10**400, 1e308, 1e-320, float("nan"), "", "x", "\udc80",
        {"b64": base64.b64encode(some_bytes(random)).decode()}, {"b64": "?"}, {"b64": 1},
    ]  # fmt: skip
    if depth < 4 and random.random() < 0.6:
        inner = [value(random, depth + 1) for _ in range(random.randint(0, 4))]
        names = ("x", "inputs", "image_bytes", "numbers", "text", "image/encoded", "b64")
        return inner if random.random() < 0.5 else dict(zip(names, inner, strict=False))
    return random.choice(scalars)


def body(random: random.Random) -> bytes:
    signatures = ("serving_default", "two", "classify_x", "regress_x", "scalar", "roots", "", "no")
    document = {"signature_name": random.choice(signatures)} if random.random() < 0.5 else {}
    match random.randrange(6):
        case 0:
            return some_bytes(random)
        case 1:
            return ("[" * random.choice((10, 500, 50_000))).encode()
        case 2:
            rows = [{"b64": base64.b64encode(image(random)).decode()} for _ in range(2)]
            return json.dumps({"instances": rows}).encode()
        case 3:
            key = random.choice(("instances", "inputs", "examples", "context"))
            return json.dumps({**document, key: value(random)}).encode()
        case 4:
            rows = [random.uniform(-3, 3) for _ in range(random.randint(1, 100))]
            if random.random() < 0.3:
                rows[-1] = "x"
            return json.dumps({**document, "instances": rows}).encode()
        case _:
            example = {"x": value(random), "image/encoded": value(random)}
            return damaged(json.dumps({**document, "examples": [example]}).encode(), random)


def send(connection: http.client.HTTPConnection, random: random.Random) -> int:
    path = random.choice(PATHS)
    if random.random() < 0.1:
        letters = string.ascii_letters + string.digits + "/:%.-_~"
        path = "/v1/models/" + "".join(random.choices(letters, k=random.randint(0, 60)))
    method = random.choices(("POST", "GET", "PUT", "OPTIONS", "HEAD"), (20, 1, 1, 1, 1))[0]
    sent = body(random)
    try:
        connection.request(method, path, sent)
        answer = connection.getresponse()
    except (
        ConnectionError
    ):  # a server may close a connection that was idle; a second time it may not
        connection.close()
        connection.request(method, path, sent)
        answer = connection.getresponse()
    text = answer.read()
    assert answer.status in ALLOWED, (answer.status, text, method, path)
    if answer.status != 200 and method != "HEAD":
        assert list(json.loads(text)) == ["error"]
        assert b"\n" not in text
    return answer.status


def resident(server) -> int:
    """MiB of the server's memory that are in use."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status")
    if not status.exists():
        pytest.skip("no /proc to read a process's memory from")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def fuzz(server, seed: int, count: int) -> set[int]:
    rng = random.Random(seed)
    codes = set()
    with contextlib.closing(server.connect()) as connection:
        for _ in range(count):
            codes.add(send(connection, rng))
            if rng.random() < 0.02:
                raw(server, some_bytes(rng) + b"\r\n\r\n")
    assert server.process.poll() is None
    answer = server.ask("POST", "/v1/models/half:predict", {"inputs": [2]})
    assert answer == (200, {"outputs": [4.0]})
    return codes


def test_fuzzed_requests(server):
    assert {200, 400, 404} <= fuzz(server, 1, 300)


@pytest.mark.slow
def test_two_thousand_fuzzed_requests_leave_the_memory_flat(server):
    fuzz(server, 2, 500)
    before = resident(server)
    fuzz(server, 3, 2000)
    after = resident(server)
    # The allocator keeps some of what large requests took; a leak of every request would show.
    assert after <= 1.05 * before, f"{before} MiB, then {after} MiB"
