"""Tables on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def show(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    left: Sequence[str] = (),
    footer: Sequence[object] = (),
) -> None:
    """Prints a table, with numbers aligned to the right.

    Args:
        header: Names of the columns.
        rows: Rows of values; integers get thousands separators, ``None`` is left empty.
        left: Columns that hold text, aligned to the left.
        footer: A last row, under a rule.
    """
    cells = [[_text(value) for value in row] for row in (header, *rows, footer) if row]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = "─" * (sum(widths) + 2 * len(widths) - 2)
    lines = [
        "  ".join(
            cell.ljust(width) if name in left else cell.rjust(width)
            for name, cell, width in zip(header, row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, rule)
    if footer:
        lines.insert(-1, rule)
    print("", *lines, "", sep="\n")


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
