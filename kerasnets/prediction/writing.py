"""Answers on many images, written to a file by a process that may be killed at any time.

Beside ``FILE`` there are, while it is made, ``FILE.partial``, its rows so far, and
``FILE.progress``, which says how far both it and the list of bad files are good: both are cut there
before the work goes on. ``FILE.bad.csv`` lists the images that cannot be read and stays; so does
``FILE.shard``, which says what a shard is a shard of.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal

from kerasnets.errors import UserError
from kerasnets.files import locked, read_json, write_text
from kerasnets.prediction.columns import Best, Columns, Given, Numbers, Probabilities, Vectors
from kerasnets.prediction.prediction import Answer, ImageModel, Unreadable
from kerasnets.prediction.predictor import said
from kerasnets.prediction.shards import Shard, Whole
from kerasnets.prediction.sources import Item
from kerasnets.prediction.tables import TABLES, Table, check_table, csv_lines

log = logging.getLogger("kerasnets")
# Seconds between two records of the progress: at most this much is computed twice.
RECORD_EVERY_S = 1.0
BAD_COLUMNS = ("number", "name", "reason")
BadFiles = Literal["skip", "fail"]


@dataclass(frozen=True)
class Out:
    """Where answers go, and in which form.

    Attributes:
        path: The file, of the whole work.
        top: Number of best classes.
        all: Whether the probabilities of all classes are written instead.
        embeddings: Whether the vectors that the classifier takes are written instead.
        about: By which network, for embeddings; see `kerasnets.embedding.Embeddings`.
        shard: Part of the images that is answered on.
        bad_files: What happens to an image that cannot be read.
    """

    path: pathlib.Path
    top: int = 3
    all: bool = False
    embeddings: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    shard: Shard = field(default_factory=Shard)
    bad_files: BadFiles = "skip"

    @property
    def file(self) -> pathlib.Path:
        """The file of this shard."""
        return self.shard.of(self.path)

    def beside(self, ending: str) -> pathlib.Path:
        """``FILE.partial``, ``FILE.progress`` or ``FILE.bad.csv``."""
        return beside(self.file, ending)

    def begin(self, *, resume: bool = False, overwrite: bool = False) -> bool:
        """Whether there is anything to do.

        Args:
            resume: Whether to go on with what a stopped process left, if there is anything.
            overwrite: Whether what is there may be removed; `write_answers` does it.

        Raises:
            UserError: When the file is there already, has another ending, or cannot be written.
        """
        check_table(self.path)
        if self.all and self.embeddings:
            raise UserError("Give --all or --embeddings, not both.")
        if self.embeddings and self.path.suffix.lower() == ".csv":
            raise UserError(
                "--embeddings needs --out FILE.parquet or FILE.jsonl: a cell of CSV is one value. "
                f"Received: {str(self.path)!r}."
            )
        if not self.path.absolute().parent.is_dir():
            raise UserError(f"There is no folder {str(self.path.parent)!r} for --out.")
        if resume and overwrite:
            raise UserError("Give --resume or --overwrite, not both.")
        begun, done = self.beside("progress").exists(), self.file.exists()
        if overwrite:
            return True
        if begun and done and not self.beside("partial").exists():
            # Killed when all was written, and the progress alone was still to be removed.
            self.beside("progress").unlink()
            begun = False
        if begun and not resume:
            raise UserError(
                f"{str(self.file)!r} was begun and not finished; go on with --resume, or begin "
                "anew with --overwrite."
            )
        if done and not begun and resume:
            log.info("%s is complete.", self.file)
            return False
        if done and not begun:
            raise UserError(f"{str(self.file)!r} is there already; --overwrite replaces it.")
        return True

    def columns(self, model: ImageModel) -> Columns:
        """The columns of what a model gives.

        Raises:
            UserError: When the model does not give what is asked for.
        """
        if self.embeddings:
            model.vectors([])  # refused by a model that has none
            return Vectors(self.about)
        if model.numbers is not None:
            if self.all:
                raise UserError("--all is for classes; of a model of numbers all are written.")
            return Numbers(model.numbers)
        if not self.all:
            known = len(model.class_names or ()) or self.top
            return Best(min(self.top, known))
        if model.class_names is None:
            raise UserError("--all needs the names of the classes, which this model does not tell.")
        return Probabilities(model.class_names)

    def clear(self) -> None:
        """Removes what an earlier work has left."""
        for path in (self.file, *map(self.beside, ("progress", "partial", "bad.csv", "shard"))):
            path.unlink(missing_ok=True)


def beside(path: pathlib.Path, ending: str) -> pathlib.Path:
    """The file of the same name with something behind it."""
    return path.with_name(f"{path.name}.{ending}")


@dataclass
class Progress:
    """How far the work is; what ``FILE.progress`` holds.

    Attributes:
        settings: What decides the rows; those that go on must have the same.
        done: Images of this shard that are answered on, or bad.
        bad: How many of these are bad.
        names: SHA-256 of the names of these images.
        bytes: Length of the rows so far.
        bad_bytes: Length of the list of bad files.
    """

    settings: dict[str, Any]
    done: int = 0
    bad: int = 0
    names: str = hashlib.sha256().hexdigest()
    bytes: int = 0
    bad_bytes: int = 0


def write_answers(
    model: ImageModel,
    found: Iterable[Item],
    out: Out,
    *,
    overwrite: bool = False,
    told: Callable[[int, int], object] = lambda done, bad: None,
) -> Progress:
    """Writes the answers on images to a file, in their order, and lists the bad ones beside it.

    Where `Out.begin` has found the work of a stopped process it goes on; then the file is, byte by
    byte, what it would have been without the stop.

    Args:
        model: Answers.
        found: All images, in the same order each time.
        out: Where the answers go.
        overwrite: Whether what an earlier work has left is removed first.
        told: Takes the number of images so far and that of the bad ones, now and then.

    Raises:
        UserError: When an image cannot be read and `Out.bad_files` says ``"fail"``, when the
            images or the settings are not those of the stopped process, the model does not give
            what is asked for, or the disk is full.
    """
    columns = out.columns(model)
    lock = out.file.with_name(f".{out.file.name}.lock")
    with locked(lock, f"Another process writes {str(out.file)!r}."):
        try:
            if overwrite:
                out.clear()
            with _Writer(model, out, columns) as writer:
                writer.write(found, told)
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"{str(out.file)!r} was not written: {reason}.") from error
        finally:
            lock.unlink(missing_ok=True)
    return writer.progress


class _Writer(contextlib.AbstractContextManager):
    """The files of one work, open."""

    def __init__(self, model: ImageModel, out: Out, columns: Columns) -> None:
        self.model, self.out = model, out
        self.table: Table = TABLES[out.path.suffix.lower()](columns)
        self.progress = self._progress()
        self.whole = Whole(self.progress.settings["model"])
        self.rows = self._cut("partial", self.progress.bytes)
        self.bad = self._cut("bad.csv", self.progress.bad_bytes)
        self.recorded, self.changed = time.monotonic(), False
        if not self.progress.done:
            self.progress.bytes = self.rows.write(self.table.start())

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if self.changed:
                self._record()
        finally:
            for file in (self.rows, self.bad):
                # What could not be written is not counted.
                with contextlib.suppress(OSError):
                    file.close()
        if not self.progress.bad_bytes:
            self.out.beside("bad.csv").unlink()
        if kind is None:
            if self.out.shard.count > 1:
                write_text(self.out.beside("shard"), json.dumps(vars(self.whole)) + "\n")
            self.table.finish(self.out.beside("partial"), self.out.file)
            self.out.beside("progress").unlink(missing_ok=True)

    def write(self, found: Iterable[Item], told: Callable[[int, int], object]) -> None:
        """Answers on all images that are left."""
        found = self._taken(found)
        number = self._skip(found)
        told(self.progress.done, self.progress.bad)
        ask: Callable[[Sequence[bytes]], Sequence[Given | Unreadable]]
        ask = self.model.vectors if self.out.embeddings else self._answers
        with contextlib.closing(said(ask, found, self.model.batch_size)) as batches:
            for batch in batches:
                self._add(batch, number)
                number += len(batch)
                told(self.progress.done, self.progress.bad)

    def _taken(self, found: Iterable[Item]) -> Iterator[Item]:
        """The images of the shard; all are counted, and their names kept in mind."""
        names, count = hashlib.sha256(), 0
        for count, item in enumerate(found, start=1):
            names.update(_line(item))
            if self.out.shard.takes(count - 1):
                yield item
        self.whole = Whole(self.whole.model, count, names.hexdigest())

    def _answers(self, images: Sequence[bytes]) -> list[Answer | Unreadable]:
        """The answers, which must be of the kind that the columns are for."""
        found = self.model.answer(images)
        expected = self.model.numbers
        for each in found:
            given = each.classes if isinstance(each, Answer) and each.numbers else None
            if isinstance(each, Answer) and given != expected:
                raise UserError(
                    f"The model answers otherwise than before: expected {_words(expected)}. "
                    f"Received: {_words(given)}."
                )
        return found

    def _add(self, batch: list[tuple[Item, Given | Unreadable]], number: int) -> None:
        """Writes a batch, whose first image has this number; the progress never stands within."""
        before, shard, names = self.progress, self.out.shard, self.names.copy()
        rows, bad = [], []
        for place, (item, answer) in enumerate(batch, start=number):
            names.update(_line(item))
            if not isinstance(answer, Unreadable):
                rows.append(self.table.row(item.name, answer))
            elif self.out.bad_files == "fail":
                raise answer.error(item.name)
            else:
                bad.append((place * shard.count + shard.index - 1, item.name, answer.reason))
        header = [] if before.bad else [BAD_COLUMNS]
        # Ctrl-C may come at any line: what is recorded after it is the one progress or the other.
        self.progress = Progress(
            settings=before.settings,
            done=before.done + len(batch),
            bad=before.bad + len(bad),
            names=names.hexdigest(),
            bytes=before.bytes + (self.rows.write(self.table.encode(rows)) if rows else 0),
            bad_bytes=before.bad_bytes + (self.bad.write(csv_lines([*header, *bad])) if bad else 0),
        )
        self.names, self.changed = names, True
        if time.monotonic() - self.recorded > RECORD_EVERY_S:
            self._record()

    def _record(self) -> None:
        """Says how far the files are good, once they are on the disk."""
        for file in (self.rows, self.bad):
            file.flush()
            os.fsync(file.fileno())
        write_text(self.out.beside("progress"), json.dumps(vars(self.progress)) + "\n")
        self.recorded, self.changed = time.monotonic(), False

    def _progress(self) -> Progress:
        """That of a stopped process, or none."""
        settings = {
            "model": self.model.identity(),
            "batch": self.model.batch_size,
            "top": self.out.top,
            "all": self.out.all,
            "embeddings": self.out.embeddings,
            "shard": f"{self.out.shard.index}/{self.out.shard.count}",
        }
        self.names = hashlib.sha256()
        path = self.out.beside("progress")
        if not path.exists():
            return Progress(settings)
        what = "the progress of kerasnets predict"
        found = read_json(path, dict[str, Any], what)
        try:
            before = Progress(**found)
        except TypeError as error:
            raise UserError(f"{str(path)!r} is damaged: it must hold {what}.") from error
        for name, value in settings.items():
            if before.settings.get(name) != value:
                raise UserError(
                    f"{str(self.out.file)!r} was begun with another {name}, "
                    f"{before.settings.get(name)}. Received: {value}. --overwrite begins anew."
                )
        return before

    def _cut(self, ending: str, length: int) -> BinaryIO:
        """A file, opened at its end, without what was written after the last record."""
        path = self.out.beside(ending)
        file = path.open("r+b" if path.exists() else "w+b")
        if file.seek(0, os.SEEK_END) < length:
            file.close()
            raise UserError(f"{str(path)!r} is damaged: it is shorter than its progress says.")
        file.truncate(length)
        file.seek(length)
        return file

    def _skip(self, found: Iterator[Item]) -> int:
        """Passes over what a stopped process has answered; returns how many that are."""
        done = self.progress.done
        for _ in range(done):
            item = next(found, None)
            if item is None:
                break
            self.names.update(_line(item))
        if self.names.hexdigest() != self.progress.names:
            raise UserError(
                f"The images are not those that {str(self.out.file)!r} was begun with: the first "
                f"{done:,} have other names. --overwrite begins anew."
            )
        return done


def _line(item: Item) -> bytes:
    return os.fsencode(item.name) + b"\0"


def _words(numbers: Sequence[str] | None) -> str:
    return "classes" if numbers is None else f"the numbers {', '.join(numbers)}"
