"""Measures networks, each in a process of its own."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import pathlib
import re
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from typing import TypeVar

from kerasnets import registry
from kerasnets.benchmark.config import BenchmarkConfig
from kerasnets.benchmark.network import Network, Setting, UnsupportedError

Found = TypeVar("Found")
# What keeps a process off the GPUs.
CPU_ALONE = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One job of one network.

    Attributes:
        network: Its name.
        what: The job, one of `kerasnets.benchmark.config.JOBS`.
        size: Side of the images, in pixels.
        batch: Images in a batch.
        precision, device: As asked for.
        seconds: Time of a step, or of building, in each round.
        first_s: Time of the first step, compilation included.
        memory_mib: Peak memory of the job.
        memory_of: ``process`` or ``device``.
        parameters: Number of weights.
        multiply_adds: Of the network for one image.
        error: Why there are no times.
    """

    network: str
    what: str
    size: int
    batch: int
    precision: str
    device: str
    seconds: tuple[float, ...] = ()
    first_s: float | None = None
    memory_mib: float | None = None
    memory_of: str = "process"
    parameters: int | None = None
    multiply_adds: int | None = None
    error: str | None = None

    @property
    def median(self) -> float | None:
        """Seconds of a step."""
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def times(self) -> str:
        """Median and half of the range of the rounds, in ms."""
        half = (max(self.seconds) - min(self.seconds)) / 2
        return f"{1e3 * statistics.median(self.seconds):.1f} ± {1e3 * half:.1f}"


def settings(networks: Iterable[str], config: BenchmarkConfig) -> Iterator[Setting]:
    """Each network with each precision, device, batch size and image size."""
    for precision, device, batch, size, network in itertools.product(
        config.precisions,
        config.devices,
        config.batch_sizes,
        config.sizes or (None,),
        networks,
    ):
        shape = registry.info(network).input_shape
        yield Setting(
            network=network,
            input_shape=shape if size is None else (size, size, shape[2]),
            batch=batch,
            precision=precision,
            device=device,
        )


def common(setting: Setting) -> dict:
    """The fields of a measurement that come from its setting."""
    fields = asdict(setting)
    size, _, _ = fields.pop("input_shape")
    return {**fields, "size": size}


def measure(networks: Iterable[str], config: BenchmarkConfig) -> Iterator[Measurement]:
    """What a resolved configuration asks for, network by network."""
    for setting in settings(networks, config):
        try:
            yield from alone(measure_network, setting, config)
        except BrokenProcessPool as error:
            for job in config.jobs:
                yield Measurement(**common(setting), what=job, error=str(error))


def alone(function: Callable[..., Found], *arguments: object) -> Found:
    """What a function gives in a process of its own: nothing that it leaves in memory is counted
    for the next.

    Raises:
        BrokenProcessPool: When the process dies.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def measure_network(setting: Setting, config: BenchmarkConfig) -> list[Measurement]:
    """All jobs of one network, in this process, which must not have loaded Keras."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if setting.device == "cpu":
        os.environ.update(CPU_ALONE)
    measured, session = [], Session(Network)
    try:
        facts = session.start(setting)
        kept = {name: facts[name] for name in ("parameters", "multiply_adds")}
        for job in config.jobs:
            row = {**common(setting), **kept, "what": job}
            try:
                row |= session.prepare(job)
                steps = steps_of_round(config.round_seconds, session.round)
                row["seconds"] = tuple(session.round(steps) for _ in range(config.rounds))
            except UnsupportedError:
                continue
            except Exception as error:
                row["error"] = in_one_line(error)
            measured.append(Measurement(**row, **session.end()))
    except Exception as error:
        measured = [Measurement(**common(setting), what="build", error=in_one_line(error))]
    return measured


class Session:
    """One network in this process: each job is made ready, timed in rounds, and ended.

    Args:
        make: Gives the network of a setting: a `Network`, or what has its methods.
    """

    network: Network

    def __init__(self, make: Callable[[Setting], Network]) -> None:
        self.make = make
        self.run = _nothing

    def start(self, setting: Setting) -> dict:
        """Builds the network and gives the facts about it."""
        self.network = self.make(setting)
        started = time.perf_counter()
        self.network.build()
        return {"build_s": time.perf_counter() - started, **self.network.facts()}

    def prepare(self, job: str) -> dict:
        """Makes a job ready and does its first step."""
        reset_memory()
        started = time.perf_counter()
        self.run = self.network.prepare(job)
        self.run(1)
        return {"first_s": time.perf_counter() - started}

    def round(self, steps: int) -> float:
        """Seconds of a step, of as many as are done."""
        started = time.perf_counter()
        self.run(steps)
        return (time.perf_counter() - started) / steps

    def end(self) -> dict:
        """Ends the job and gives its peak memory."""
        of_device = self.network.device_memory()
        memory = peak_memory() if of_device is None else of_device
        self.run = _nothing
        self.network.finish()
        return {"memory_mib": memory, "memory_of": "process" if of_device is None else "device"}


def _nothing(steps: int) -> None:
    """What runs where no job is ready."""


def steps_of_round(round_seconds: float, timed: Callable[[int], float]) -> int:
    """How many steps make a round; `timed` gives the seconds of a step, of so many."""
    steps = 1
    # One step's time is mostly that of starting a `fit`; a round of that many tells better.
    for _ in range(2):
        steps = max(steps, math.ceil(round_seconds / max(timed(steps), 1e-6)))
    return steps


def in_one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def reset_memory() -> None:
    """Forgets the peak of this process until now, where the system can (Linux)."""
    file = pathlib.Path("/proc/self/clear_refs")
    if file.exists():
        file.write_text("5")


def peak_memory() -> float:
    """Of this process, in MiB."""
    status = pathlib.Path("/proc/self/status")
    if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+)", status.read_text())):
        return int(peak[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
