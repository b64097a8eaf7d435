"""Tables on a terminal or in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import rich.box
import rich.console
import rich.table


def show(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    left: Sequence[str] = (),
    footer: Sequence[object] = (),
) -> None:
    """Prints a table, numbers to the right.

    Args:
        header: Names of the columns.
        rows: Of values; integers get thousands separators, ``None`` is left empty.
        left: Columns that hold text and stand to the left.
        footer: A last row, under a line.
    """
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_footer=bool(footer), pad_edge=False)
    for number, name in enumerate(header):
        table.add_column(
            name,
            justify="left" if name in left else "right",
            no_wrap=True,
            footer=_text(footer[number]) if footer else "",
        )
    for row in rows:
        table.add_row(*(_text(value) for value in row))
    # In a pipe there is no width to fit; a wrapped table could not be read by the next program.
    console = rich.console.Console(
        width=None if sys.stdout.isatty() else 400, highlight=False, markup=False
    )
    console.print(table)


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)
