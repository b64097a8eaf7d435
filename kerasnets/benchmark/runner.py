"""Starts a process for each peer and lets them take turns."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import json
import logging
import math
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import kerasnets
from kerasnets.benchmark.config import BenchmarkConfig, input_shape, twins
from kerasnets.benchmark.networks import Twin
from kerasnets.benchmark.results import Results, Row

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
            env=_environment(peer, device),
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


def _environment(peer: str, device: str) -> dict[str, str]:
    """The variables of a peer's process: those of this one, but for what kerasnets sets."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if peer == "kerasnets":
        root = str(pathlib.Path(kerasnets.__file__).parent.parent)
        paths = filter(None, [root, environment.get("PYTHONPATH")])
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        # As where kerasnets loads TensorFlow itself.
        environment.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    else:
        # kerasnets may have set it; the others are measured with TensorFlow's own choice.
        environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    # The processes share a GPU; JAX would take most of its memory for the first.
    environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if device == "cpu":
        environment |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    return environment


def measure(config: BenchmarkConfig, results: Results, keep: Callable[[Results], None]) -> None:
    """Measures what a configuration asks for.

    Args:
        config: Resolved.
        results: To add to.
        keep: Called after each network, so that what was measured is not lost.
    """
    settings = itertools.product(
        config.precisions, config.devices, config.batch_sizes, config.sizes or (None,)
    )
    for (precision, device, batch, size), network in itertools.product(
        list(settings), config.networks
    ):
        shape = input_shape(network, size)
        setting = {"batch": batch, "precision": precision, "device": device}
        with _workers(twins(network, config.peers), device) as workers:
            _measure_network(config, results, network, {**setting, "input_shape": shape}, workers)
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
    config: BenchmarkConfig,
    results: Results,
    network: str,
    setting: dict,
    workers: dict[str, tuple[Twin, Worker]],
) -> None:
    """All jobs of one network."""
    common = {
        "network": network,
        "size": setting["input_shape"][0],
        "date": datetime.date.today().isoformat(),
        **{name: setting[name] for name in ("batch", "precision", "device")},
    }
    rows, alive = {}, {}
    for peer, (twin, worker) in workers.items():
        named = {**common, "peer": peer, "twin": twin.name, "same": twin.same}
        try:
            facts = worker.ask("start", setting={**setting, "network": twin.name})
            _add_peak(results, worker, setting)
        except PeerError as error:
            log.info("%s: %s does not start: %s", network, peer, error)
            for job in config.jobs:
                results.add(Row(**named, what=job, error=str(error)))
            continue
        rows[peer], alive[peer] = {**named, **facts}, worker
    _share_multiply_adds(rows)
    for job in config.jobs:
        for row in _take_turns(config, job, rows, alive):
            results.add(row)
            log.info("%s", _line(row))


def _add_peak(results: Results, worker: Worker, setting: dict) -> None:
    key = f"{worker.peer} {setting['precision']} {setting['device']}"
    if key not in results.peaks:
        results.peaks[key] = worker.ask("peak")["flops"]


def _share_multiply_adds(rows: dict[str, dict]) -> None:
    """Peers with the same network have the same work; ours counts it."""
    counted = rows.get("kerasnets", {}).get("multiply_adds")
    for row in rows.values():
        row["multiply_adds"] = counted if row["same"] else None


def _take_turns(
    config: BenchmarkConfig, job: str, rows: dict[str, dict], workers: dict[str, Worker]
) -> list[Row]:
    """The rows of one job."""
    found, steps = {}, {}
    for peer, worker in workers.items():
        found[peer] = {**rows[peer], "what": job, "seconds": []}
        try:
            found[peer] |= worker.ask("prepare", job=job)
            steps[peer] = _steps_of_round(config.round_seconds, worker)
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


def _steps_of_round(round_seconds: float, worker: Worker) -> int:
    """How many steps make a round; starting a `fit` counts little in it."""
    steps = 1
    # One step's time is mostly the start's; a round of that many tells better.
    for _ in range(2):
        seconds = worker.ask("round", steps=steps)["seconds"]
        steps = max(steps, math.ceil(round_seconds / max(seconds, 1e-6)))
    return steps


def _add_round(worker: Worker, steps: int, row: dict) -> None:
    """Adds the time of a step to a row, or the error in place of all its times."""
    try:
        row["seconds"].append(worker.ask("round", steps=steps)["seconds"])
    except PeerError as error:
        row |= {"error": str(error), "seconds": []}


def _line(row: Row) -> str:
    """One measurement as it comes."""
    of = f"{row.network} {row.what} {row.peer}"
    if row.median is None:
        return f"{of}: {row.error}"
    return f"{of}: {1e3 * row.median:.4g} ms, the first {row.first_s:.3g} s"
