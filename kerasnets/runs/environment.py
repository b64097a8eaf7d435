"""``environment.json``: when and with what a run was trained."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import re
from collections.abc import Sequence
from typing import Any

import kerasnets
from kerasnets.files import read_json, write_text

ENVIRONMENT = "environment.json"
PACKAGES = ("keras", "tensorflow", "numpy")


def cores() -> int | None:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def machine() -> str:
    """Model and number of cores of the processor that this process may use."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
        model = re.search(r"^model name\s*: (.+)$", text, re.M)
    except OSError:
        model = None
    return f"{model[1] if model else platform.processor() or platform.machine()}, {cores()} cores"


def record_environment(folder: pathlib.Path, devices: Sequence[str]) -> None:
    """Adds this process to those that have trained a run: time, versions, machine.

    Args:
        folder: Folder of the run.
        devices: Names of the accelerators; none on a processor alone.
    """
    now = {
        "began": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "kerasnets": kerasnets.__version__,
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "accelerators": list(devices),
    }
    sessions = [*read_environment(folder), now]
    write_text(folder / ENVIRONMENT, json.dumps(sessions, indent=1) + "\n")


def read_environment(folder: pathlib.Path) -> list[dict[str, Any]]:
    """The processes that have trained a run, in order; none for a run of an earlier version.

    Raises:
        UserError: When the file is damaged.
    """
    path = folder / ENVIRONMENT
    if not path.is_file():
        return []
    return read_json(path, list[dict[str, object]], "a list of versions by name")
