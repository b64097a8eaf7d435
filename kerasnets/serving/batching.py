"""Requests that arrive together run together."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasnets.data.reasons import one_line
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.json_tensors import Tensors, too_many
from kerasnets.serving.status import RequestError

# What a graph ends with; see `one_line` for the second.
FAILURES = (tf.errors.OpError, UnicodeDecodeError)
CODES = {number: name for name, number in vars(tf.errors).items() if name.isupper()}
# The first request of a batch waits at most so many batch timeouts.
PATIENCE = 10


@dataclass(frozen=True, eq=False)
class Task:
    """Some rows of one request, when they were queued, and the future of their outputs."""

    inputs: Tensors
    rows: int
    pixels: int
    since: float
    answer: asyncio.Future[Tensors]

    @functools.cached_property
    def shapes(self) -> tuple:
        """Tasks of the same shapes can share a batch."""
        return tuple((name, tensor.shape[1:]) for name, tensor in self.inputs.items())


class Batcher:
    """The queue in front of one signature. All but the computation runs on the event loop.

    A batch starts when a thread is free and it is full, or no request has come for the batch
    timeout, or its first has waited for ten of them. Clients that were answered together ask again
    one after the other; waiting for all of them makes large batches. A batch is full when the next
    request would bring it above the most rows or the most pixels that the configuration allows:
    decoded images are what takes memory.

    Args:
        run: From inputs to outputs; called in a thread of `pool`.
        pool: Threads for the computation.
        config: Limits of the server.
        batched: Whether all tensors of the signature have a batch axis. If not, each request runs
            alone.
    """

    def __init__(
        self,
        run: Callable[[Tensors], Tensors],
        pool: concurrent.futures.Executor,
        config: ServerConfig,
        *,
        batched: bool,
    ):
        self._run = run
        self._pool = pool
        self._config = config
        self._batched = batched
        self._waiting: list[Task] = []
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def queued(self) -> int:
        """Rows that wait."""
        return sum(task.rows for task in self._waiting)

    async def submit(self, inputs: Tensors, pixels: Sequence[int]) -> Tensors:
        """The outputs for a request, given its inputs and the pixels of each row's images.

        Raises:
            RequestError: When the queue is full, or the computation refuses the inputs.
        """
        rows, limit = len(pixels), self._config.max_queue
        if rows > limit:
            raise too_many(rows, limit)
        if self.queued + rows > limit:
            message = "The batch scheduling queue to which this task was submitted is full"
            raise RequestError("UNAVAILABLE", message)
        loop = asyncio.get_running_loop()
        tasks = []
        for start, stop in self._slices(pixels):
            part = inputs
            if stop - start < rows:
                part = {name: tensor[start:stop] for name, tensor in inputs.items()}
            held = sum(pixels[start:stop])
            tasks.append(Task(part, stop - start, held, loop.time(), loop.create_future()))
        self._waiting.extend(tasks)
        self._start_batches()
        try:
            return _joined(await asyncio.gather(*(task.answer for task in tasks)))
        finally:
            # A request that ended early leaves nothing in the queue.
            self._waiting = [task for task in self._waiting if task not in tasks]

    def _slices(self, pixels: Sequence[int]) -> Iterator[tuple[int, int]]:
        """The first row, and the one after the last, of parts that are no larger than a batch."""
        start = held = 0
        for row, count in enumerate(pixels):
            full = row - start == self._config.max_batch
            if self._batched and row > start and (full or held + count > self._config.max_pixels):
                yield start, row
                start, held = row, 0
            held += count
        yield start, len(pixels)

    def _start_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._running < self._config.batch_threads:
            tasks, full = self._next_batch()
            timeout = self._config.batch_timeout_ms / 1e3
            wait = min(tasks[-1].since + timeout, tasks[0].since + PATIENCE * timeout) - loop.time()
            if not full and wait > 0:
                self._timer = self._timer or loop.call_later(wait, self._wake)
                return
            self._waiting = [task for task in self._waiting if task not in tasks]
            self._running += 1
            computing = loop.run_in_executor(self._pool, self._compute, tasks)
            computing.add_done_callback(functools.partial(self._finish, tasks))

    def _wake(self) -> None:
        self._timer = None
        self._start_batches()

    def _next_batch(self) -> tuple[list[Task], bool]:
        """The tasks that would run next, and whether no more fit."""
        first = self._waiting[0]
        if not self._batched:
            return [first], True
        tasks, rows, pixels = [first], first.rows, first.pixels
        for task in self._waiting[1:]:
            if task.shapes != first.shapes:
                continue
            rows, pixels = rows + task.rows, pixels + task.pixels
            if rows > self._config.max_batch or pixels > self._config.max_pixels:
                return tasks, True
            tasks.append(task)
        return tasks, rows >= self._config.max_batch

    def _compute(self, tasks: list[Task]) -> list[Tensors | RequestError]:
        """The outputs of each task. One that fails does not take the others with it."""
        try:
            outputs = self._run(_joined([task.inputs for task in tasks]))
            return _split(outputs, [task.rows for task in tasks])
        except FAILURES as error:
            if len(tasks) > 1:
                middle = len(tasks) // 2
                return self._compute(tasks[:middle]) + self._compute(tasks[middle:])
            code = getattr(error, "error_code", tf.errors.INVALID_ARGUMENT)
            return [RequestError(CODES[code], one_line(error))]

    def _finish(self, tasks: list[Task], done: asyncio.Future) -> None:
        self._running -= 1
        error = done.exception()
        results = [error] * len(tasks) if error else done.result()
        for task, result in zip(tasks, results, strict=True):
            if task.answer.done():
                continue
            if isinstance(result, BaseException):
                task.answer.set_exception(result)
            else:
                task.answer.set_result(result)
        self._start_batches()


def _joined(parts: Sequence[Tensors]) -> Tensors:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _split(outputs: Tensors, sizes: Sequence[int]) -> list[Tensors | RequestError]:
    if len(sizes) == 1:
        return [outputs]
    stops = np.cumsum(sizes)
    for name, tensor in outputs.items():
        if tensor.shape[:1] != (stops[-1],):
            raise ValueError(f"{name} has the shape {tensor.shape} for a batch of {stops[-1]}")
    return [
        {name: tensor[stop - size : stop] for name, tensor in outputs.items()}
        for size, stop in zip(sizes, stops, strict=True)
    ]
