"""Starts a process for each peer and lets them take turns."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict

import kerasnets
from benchmarks.side_by_side.config import SideBySideConfig
from benchmarks.side_by_side.networks import Twin, twins
from benchmarks.side_by_side.results import Results, Row
from kerasnets.benchmark.measure import CPU_ALONE, common, settings, steps_of_round
from kerasnets.benchmark.network import Setting

log = logging.getLogger("kerasnets")

PEERS_FOLDER = pathlib.Path(__file__).parent / "peers"


class PeerError(Exception):
    """A peer cannot do what was asked."""


class NoSuchJobError(PeerError):
    """A peer has no such job; that is no failure."""


class Worker:
    """A peer's process."""

    def __init__(self, peer: str, device: str) -> None:
        self.peer = peer
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed in `close`
        self.process = subprocess.Popen(
            [sys.executable, str(PEERS_FOLDER), peer],
            env=_environment(device),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def ask(self, do: str, **arguments: object) -> dict:
        """Sends a request and waits for its answer.

        Raises:
            PeerError: When it cannot be done, or the process has ended.
            NoSuchJobError: When it is not something that this peer does.
        """
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # no answer will come either
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().strip().splitlines()[-1:]
            raise PeerError(" ".join([f"its process ended with code {code}:", *last])[:300])
        answer = json.loads(line)
        if "error" in answer:
            raise (NoSuchJobError if answer["unsupported"] else PeerError)(answer["error"])
        return answer

    def round(self, steps: int) -> float:
        """Seconds of a step, of as many as are asked for."""
        return self.ask("round", steps=steps)["seconds"]

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def _environment(device: str) -> dict[str, str]:
    """The variables of a peer's process."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    root = str(pathlib.Path(kerasnets.__file__).parent.parent)
    paths = filter(None, [root, environment.get("PYTHONPATH")])
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    # The processes share a GPU; JAX would take most of its memory for the first.
    environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    return environment | (CPU_ALONE if device == "cpu" else {})


def measure(config: SideBySideConfig, results: Results, keep: Callable[[Results], None]) -> None:
    """Measures what a configuration asks for.

    Args:
        config: Resolved.
        results: To add to.
        keep: Called after each network, so that what was measured is not lost.
    """
    for setting in settings(config.networks, config):
        with _workers(twins(setting.network, config.peers), setting.device) as workers:
            _measure_network(config, results, setting, workers)
        keep(results)


@contextlib.contextmanager
def _workers(twins: dict[str, Twin], device: str) -> Iterator[dict[str, tuple[Twin, Worker]]]:
    workers = {}
    try:
        for peer, twin in twins.items():
            workers[peer] = twin, Worker(peer, device)
        yield workers
    finally:
        for _, worker in workers.values():
            worker.close()


def _measure_network(
    config: SideBySideConfig,
    results: Results,
    setting: Setting,
    workers: dict[str, tuple[Twin, Worker]],
) -> None:
    """All jobs of one network."""
    rows, alive = {}, {}
    for peer, (twin, worker) in workers.items():
        named = {
            **common(setting),
            **{"peer": peer, "twin": twin.name, "same": twin.same},
            "date": datetime.date.today().isoformat(),
        }
        try:
            facts = worker.ask("start", setting={**asdict(setting), "network": twin.name})
            _add_peak(results, worker, setting)
        except PeerError as error:
            log.info("%s: %s does not start: %s", setting.network, peer, error)
            for job in config.jobs:
                results.add(Row(**named, what=job, error=str(error)))
            continue
        rows[peer], alive[peer] = {**named, **facts}, worker
    _copy_multiply_adds(rows)
    for job in config.jobs:
        for row in _take_turns(config, job, rows, alive):
            results.add(row)
            log.info("%s", _line(row))


def _add_peak(results: Results, worker: Worker, setting: Setting) -> None:
    key = f"{worker.peer} {setting.precision} {setting.device}"
    if key not in results.peaks:
        results.peaks[key] = worker.ask("peak")["flops"]


def _copy_multiply_adds(rows: dict[str, dict]) -> None:
    """Peers with the same network have the same work; ours counts it."""
    counted = rows.get("kerasnets", {}).get("multiply_adds")
    for row in rows.values():
        row["multiply_adds"] = counted if row["same"] else None


def _take_turns(
    config: SideBySideConfig, job: str, rows: dict[str, dict], workers: dict[str, Worker]
) -> list[Row]:
    """The rows of one job."""
    found, steps = {}, {}
    for peer, worker in workers.items():
        found[peer] = {**rows[peer], "what": job, "seconds": []}
        try:
            found[peer] |= worker.ask("prepare", job=job)
            steps[peer] = steps_of_round(config.round_seconds, worker.round)
        except NoSuchJobError as error:
            del found[peer]
            log.debug("%s", error)
        except PeerError as error:
            found[peer]["error"] = str(error)
    order = list(steps)
    for number in range(config.rounds):
        # Each goes first in its turn.
        first = number % max(1, len(order))
        for peer in order[first:] + order[:first]:
            if "error" not in found[peer]:
                _add_round(workers[peer], steps[peer], found[peer])
    # What one has prepared, though it failed then, would be in the next job's memory.
    for peer, worker in workers.items():
        with contextlib.suppress(PeerError):  # its error is in the row already
            found.get(peer, {}).update(worker.ask("end"))
    return [Row(**{**row, "seconds": tuple(row["seconds"])}) for row in found.values()]


def _add_round(worker: Worker, steps: int, row: dict) -> None:
    """Adds the time of a step to a row, or the error in place of all its times."""
    try:
        row["seconds"].append(worker.round(steps))
    except PeerError as error:
        row |= {"error": str(error), "seconds": []}


def _line(row: Row) -> str:
    """One measurement as it comes."""
    of = f"{row.network} {row.what} {row.peer}"
    if row.median is None:
        return f"{of}: {row.error}"
    return f"{of}: {1e3 * row.median:.4g} ms, the first {row.first_s:.3g} s"
