"""The files of several machines as one, in the order of the images."""

from __future__ import annotations

import contextlib
import csv
import itertools
import pathlib
import re
from collections.abc import Generator, Iterator, Sequence
from typing import Any

from kerasnets.errors import UserError
from kerasnets.files import read_json
from kerasnets.prediction.shards import Shard, Whole
from kerasnets.prediction.tables import TABLES, Row, Table, check_table, csv_lines
from kerasnets.prediction.writing import BAD_COLUMNS, beside

# Rows that are written together.
TOGETHER = 1000


def divisions(path: pathlib.Path) -> list[int]:
    """The numbers of shards into which the files beside a file divide it, begun or finished."""
    stem, suffix = map(re.escape, (path.stem, path.suffix))
    name = re.compile(rf"{stem}-(\d+)-of-(\d+){suffix}(\.progress)?")
    found = filter(None, (name.fullmatch(each.name) for each in path.absolute().parent.iterdir()))
    return sorted({int(match[2]) for match in found})


def shard_files(path: pathlib.Path) -> list[pathlib.Path]:
    """The finished files of all shards of a file, in their order.

    Raises:
        UserError: When one is missing or not finished, or there are those of several divisions.
    """
    counts = divisions(path)
    if len(counts) != 1:
        what = "no shards" if not counts else f"shards of {' and of '.join(map(str, counts))}"
        raise UserError(
            f"Expected the files {path.stem}-1-of-N{path.suffix} to {path.stem}-N-of-N"
            f"{path.suffix} in {str(path.parent)!r}. Found: {what}."
        )
    files = [Shard(index + 1, counts[0]).of(path) for index in range(counts[0])]
    for file in files:
        if beside(file, "progress").exists():
            raise UserError(f"{str(file)!r} is not finished; go on with --resume.")
        if not file.exists():
            raise UserError(f"There is no file {str(file)!r}, one of {counts[0]} shards.")
    _check_one_work(files)
    return files


def _check_one_work(files: Sequence[pathlib.Path]) -> None:
    """Refuses shards of other images, or by another model, than the first."""
    first = _whole(files[0])
    for file in files[1:]:
        other = _whole(file)
        if other.model != first.model:
            raise UserError(f"{str(file)!r} is by another model than {str(files[0])!r}.")
        if other != first:
            raise UserError(
                f"{str(file)!r} is of other images than {str(files[0])!r}: it was given "
                f"{other.images:,}, the other {first.images:,}, and names must be the same too."
            )


def _whole(file: pathlib.Path) -> Whole:
    """What a finished shard is a shard of."""
    path = beside(file, "shard")
    if not path.exists():
        raise UserError(f"There is no file {str(path)!r}, which {str(file)!r} was written with.")
    found = read_json(path, dict[str, Any], "what a shard is a shard of")
    try:
        return Whole(**found)
    except TypeError as error:
        raise UserError(f"{str(path)!r} is damaged: {error}.") from error


def merge(path: pathlib.Path, *, overwrite: bool = False) -> tuple[int, int]:
    """Writes the file of all shards, and the list of all their bad images.

    Args:
        path: The file that ``--out`` named on every machine.
        overwrite: Whether a file that is there already is replaced.

    Returns:
        The number of images, and how many of these are bad.

    Raises:
        UserError: When a shard is missing, not finished or damaged, or the file is there.
    """
    check_table(path)
    if not path.absolute().parent.is_dir():
        raise UserError(f"There is no folder {str(path.parent)!r}.")
    files = shard_files(path)
    if path.exists() and not overwrite:
        raise UserError(f"{str(path)!r} is there already; --overwrite replaces it.")
    table, bad, rows = TABLES[path.suffix.lower()](None), [], 0
    partial = beside(path, "partial")
    with contextlib.ExitStack() as stack:
        stack.callback(partial.unlink, missing_ok=True)
        opened = [_primed(table, file) for file in files]
        for each in opened:
            stack.callback(each.close)
        merged = _in_order(files, opened, bad)
        with partial.open("wb") as writing:
            writing.write(table.start())
            while some := list(itertools.islice(merged, TOGETHER)):
                writing.write(table.encode(some))
                rows += len(some)
        beside(path, "bad.csv").unlink(missing_ok=True)
        if bad:
            beside(path, "bad.csv").write_bytes(csv_lines([BAD_COLUMNS, *bad]))
        table.finish(partial, path)
    return rows + len(bad), len(bad)


def _in_order(
    files: list[pathlib.Path], opened: Sequence[Iterator[Row]], bad: list[list[str]]
) -> Iterator[Row]:
    """The rows of all shards; the rows of their bad images are added to `bad`."""
    lists = [_bad_images(file) for file in files]
    waiting = [next(each, None) for each in lists]
    for number in itertools.count():
        shard = number % len(files)
        first = waiting[shard]
        if first and int(first[0]) == number:
            bad.append(first)
            waiting[shard] = next(lists[shard], None)
            continue
        row = next(opened[shard], None)
        if row is None:
            break
        yield row
    rest = zip(files, waiting, opened, strict=True)
    for file, first, each in rest:
        if first or next(each, None) is not None:
            raise UserError(f"{str(file)!r} is of other images than the other shards.")


def _primed(table: Table, file: pathlib.Path) -> Generator[Row]:
    """The rows of a shard, whose beginning has been read."""
    rows = table.read(file)
    first = next(rows, None)

    def all_rows() -> Generator[Row]:
        with contextlib.closing(rows):
            if first is not None:
                yield first
            yield from rows

    return all_rows()


def _bad_images(file: pathlib.Path) -> Iterator[list[str]]:
    path = beside(file, "bad.csv")
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
        rows = csv.reader(opened)
        next(rows, None)
        yield from rows
