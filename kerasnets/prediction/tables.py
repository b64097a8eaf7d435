"""The files that answers are written to: CSV, JSON lines and Parquet, row after row.

While rows come, a file of each format grows by whole pieces of bytes, so that it can be cut where
a piece ends. Parquet's can be read from its end alone, so its rows wait in an Arrow stream.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from kerasnets.errors import UserError
from kerasnets.files import parse_json, whole
from kerasnets.lazy import installed
from kerasnets.prediction.columns import IMAGE, Columns, Given

if TYPE_CHECKING:
    import pyarrow as pa

# A row as its format has it; what `Table.read` gives `Table.encode` takes.
Row: TypeAlias = Any
# Rows that a Parquet file keeps together.
ROW_GROUP = 10_000


class Table(Protocol):
    """A format of files of answers."""

    def start(self) -> bytes:
        """What a file begins with, before any row."""
        ...

    def row(self, image: str, given: Given) -> Row:
        """The row of an image."""
        ...

    def encode(self, rows: Sequence[Row]) -> bytes:
        """What is added to the file for some rows."""
        ...

    def finish(self, partial: pathlib.Path, path: pathlib.Path) -> None:
        """Makes the file of all that was added."""
        ...

    def read(self, path: pathlib.Path) -> Generator[Row]:
        """The rows of a finished file, which must begin as this one does.

        Raises:
            UserError: When it does not.
        """
        ...


class CSV(Table):
    """A row of the image and the cells of its columns."""

    def __init__(self, columns: Columns | None) -> None:
        self.columns = columns
        self.names = [IMAGE, *columns.names] if columns else None

    def start(self) -> bytes:
        return csv_lines([self.names or []])

    def row(self, image: str, given: Given) -> Row:
        assert self.columns
        return [image, *self.columns.cells(given)]

    def encode(self, rows: Sequence[Row]) -> bytes:
        return csv_lines(rows)

    def finish(self, partial: pathlib.Path, path: pathlib.Path) -> None:
        partial.replace(path)

    def read(self, path: pathlib.Path) -> Generator[Row]:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = csv.reader(file)
            first = next(rows, [])
            self.names = self.names or first
            _check_same(path, self.names, first)
            yield from rows


class JSONLines(Table):
    """An object of the image and what is said of it."""

    def __init__(self, columns: Columns | None) -> None:
        self.columns = columns

    def start(self) -> bytes:
        return b""

    def row(self, image: str, given: Given) -> Row:
        assert self.columns
        return {IMAGE: image, **self.columns.fields(given)}

    def encode(self, rows: Sequence[Row]) -> bytes:
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()

    def finish(self, partial: pathlib.Path, path: pathlib.Path) -> None:
        partial.replace(path)

    def read(self, path: pathlib.Path) -> Generator[Row]:
        with path.open(encoding="utf-8") as file:
            yield from map(parse_json, file)


class Parquet(Table):
    """Columns as those of CSV; many numbers of an image are one column of lists."""

    def __init__(self, columns: Columns | None) -> None:
        import pyarrow as pa

        self.columns = columns
        self._schema: pa.Schema | None = None
        if columns is not None:
            kinds = {"text": pa.string(), "number": pa.float32(), "numbers": pa.list_(pa.float32())}
            fields = [(name, kinds[kind]) for name, kind in [(IMAGE, "text"), *columns.types]]
            self._schema = pa.schema(fields, metadata=columns.metadata)

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        assert self._schema is not None
        return self._schema

    def start(self) -> bytes:
        return self.schema.serialize().to_pybytes()

    def row(self, image: str, given: Given) -> Row:
        assert self.columns
        # Arrow's strings are UTF-8, which names of files need not be.
        name = os.fsencode(image).decode("utf-8", "backslashreplace")
        return {IMAGE: name, **self.columns.entry(given)}

    def encode(self, rows: Sequence[Row]) -> bytes:
        import pyarrow as pa

        batch = pa.RecordBatch.from_pylist(list(rows), schema=self.schema)
        return batch.serialize().to_pybytes()

    def finish(self, partial: pathlib.Path, path: pathlib.Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with whole(path) as writing, pa.OSFile(str(partial)) as file:
            batches = pa.ipc.open_stream(file)
            with pq.ParquetWriter(writing, self.schema) as writer:
                for group in _grouped(batches, ROW_GROUP):
                    table = pa.Table.from_batches(group, schema=self.schema)
                    writer.write_table(table, row_group_size=ROW_GROUP)
        partial.unlink()

    def read(self, path: pathlib.Path) -> Generator[Row]:
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            self._schema = self._schema or file.schema_arrow
            _check_same(path, self.schema, file.schema_arrow)
            for batch in file.iter_batches(1000):
                yield from batch.to_pylist()


TABLES: dict[str, Callable[[Columns | None], Table]] = {
    ".csv": CSV,
    ".jsonl": JSONLines,
    ".parquet": Parquet,
}


def check_table(path: pathlib.Path) -> None:
    """Refuses a file of another ending, or one whose format lacks its package."""
    if path.suffix.lower() not in TABLES:
        raise UserError(f"--out must end in {' or '.join(TABLES)}. Received: {str(path)!r}.")
    if path.suffix.lower() == ".parquet" and not installed("pyarrow"):
        raise UserError("--out FILE.parquet needs pyarrow: pip install 'kerasnets[parquet]'.")


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode("utf-8", "surrogateescape")


def _grouped(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Some batches at a time, which have this many rows or more."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(each.num_rows for each in group) >= rows:
            yield group
            group = []
    if group:
        yield group


def _check_same(path: pathlib.Path, expected: object, found: object) -> None:
    if found != expected:
        raise UserError(f"{str(path)!r} has other columns than the files before it.")
