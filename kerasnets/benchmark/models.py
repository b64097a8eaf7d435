"""What a model of any kind costs, by its answers alone: runs, exports and servers.

What is measured is what a user of `kerasnets.prediction` waits for: from image files to answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import os
import pathlib
import time
from collections.abc import Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import numpy as np

from kerasnets.benchmark.config import BenchmarkConfig
from kerasnets.benchmark.measure import alone, in_one_line, peak_memory, reset_memory
from kerasnets.errors import UserError
from kerasnets.lazy import notes_withheld, prefer_onednn
from kerasnets.prediction.models import Found, find_model, open_model
from kerasnets.prediction.prediction import ImageModel, Unreadable
from kerasnets.prediction.predictor import IN_FLIGHT, answers
from kerasnets.prediction.sources import Item

# Height and width of the photograph, the mean of ImageNet's.
SIDES = (375, 500)
# With fewer answers there is no 99th percentile.
LEAST = 100


@dataclass(frozen=True, kw_only=True)
class ModelCost:
    """What one model costs.

    Attributes:
        model: The word that stands for it.
        kind: ``savedmodel``, ``run``, ``litert``, ``onnx`` or ``server``.
        megabytes: Size of its files, in 10^6 bytes; ``None`` on a server.
        first_s: Time from nothing, libraries not loaded, to the first answer.
        p50_ms, p99_ms: Time of an answer on one image, which half and 99 % do not exceed.
        answers: Number of images that these are of.
        images_per_s: On many images, as ``kerasnets predict`` asks about them.
        memory_mib: Peak memory of the process; ``None`` on a server.
        error: Why there are no figures.
    """

    model: str
    kind: str
    megabytes: float | None = None
    first_s: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    answers: int = 0
    images_per_s: float | None = None
    memory_mib: float | None = None
    error: str | None = None


def measure_models(models: Iterable[str], config: BenchmarkConfig) -> Iterator[ModelCost]:
    """What models cost, each in a process of its own.

    Args:
        models: What `kerasnets.prediction.open_model` takes.
        config: Its rounds and their length say for how long each figure is measured.

    Raises:
        UserError: When there is no such model, or a field of the configuration does not go with it.
    """
    for name in ("what", "sizes", "batch_sizes", "precisions", "devices"):
        if getattr(config, name) != getattr(BenchmarkConfig(), name):
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag} is for networks; a model is measured as it is.")
    for model, found in [(model, find_model(model)) for model in models]:
        cost = ModelCost(model=model, kind=found.kind)
        try:
            figures = alone(measure_model, found, config.rounds * config.round_seconds)
            yield dataclasses.replace(cost, **figures)
        except BrokenProcessPool as error:
            yield dataclasses.replace(cost, error=str(error))


def measure_model(found: Found, seconds: float) -> dict:
    """The figures of a model by their names, in this process, which must not have loaded it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    prefer_onednn()
    reset_memory()
    image = photograph()
    try:
        started = time.perf_counter()
        with notes_withheld():
            model = open_model(found.where)
            answer(model, image)
        first = time.perf_counter() - started
        times = latencies(model, image, seconds)
        here = found.kind != "server"
        return {
            "first_s": first,
            "p50_ms": 1e3 * float(np.percentile(times, 50)),
            "p99_ms": 1e3 * float(np.percentile(times, 99)),
            "answers": len(times),
            "images_per_s": throughput(model, image, seconds),
            "megabytes": size(model.path) / 1e6 if model.path else None,
            "memory_mib": peak_memory() if here else None,
        }
    except UserError as error:
        return {"error": str(error)}
    except Exception as error:
        return {"error": in_one_line(error)}


def answer(model: ImageModel, image: bytes) -> None:
    """Waits for the answer on an image."""
    (found,) = model.answer([image])
    if isinstance(found, Unreadable):
        raise found.error("the photograph of the benchmark")


def latencies(model: ImageModel, image: bytes, seconds: float) -> list[float]:
    """Times of answers on one image, one after the other, for so long and `LEAST` at least."""
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while len(times) < LEAST or time.perf_counter() < ends:
        started = time.perf_counter()
        answer(model, image)
        times.append(time.perf_counter() - started)
    return times


def throughput(model: ImageModel, image: bytes, seconds: float) -> float:
    """Images a second of batches that are decoded while others are computed."""
    same = itertools.repeat(Item("the photograph", image))
    done = 0
    with contextlib.closing(answers(model, same)) as batches:
        # Those that were under way when the clock starts are not counted.
        for _ in range(IN_FLIGHT):
            next(batches)
        started = time.perf_counter()
        while not done or time.perf_counter() - started < seconds:
            done += len(next(batches))
        return done / (time.perf_counter() - started)


def size(path: pathlib.Path) -> int:
    """Bytes of a file or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())


def photograph() -> bytes:
    """A JPEG file with smooth parts and noise, the same each time."""
    from PIL import Image

    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    smooth = np.asarray(coarse.resize((SIDES[1], SIDES[0]), Image.Resampling.BICUBIC))
    pixels = np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()
