"""Tables on a terminal or in a pipe, and for papers, pages and spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Literal

Format = Literal["text", "markdown", "latex", "csv"]
Row = Sequence[object]
# What LaTeX would take for a command.
_LATEX = str.maketrans({sign: rf"\{sign}" for sign in "_%&#${}"})


def show(
    header: Sequence[str],
    rows: Iterable[Row],
    *,
    left: Sequence[str] = (),
    footer: Row = (),
) -> None:
    """Prints a table as text; see `written`."""
    print("", written("text", header, rows, left=left, footer=footer), "", sep="\n")


def written(
    form: Format,
    header: Sequence[str],
    rows: Iterable[Row],
    *,
    left: Sequence[str] = (),
    footer: Row = (),
) -> str:
    """A table, with numbers aligned to the right.

    Args:
        form: ``"latex"`` needs no package; ``"csv"`` has plain numbers and no footer.
        header: Names of the columns.
        rows: Rows of values; integers get thousands separators, ``None`` is left empty.
        left: Columns that hold text, aligned to the left.
        footer: A last row, under a rule where the form has any.
    """
    if form == "csv":
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
        return file.getvalue().rstrip("\n")
    cells = [[_text(value) for value in row] for row in (header, *rows, footer) if row]
    if form == "markdown":
        cells = [[cell.replace("|", r"\|") for cell in row] for row in cells]
        rule = [":--" if name in left else "--:" for name in header]
        return "\n".join(f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:]))
    if form == "latex":
        lines = [" & ".join(cell.translate(_LATEX) for cell in row) + r" \\" for row in cells]
        rule = r"\hline"
    else:
        lines, rule = _aligned(header, cells, left)
    lines.insert(1, rule)
    if footer:
        lines.insert(-1, rule)
    if form == "latex":
        columns = "".join("l" if name in left else "r" for name in header)
        lines = [rf"\begin{{tabular}}{{{columns}}}", *lines, r"\end{tabular}"]
    return "\n".join(lines)


def _aligned(
    header: Sequence[str], cells: list[list[str]], left: Sequence[str]
) -> tuple[list[str], str]:
    """The lines of a table as text, and a rule."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if name in left else cell.rjust(width)
            for name, cell, width in zip(header, row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]
    return lines, "─" * (sum(widths) + 2 * len(widths) - 2)


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
