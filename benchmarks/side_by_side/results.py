"""The measurements of one machine: rows, kept as JSON, to which later runs are added."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

from kerasnets.benchmark.measure import Measurement
from kerasnets.errors import UserError
from kerasnets.files import whole, write_text


@dataclass(frozen=True, kw_only=True)
class Row(Measurement):
    """One job of one peer.

    Attributes:
        network: Our name of it.
        peer: Who was measured.
        twin: What the peer calls the network.
        same: Whether it is the same network, or the nearest.
        backend: ``tensorflow``, ``jax`` or ``torch``.
        versions: Of the libraries.
        build_s: Time of the network's first construction in the process.
        multiply_adds: Of the network for one image; ``None`` where it is not the same as ours.
        date: Of the measurement.
    """

    peer: str
    twin: str
    same: bool
    date: str
    backend: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    build_s: float | None = None

    @property
    def key(self) -> tuple:
        """What is measured; a later measurement takes the place of an earlier one."""
        return (*self.job, self.what, self.peer)

    @property
    def job(self) -> tuple:
        """The same for the peers that stand side by side."""
        return self.network, self.size, self.batch, self.precision, self.device

    @property
    def flops(self) -> float | None:
        """Useful floating-point operations a second; backward takes twice what forward takes."""
        passes = {"train": 3, "train_xla": 3}.get(self.what, 1)
        if self.median is None or self.multiply_adds is None or self.what == "build":
            return None
        return 2 * passes * self.multiply_adds * self.batch / self.median


@dataclass
class Results:
    """Rows of one machine and one backend of Keras, and what matrix products reached there.

    Attributes:
        machine: See `describe_machine`.
        rows: In the order of measurement.
        peaks: Floating-point operations a second, by ``"PEER PRECISION DEVICE"``.
    """

    machine: dict[str, object]
    rows: list[Row] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Adds a row, in the place of an earlier one of the same."""
        self.rows = [each for each in self.rows if each.key != row.key] + [row]

    def peak(self, precision: str, device: str) -> float | None:
        """The most that any library reached."""
        found = [
            value for key, value in self.peaks.items() if key.endswith(f"{precision} {device}")
        ]
        return max(found, default=None)


def describe_machine() -> dict[str, object]:
    """Processor, cores, memory and GPUs, without a name that tells whose it is."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    described = {"processor": _processor(), "cores": cores, "system": platform.system()}
    if hasattr(os, "sysconf"):
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        described["memory_gib"] = round(size / 2**30)
    if gpus := _gpus():
        described["gpus"] = ", ".join(gpus)
    return {**described, "python": platform.python_version()}


def _gpus() -> list[str]:
    """The names of NVIDIA's GPUs, as the driver's tool gives them; no framework is loaded."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.splitlines() if found.returncode == 0 else []


def _processor() -> str:
    file = pathlib.Path("/proc/cpuinfo")
    if file.exists():
        lines = file.read_text().partition("\n\n")[0].splitlines()
        facts = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
        name = facts.get("model name", platform.machine())
        family = f"family {facts['cpu family']} model {facts['model']}" if "model" in facts else ""
        wide = "AVX-512" if "avx512f" in facts.get("flags", "") else ""
        return ", ".join(part for part in (name, family, wide) if part)
    return platform.processor() or f"{platform.machine()} ({sys.platform})"


def load(path: pathlib.Path) -> Results:
    """Reads a file of results.

    Raises:
        UserError: When it is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = [Row(**{**row, "seconds": tuple(row["seconds"])}) for row in found["rows"]]
        return Results(dict(found["machine"]), rows, dict(found["peaks"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{str(path)!r} holds no results of benchmarks.side_by_side: {error!r}."
        ) from error


def results_files(path: pathlib.Path) -> list[pathlib.Path]:
    """A file of results, or all of a folder.

    Raises:
        UserError: When there is none.
    """
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise UserError(f"There are no results in {str(path)!r}; --out writes them.")
    return files


def load_or_start(path: pathlib.Path | None) -> Results:
    """The results to add to.

    Raises:
        UserError: When the file is no such results, or of another machine.
    """
    machine = describe_machine()
    if path is None or not path.exists():
        return Results(machine)
    earlier = load(path)
    if earlier.machine != machine:
        keys = {**machine, **earlier.machine}
        changed = [key for key in keys if machine.get(key) != earlier.machine.get(key)]
        raise UserError(
            f"{str(path)!r} holds results of another machine; it differs in {', '.join(changed)}. "
            "Choose another --out."
        )
    return earlier


def save(results: Results, path: pathlib.Path) -> None:
    """Writes the JSON, and the table of it as CSV beside."""
    text = json.dumps(dataclasses.asdict(results), indent=1)
    write_text(path, text + "\n")
    names = [each.name for each in dataclasses.fields(Row)]
    with whole(path.with_suffix(".csv")) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "median"])
        for row in results.rows:
            values = dataclasses.asdict(row)
            values["seconds"] = " ".join(f"{value:.6g}" for value in row.seconds)
            values["versions"] = " ".join(f"{name} {v}" for name, v in row.versions.items())
            writer.writerow([*(values[name] for name in names), row.median])
