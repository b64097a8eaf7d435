"""Image files over REST, and the limits on what a request may bring."""

import base64
import concurrent.futures
import contextlib
import socket
import struct
import zlib

import pytest
import tensorflow as tf

from tests.serving.server import b64, image_bytes

HALF = "/v1/models/half"
LENET = "/v1/models/lenet"


def test_an_export_answers_on_image_files(server):
    files = [image_bytes(kind=kind) for kind in ("JPEG", "PNG", "BMP", "GIF")]
    code, answer = server.ask("POST", f"{LENET}:predict", {"instances": [b64(f) for f in files]})
    assert code == 200
    for found in answer["predictions"]:
        assert found.keys() == {"probabilities", "top_classes", "top_scores"}
        best = max(range(10), key=found["probabilities"].__getitem__)
        assert found["top_classes"][0] == f"digit {best}"
        assert found["top_scores"][0] == found["probabilities"][best]
    one = server.ask("POST", f"{LENET}:predict", {"instances": [{"image_bytes": b64(files[1])}]})
    assert one[1]["predictions"][0]["probabilities"] == pytest.approx(
        answer["predictions"][1]["probabilities"], abs=1e-5
    )


def test_every_signature_of_an_export_answers(server):
    file = image_bytes(kind="PNG")

    def ask(verb: str, body: dict) -> object:
        code, answer = server.ask("POST", f"{LENET}:{verb}", body)
        assert code == 200, answer
        return answer

    found = ask("predict", {"instances": [b64(file)]})["predictions"][0]
    pixels = [[[200, 30, 90]] * 30] * 20
    body = {"signature_name": "images", "instances": [pixels]}
    same = ask("predict", body)["predictions"][0]
    assert same["probabilities"] == pytest.approx(found["probabilities"], abs=1e-5)
    body = {"signature_name": "tensor", "inputs": [[[[0.5]] * 28] * 28] * 2}
    assert [len(row) for row in ask("predict", body)["outputs"]] == [10, 10]
    body = {"signature_name": "features", "instances": [b64(file)]}
    assert len(ask("predict", body)["predictions"][0]) > 10
    body = {"signature_name": "classify", "examples": [{"image/encoded": b64(file)}]}
    (pairs,) = ask("classify", body)["results"]
    assert [name for name, _ in pairs] == found["top_classes"]
    assert [score for _, score in pairs] == pytest.approx(found["top_scores"], abs=1e-5)


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds nothing of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data


def gif_frame(width: int, height: int) -> bytes:
    """A GIF with a small screen and one frame that reaches far beyond it."""
    screen = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02D\x01\0;"


BAD_IMAGES = {
    "not an image": (b"hello", "no JPEG, PNG, GIF, BMP or WebP"),
    "no UTF-8 either": (b"\xa5\xff\xd8hello", "no JPEG, PNG, GIF, BMP or WebP"),
    "empty": (b"", "no JPEG, PNG, GIF, BMP or WebP"),
    "only a start": (b"\xff\xd8\xff", "a JPEG that ends early"),
    "truncated": (image_bytes((300, 200), kind="PNG")[:90], "a PNG that ends early"),
    "half a JPEG header": (image_bytes(kind="JPEG")[:40], "a JPEG that ends early"),
    "a bomb": (png_header(60000, 60000), "An image may have 4000000 pixels at most."),
    "more than allowed": (png_header(2001, 2000), "An image may have 4000000 pixels at most."),
    "a large frame": (gif_frame(60000, 60000), "An image may have 4000000 pixels at most."),
    "JPEG XL": (b"\xff\x0a\xfa\x1f", "no JPEG, PNG, GIF, BMP or WebP: it is a JPEG XL"),
}


