"""The pages under docs/: the module that writes some of them, and the tables that others hold."""

import importlib.util
import pathlib
import re

DOCS = pathlib.Path(__file__).parent.parent.parent / "docs"

_spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


def tables(page: str) -> list[list[list[str]]]:
    """The cells of each table of a page, row by row, without the heading."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    return [[row.strip("| ").split(" | ") for row in block.splitlines()[2:]] for block in blocks]


def bold(cell: str) -> list[str]:
    """What is in bold, in order."""
    return re.findall(r"\*\*(.+?)\*\*", cell)


def code(cell: str) -> list[str]:
    """What is in code, in order."""
    return re.findall(r"`(.+?)`", cell)


def is_printed(value: object, printed: str) -> bool:
    """Whether a value, a number rounded to the decimals that are printed, is what a page says."""
    if isinstance(value, str):
        return value == printed
    decimals = len(printed.partition(".")[2])
    return f"{value:.{decimals}f}" == printed.replace(",", "")
