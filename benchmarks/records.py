"""Files of what benchmarks found: a line of JSON for each."""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
import subprocess
from typing import Any, TypeVar

from kerasnets.values import from_plain

T = TypeVar("T")


def append(path: pathlib.Path, row: Any) -> None:
    """Adds a dataclass to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(row)) + "\n")


def read(path: pathlib.Path, kind: type[T]) -> list[T]:
    """The dataclasses of a file; none where there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [from_plain(kind, json.loads(line), str(path)) for line in lines]


def commit() -> str:
    """The commit of kerasnets, in short, and whether its code was changed since."""
    if not (found := _git("rev-parse", "--short", "HEAD")):
        return "unknown"
    return f"{found} with changes" if _git("status", "--porcelain", "--", "kerasnets") else found


def _git(*words: str) -> str:
    """What git says of this checkout; nothing where it is none."""
    folder = pathlib.Path(__file__).parents[1]
    return subprocess.run(
        ["git", *words], capture_output=True, text=True, cwd=folder
    ).stdout.strip()


def today() -> str:
    """The date, in UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()
