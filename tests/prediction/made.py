"""Models whose answers can be reckoned by hand, image files for them, and a server of one answer."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import pathlib
import threading
from types import MappingProxyType

import numpy as np
from PIL import Image

from kerasnets.prediction import Answer, ImageModel, Unreadable
from kerasnets.tasks import TASKS


class Brightness(ImageModel):
    """Three classes, whose probabilities are those of the first pixel's colours."""

    class_names = ("red", "grün", "blue, or so")
    batch_size = 4

    def __init__(self) -> None:
        self.asked = 0
        self.name = "brightness"

    def identity(self):
        return self.name

    def answer(self, images):
        self.asked += len(images)
        return [self._answer(image) for image in images]

    def vectors(self, images):
        return [self._pixel(image) for image in images]

    def _answer(self, image: bytes):
        pixel = self._pixel(image)
        if isinstance(pixel, Unreadable):
            return pixel
        return Answer.of(pixel / pixel.sum(), Brightness.class_names)

    def _pixel(self, image: bytes):
        try:
            pixels = np.array(Image.open(io.BytesIO(image)).convert("RGB"))
        except (OSError, SyntaxError):
            return Unreadable("it is damaged")
        return pixels[0, 0].astype(np.float32)


class Lightness(Brightness):
    """Two numbers: the sum of the first pixel's colours, and the first of them less the last."""

    class_names = ("light", "red, not blue")
    facts = MappingProxyType({"task": "regression"})

    def _answer(self, image: bytes):
        pixel = self._pixel(image)
        if isinstance(pixel, Unreadable):
            return pixel
        numbers = np.float32([pixel.sum(), pixel[0] - pixel[2]])
        return Answer.of(numbers, self.class_names, TASKS["regression"])


def photographs(folder: pathlib.Path, count: int, bad: tuple[int, ...] = ()) -> pathlib.Path:
    """A folder of small images, some of which cannot be read."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:04} ä.png"
        colour = (1 + number % 200, 50, 1 + 7 * number % 100)
        Image.new("RGB", (2, 2), colour).save(path)
        if number in bad:
            path.write_bytes(path.read_bytes()[:30])
    return folder


CLASSES = {"probabilities": [0.75, 0.25], "top_classes": ["a"], "top_scores": [0.75]}


@contextlib.contextmanager
def busy_server(refusals: int, answer: dict = CLASSES):
    """A server that refuses some requests and gives all others one answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.server.asked += 1
            refused = self.server.asked <= refusals
            body = json.dumps({"error": "busy"} if refused else {"predictions": [answer]}).encode()
            self.send_response(503 if refused else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = 0
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()
