"""Several workers of one training on this machine, for trials; a real cluster starts its own."""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import TextIO

# How long the others have to notice that a worker is gone, in seconds.
PATIENCE = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``kerasnets train`` in each worker; returns the first exit code that is not 0."""
    parser = argparse.ArgumentParser(
        description="Start several workers of one training on this machine.",
        epilog="All other flags are those of kerasnets train; --out is one of them.",
        allow_abbrev=False,
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    own, train = parser.parse_known_args(arguments)
    if own.workers < 1:
        parser.error(f"--workers must be at least 1. Received: {own.workers}.")
    return launch(own.workers, train)


def launch(workers: int, train: Sequence[str]) -> int:
    """Starts the workers, shows what they say, and waits for all of them.

    Args:
        workers: How many.
        train: Flags of ``kerasnets train``.

    Returns:
        The exit code of the first worker that failed, 128 and the signal's number where one
        ended it, or 0.
    """
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(workers))
    command = [sys.executable, "-m", "kerasnets.cli.main", "train", *train]
    processes = [
        subprocess.Popen(
            [*command, "--cluster", addresses, "--worker", str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C reaches them through `pass_on` alone, once.
            start_new_session=True,
        )
        for number in range(workers)
    ]

    def pass_on(number: int, frame: object) -> None:
        for process in processes:
            process.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    readers = [
        threading.Thread(target=_show, args=(number, process.stdout), daemon=True)
        for number, process in enumerate(processes)
    ]
    for reader in readers:
        reader.start()
    code = _wait(processes)
    for reader in readers:
        reader.join(5)
    return code


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _show(number: int, lines: TextIO) -> None:
    for line in lines:
        print(f"[{number}] {line}", end="", file=sys.stderr, flush=True)


def _wait(processes: list[subprocess.Popen]) -> int:
    """Waits for all; those that do not notice the end of another are ended."""
    first, deadline = 0, None
    while any(process.poll() is None for process in processes):
        failed = [process.returncode for process in processes if process.returncode]
        if failed and deadline is None:
            first, deadline = failed[0], time.monotonic() + PATIENCE
        if deadline is not None and time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(0.1)
    first = first or next((each.returncode for each in processes if each.returncode), 0)
    return first if first >= 0 else 128 - first
