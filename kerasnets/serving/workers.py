"""Processes that read and write large JSON, which would keep all other requests waiting.

Python's own parser holds the interpreter for as long as it runs: seconds for a hostile request.
A process of this module, ``python -m kerasnets.serving.workers``, takes calls of functions from its
standard input, pickled, and ends with it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import Any, BinaryIO

from kerasnets.serving.status import RequestError

# Processes at a time, and how much lower than the server's their priority is.
PROCESSES = 2
NICENESS = 5
# Bytes of a message's length.
LENGTH = 8


class Workers:
    """Calls functions in other processes: one that `start` starts, others when they are needed."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(PROCESSES)
        self._idle: list[Process] = []

    async def start(self) -> None:
        """Starts a process, so that the first call does not wait for it."""
        self._idle.append(await _started())

    async def call(self, function: Callable, *arguments: Any) -> Any:
        """The result of a function of some module; a call that is given up ends its process.

        Raises:
            RequestError: What the function raises; ``UNAVAILABLE`` when its process ended.
        """
        async with self._places:
            process = self._idle.pop() if self._idle else await _started()
            try:
                raised, result = await _answer(process, pickle.dumps((function, arguments)))
            except (asyncio.IncompleteReadError, ConnectionError):
                raise RequestError("UNAVAILABLE", "The process for large requests ended.") from None
            else:
                self._idle.append(process)
            finally:
                if process not in self._idle:
                    await _ended(process)
        if raised:
            raise result
        return result

    async def close(self) -> None:
        """Ends the processes."""
        while self._idle:
            await _ended(self._idle.pop())


async def _started() -> Process:
    # Modules are found where this process finds them.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-m", __name__)
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment)


async def _ended(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def _answer(process: Process, message: bytes) -> tuple[bool, Any]:
    """Whether the call raised an error, and its result."""
    assert process.stdin
    assert process.stdout
    process.stdin.writelines([len(message).to_bytes(LENGTH), message])
    await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(LENGTH))
    return pickle.loads(await process.stdout.readexactly(size))


def work(calls: BinaryIO, results: BinaryIO) -> None:
    """Answers calls until there are no more."""
    while head := calls.read(LENGTH):
        function, arguments = pickle.loads(calls.read(int.from_bytes(head)))
        try:
            result = False, function(*arguments)
        except RequestError as error:
            result = True, error
        message = pickle.dumps(result)
        results.write(len(message).to_bytes(LENGTH) + message)
        results.flush()
        del function, arguments, result, message
        gc.collect()


def main() -> None:
    """Runs a worker."""
    if hasattr(os, "nice"):  # not on Windows
        os.nice(NICENESS)
    # Ctrl-C in a terminal is for the server, which still answers what it has begun.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Collecting garbage makes reading millions of lists five times as slow.
    gc.disable()
    work(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