@pytest.mark.parametrize(("image", "message"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_bad_images(server, image, message):
    body = {"instances": [{"image_bytes": b64(image)}]}
    code, answer = server.ask("POST", f"{LENET}:predict", body)
    assert code == 400
    assert message in answer["error"]
    body = {"signature_name": "classify", "examples": [{"image/encoded": b64(image)}]}
    code, answer = server.ask("POST", f"{LENET}:classify", body)
    assert code == 400
    assert message in answer["error"]


def test_one_bad_request_spoils_no_other_in_its_batch(server):
    good = {"instances": [b64(image_bytes())]}
    bad = {"instances": [b64(b"not an image")]}
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        bodies = [bad if number % 8 == 3 else good for number in range(48)]
        codes = [
            code
            for code, _ in pool.map(
                lambda body: server.ask("POST", f"{LENET}:predict", body), bodies
            )
        ]
    assert codes == [400 if body is bad else 200 for body in bodies]


def test_a_request_larger_than_a_batch(server):
    body = {"inputs": list(range(150))}
    expected = {"outputs": [number / 2 + 3 for number in range(150)]}
    assert server.ask("POST", f"{HALF}:predict", body) == (200, expected)
    code, answer = server.ask("POST", f"{HALF}:predict", {"inputs": list(range(201))})
    assert (code, answer["error"]) == (
        400,
        "Task size 201 is larger than the batch scheduling queue, 200.",
    )


ONES = "1," * 999_000 + "1"


@pytest.mark.parametrize(
    ("verb", "body", "message"),
    [
        ("predict", f'{{"instances": [{ONES}]}}', "Task size 999001 is larger than"),
        ("predict", f'{{"inputs": [{ONES}]}}', "Task size 999001 is larger than"),
        ("predict", '{"instances": [' + "[]," * 600_000 + "[]]}", "Task size 600001 is larger"),
        ("predict", '{"inputs": [' + "[]," * 600_000 + "[]]}", "Expecting shape [?]"),
        ("predict", "[" * 2_000_000, "JSON Parse error"),
        ("predict", '{"inputs": ' * 180_000, "JSON Parse error"),
        ("predict", '{"inputs": [[' + ONES + "]]}", "Expecting shape [?] for input x"),
        ("predict", '{"inputs": 1' + "1" * 1_000_000 + "}", "JSON Parse error"),
        ("predict", '{"x": "' + "\\u0041" * 300_000 + '"}', "Missing 'inputs' or 'instances' key"),
        ("classify", '{"examples": [' + "{}," * 500_000 + "{}]}", "Task size 500001 is larger"),
        ("regress", '{"examples": [' + "1," * 500_000 + "{}]}", "Task size 500001 is larger"),
        (
            "classify",
            '{"context": {"x": "' + "y" * 1_900_000 + '"}, "examples": [' + "{}," * 99 + "{}]}",
            "The context of all examples comes to 190002300 bytes",
        ),
    ],
)
def test_more_than_can_be_answered_is_refused_before_it_is_worked_on(server, verb, body, message):
    code, answer = server.ask("POST", f"{HALF}:{verb}", body)
    assert code == 400
    assert message in answer["error"]


def test_large_requests_are_answered_as_small_ones(server):
    """They are read, and their answers written, in another process."""
    pixels = [[[column % 256, row % 256, 7] for column in range(300)] for row in range(200)]
    body = {"signature_name": "images", "instances": [pixels]}
    code, answer = server.ask("POST", f"{LENET}:predict", body)
    assert (code, len(answer["predictions"])) == (200, 1)
    rows = [[number, 2 * number] for number in range(200)]
    inputs = {
        "numbers": rows,
        "text": ["é" * 20_000 if number == 7 else "x" for number in range(200)],
    }
    code, answer = server.ask(
        "POST", f"{HALF}:predict", {"signature_name": "two", "inputs": inputs}
    )
    assert code == 200
    assert answer["outputs"]["sum"] == [3 * number for number in range(200)]
    assert base64.b64decode(answer["outputs"]["same_bytes"][7]["b64"]).decode() == "é" * 20_000
    examples = [{"x": float(number), "more": [1.5] * 50} for number in range(200)]
    body = {"signature_name": "regress_x", "examples": examples}
    code, answer = server.ask("POST", f"{HALF}:regress", body)
    assert (code, answer["results"]) == (200, [number / 2 + 3 for number in range(200)])
    code, answer = server.ask("POST", "/v1/models/none:predict", '{"inputs": [' + ONES + "]}")
    assert (code, answer["error"]) == (404, "Servable not found for request: Latest(none)")


def test_an_image_in_a_serialised_example_has_the_same_limits(server):
    for image, message in ((png_header(2001, 2000), "pixels at most"), (b"hello", "no JPEG")):
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))
        features = tf.train.Features(feature={"image/encoded": feature})
        example = tf.train.Example(features=features).SerializeToString()
        body = {"signature_name": "classify", "instances": [b64(example)]}
        code, answer = server.ask("POST", f"{LENET}:predict", body)
        assert code == 400
        assert message in answer["error"]


def test_a_body_that_is_too_large(server):
    body = b'{"inputs": [' + b" " * 2 * 2**20 + b"1]}"
    code, answer = server.ask("POST", f"{HALF}:predict", body)
    assert (code, answer["error"]) == (413, "A request has at most 2097152 bytes.")


def raw(server, request: bytes) -> bytes:
    """What comes back for bytes that no HTTP client would send."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
        return received


@pytest.mark.parametrize("length", ["9" * 12, "9" * 18])
def test_a_declared_size_is_refused_before_it_is_sent(server, length):
    head = f"POST {HALF}:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    assert raw(server, head.encode()).startswith(b"HTTP/1.1 413")
