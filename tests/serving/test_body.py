"""Bodies that are image files: as they are, and as forms; the server beside the same in JSON."""

import asyncio

import pytest
from fastapi import Request
from urllib3.filepost import encode_multipart_formdata

from kerasnets.serving import ServerConfig
from kerasnets.serving.body import DRAIN, ImageFiles, read_body
from kerasnets.serving.status import RequestError
from tests.serving.server import b64, image_bytes
from tests.serving.test_limits import png_header

LENET = "/v1/models/lenet:predict"
BOUNDARY = "a-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def form(*files: bytes, **texts: str) -> bytes:
    parts = [("file", (f"{number}.jpg", file)) for number, file in enumerate(files)]
    return encode_multipart_formdata([*parts, *texts.items()], BOUNDARY)[0]


def read(body: bytes, kind: str = FORM, size: int = 2**16, *, wait: float = 0, **limits):
    """The body of a request that comes in pieces of a size."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    arriving = [*messages, {"type": "http.request", "body": b""}]

    async def receive() -> dict:
        await asyncio.sleep(wait)
        return arriving.pop(0)

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
    request = Request(scope, receive)
    config = ServerConfig(**{"max_body_mb": 1, **limits})
    try:
        return asyncio.run(read_body(request, config, takes_images=True))
    finally:
        unread = sum(len(message["body"]) for message in arriving)
        assert len(body) - unread <= DRAIN * 2**20 + size


@pytest.mark.parametrize("size", [1, 7, 2**16])
def test_a_form_gives_its_files_in_their_order(size):
    files = [image_bytes(), b"", b"\r\n--a-bound\r\n--a-boundarz\r\n\r\n--\r", b"\0" * 100]
    assert read(form(*files), size=size) == ImageFiles("", files)
    found = read(form(files[0], signature_name="explain"), size=size)
    assert found == ImageFiles("explain", files[:1])


def test_an_image_is_known_by_its_type_or_by_its_beginning():
    for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP"):
        file = image_bytes(kind=kind)
        for given in ("image/jpeg", "application/x-www-form-urlencoded", ""):
            assert read(file, given) == ImageFiles("", [file])
    assert read(b"hello", "Image/X; q=1") == ImageFiles("", [b"hello"])
    text = b'{"instances": [1]}'
    for given in ("application/json", "application/x-www-form-urlencoded", "text/plain", ""):
        assert read(text, given) == text


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (form(b"x"), "multipart/form-data", "The form cannot be read: Missing boundary"),
        (form(b"x"), "multipart/form-data; boundary=other", "The form cannot be read: "),
        (form(b"x")[:-8], FORM, "cannot be read: Its last boundary is missing."),
        (form(b"x", b"y")[: len(form(b"x")) - 10], FORM, "Its last boundary is missing."),
        (b"", FORM, "Its last boundary is missing."),
        (form(), FORM, "The form holds no file: curl -F file=@FILE sends one."),
        (form(signature_name="explain"), FORM, "The form holds no file"),
        (
            form(b"x", file="y"),
            FORM,
            "The field 'file' holds no file: curl -F file=@FILE sends one.",
        ),
        (form(*[b"x"] * 11), FORM, "The form cannot be read: Too many files"),
        (form(b"x", **{f"f{i}": "" for i in range(9)}), FORM, "cannot be read: Too many fields"),
        (
            form(b"x").replace(b'; name="file"', b""),
            FORM,
            "cannot be read: The Content-Disposition",
        ),
        (form(b"x").replace(b": ", b" ", 1), FORM, "The form cannot be read: "),
    ],
)
def test_a_form_that_cannot_be_read(body, kind, message):
    with pytest.raises(RequestError) as found:
        read(body, kind, max_queue=10)
    assert found.value.http_code == 400
    assert message in found.value.message
    assert "\n" not in found.value.message


@pytest.mark.parametrize("kind", [FORM, "image/jpeg", "multipart/form-data"])
def test_the_size_is_limited_while_a_body_arrives(kind):
    """Whatever else is wrong with it; no more is read than the sender needs to see the error."""
    for body in (form(b"x" * 2**20), b"x" * (2**20 + 1), b"x" * 2 * DRAIN * 2**20):
        with pytest.raises(RequestError, match="at most 1048576 bytes") as found:
            read(body, kind)
        assert found.value.http_code == 413
    assert read(form(b"x" * 2**19)) == ImageFiles("", [b"x" * 2**19])


def test_a_form_that_comes_too_slowly():
    with pytest.raises(RequestError, match="longer than 0.2 s to arrive") as found:
        read(form(b"x" * 100), size=10, wait=0.1, timeout_s=0.2)
    assert found.value.http_code == 408


def test_files_get_the_answers_of_json(server):
    files = [image_bytes(), image_bytes((9, 40), (0, 90, 10), "PNG")]
    for chosen in (files, files[:1]):
        code, wanted = server.ask("POST", LENET, {"instances": list(map(b64, chosen))})
        assert code == 200
        bodies = [(form(*chosen), FORM), *([(chosen[0], "image/jpeg")] if chosen[1:] == [] else [])]
        for body, kind in bodies:
            code, found = server.ask("POST", LENET, body, {"Content-Type": kind})
            assert (code, found.keys()) == (200, wanted.keys())
            for row, other in zip(found["predictions"], wanted["predictions"], strict=True):
                assert row["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
                assert row.keys() == other.keys()
    body = form(files[0], signature_name="features")
    code, found = server.ask("POST", LENET, body, {"Content-Type": FORM})
    assert (code, len(found["predictions"])) == (200, 1)
    assert len(found["predictions"][0]) > 10
    assert any(line.startswith("POST /v1/models/lenet:predict 200 ") for line in server.log)


@pytest.mark.parametrize(
    ("path", "body", "kind", "code", "message"),
    [
        (LENET, b"hello", "image/jpeg", 400, "no JPEG, PNG, GIF, BMP or WebP"),
        (LENET, b"", "image/jpeg", 400, "it is empty"),
        (LENET, png_header(2001, 2000), "image/png", 400, "4000000 pixels at most"),
        (LENET, form(image_bytes(), png_header(2001, 2000)), FORM, 400, "4000000 pixels at most"),
        (LENET, form(image_bytes(), b"hello"), FORM, 400, "no JPEG, PNG, GIF, BMP or WebP"),
        (LENET, form(b"x", signature_name="no"), FORM, 400, 'signature name: "no" not found'),
        (LENET, form(b"x", signature_name="tensor"), FORM, 400, "takes no image files but"),
        (LENET, form(*[b"x"] * 201), FORM, 400, "Maximum number of files is 200"),
        (LENET, form(b"x" * 2**21), FORM, 413, "A request has at most 2097152 bytes."),
        ("/v1/models/half:predict", image_bytes(), "", 400, "no image files but x (float32)"),
        ("/v1/models/none:predict", image_bytes(), "", 404, "Servable not found"),
        ("/v1/models/lenet:classify", image_bytes(), "image/jpeg", 400, "JSON Parse error"),
        ("/v1/models/lenet:classify", form(b"x"), FORM, 400, "JSON Parse error"),
        ("/v1/models/lenet", form(b"x"), FORM, 400, "Malformed request: POST"),
    ],
)
def test_files_that_are_refused(server, path, body, kind, code, message):
    found, answer = server.ask("POST", path, body, {"Content-Type": kind})
    assert found == code
    assert message in answer["error"]
