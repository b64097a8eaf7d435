"""The body of a request: read within its limits, as JSON or as image files."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from kerasnets.data.marks import START, format_of
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.json_tensors import DEFAULT_SIGNATURE, PredictRequest, strings
from kerasnets.serving.status import RequestError, invalid

# A body that is too large is read up to this many times the limit, so that its sender, who reads
# no answer before all is sent, gets to see the error.
DRAIN = 4
# The one field of a form that is no file.
SIGNATURE = "signature_name"
# Fields of a form that are no files; more are refused while they arrive.
MAX_FIELDS = 8
# What is wrong with a form is for its sender to read, not for the log.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class ImageFiles(NamedTuple):
    """A body that is image files, each a row of the request.

    Attributes:
        signature: The signature that it names; empty where it names none.
        files: The image files.
    """

    signature: str
    files: list[bytes]

    def read(self, signatures: Mapping[str, Mapping[str, str]]) -> PredictRequest:
        """What it says as a predict request.

        Args:
            signatures: The types of each signature's inputs, by their names.

        Raises:
            RequestError: When the signature takes something else than image files.
        """
        types = signatures.get(self.signature or DEFAULT_SIGNATURE)
        if not types:
            return PredictRequest(self.signature, True, None)
        if not takes_files(types):
            wanted = ", ".join(f"{name} ({dtype})" for name, dtype in types.items())
            raise invalid(f"The signature takes no image files but {wanted}: send JSON.")
        return PredictRequest(self.signature, True, {next(iter(types)): strings(self.files)})


Body = bytes | ImageFiles


def takes_files(types: Mapping[str, str]) -> bool:
    """Whether a signature whose inputs have these types takes image files."""
    return list(types.values()) == ["string"]


async def read_body(request: Request, config: ServerConfig, *, takes_images: bool) -> Body:
    """The body of a request.

    Args:
        request: The request.
        config: Limits of the server.
        takes_images: Whether image files may come instead of JSON: alone, whatever type the
            headers give them, or as the files of a form.

    Raises:
        RequestError: With 413 when it is larger than the limit, with 408 when it comes too slowly,
            with 400 when it is a form that cannot be read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    chunks = _limited(request, int(config.max_body_mb * 2**20))
    try:
        async with asyncio.timeout(config.timeout_s):
            if takes_images and kind == "multipart/form-data":
                return await _read_form(request.headers, chunks, config.max_queue)
            body = b"".join([chunk async for chunk in chunks])
    except TimeoutError:
        message = f"The request took longer than {config.timeout_s:g} s to arrive."
        raise RequestError("DEADLINE_EXCEEDED", message, 408) from None
    # No JSON begins as an image file does; curl calls all that it is given a form.
    if takes_images and (kind.startswith("image/") or format_of(body[:START])):
        return ImageFiles("", [body])
    return body


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body as it arrives; what is beyond the limit is dropped, and refused at the end."""
    declared = request.headers.get("content-length", "0")
    # Digits that are too many to be counted are too many bytes.
    size = int(declared) if len(declared) < 20 else sys.maxsize
    read = 0
    if size <= DRAIN * limit:
        async for chunk in request.stream():
            read += len(chunk)
            if max(read, size) <= limit:
                yield chunk
            elif read > DRAIN * limit:
                break
    if max(read, size) > limit:
        raise RequestError("OUT_OF_RANGE", f"A request has at most {limit} bytes.", 413)


class _Form(MultiPartParser):
    """A form with an end, whose parts stay in memory: their size is limited already."""

    spool_max_size = sys.maxsize

    def __init__(self, headers: Headers, chunks: AsyncGenerator[bytes, None], max_files: int):
        limits = {"max_files": max_files, "max_fields": MAX_FIELDS, "max_part_size": sys.maxsize}
        super().__init__(headers, self._whole(chunks), **limits)
        self._ended = False

    def on_end(self) -> None:
        self._ended = True

    async def _whole(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            yield chunk
        if not self._ended:
            raise MultiPartException("Its last boundary is missing.")


async def _read_form(
    headers: Headers, chunks: AsyncGenerator[bytes, None], max_files: int
) -> ImageFiles:
    try:
        form = await _Form(headers, chunks, max_files).parse()
    except MultiPartException as error:
        # The rest is read all the same, as that of JSON would have been.
        async for _ in chunks:
            pass
        raise invalid(f"The form cannot be read: {error.message}") from None
    try:
        return _image_files(form)
    finally:
        await form.close()


def _image_files(form: FormData) -> ImageFiles:
    files, signature = [], ""
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            files.append(value.file.read())
        elif name == SIGNATURE:
            signature = value
        else:
            raise invalid(f"The field {name!r} holds no file: curl -F file=@FILE sends one.")
    if not files:
        raise invalid("The form holds no file: curl -F file=@FILE sends one.")
    return ImageFiles(signature, files)
