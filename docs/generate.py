"""Writes ``docs/networks/FAMILY.md`` from the registry, the papers' tables and the built networks.

Run by ``make docs``; the tests fail where a page is not what this writes.
"""

from __future__ import annotations

import pathlib
import tomllib
from collections.abc import Iterator, Sequence

import kerasnets
from kerasnets import models
from kerasnets.inspection import LayerRow, layer_table

FOLDER = pathlib.Path(__file__).parent / "networks"


def tables() -> dict[str, dict]:
    """The papers' tables by network."""
    return tomllib.loads((FOLDER / "tables.toml").read_text(encoding="utf-8"))


def families() -> list[str]:
    """Names of the families, each with a page."""
    return sorted({kerasnets.info(name).family for name in kerasnets.list_models()})


def built(rows: Sequence[LayerRow], part: str) -> tuple[str, int]:
    """Output and trainable parameters of a layer, or of all whose names start with it.

    Raises:
        KeyError: When no layer does.
    """
    own = [row for row in rows if row.name == part or row.name.startswith(f"{part}_")]
    if not own:
        raise KeyError(part)
    shape = "x".join("?" if side is None else str(side) for side in own[-1].output_shape)
    return shape, sum(row.trainable for row in own)


def compare(name: str, table: dict) -> Iterator[tuple[str, str, str, bool]]:
    """The paper's row, the built layer, what was built, and whether it is the same."""
    rows = layer_table(kerasnets.build(name, **table.get("options", {})))
    for label, part, output, *parameters in table["rows"]:
        shape, count = built(rows, part)
        same = shape == output and (not parameters or parameters[0] == count)
        paper = f"{label} | {output}" + (f" | {parameters[0]:,}" if parameters else " | –")
        yield paper, f"`{part}`", f"{shape} | {count:,}", same


def page(family: str) -> str:
    """The page of a family."""
    names = kerasnets.list_models(family=family)
    title = (getattr(models, family).__doc__ or family).splitlines()[0].rstrip(".")
    first = kerasnets.info(names[0])
    lines = [
        f"# {title}",
        "",
        f"{first.authors}: [{first.title}]({first.url}), {first.year}. "
        f"Read it beside [`kerasnets/models/{family}.py`](../../kerasnets/models/{family}.py). "
        "This page is written by `make docs`.",
        "",
        "| network | what it is | input | parameters | not trained | multiply-adds |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for name in names:
        info = kerasnets.info(name)
        shape = "x".join(map(str, info.input_shape))
        lines.append(
            f"| `{name}` | {info.description} | {shape} | {info.trainable_params:,} "
            f"| {info.non_trainable_params:,} | {info.multiply_adds:,} |"
        )
    for name, table in tables().items():
        if name in names:
            lines += ["", *_comparison(name, table)]
    return "\n".join([*lines, ""])


def _comparison(name: str, table: dict) -> list[str]:
    lines = [
        f"## {name}",
        "",
        f"{table['source']}.",
        "",
        "| paper's row | output | parameters | built layer | output | parameters | same? |",
        "| --- | --- | ---: | --- | --- | ---: | --- |",
    ]
    for paper, part, found, same in compare(name, table):
        lines.append(f"| {paper} | {part} | {found} | {'yes' if same else '**no**'} |")
    return lines


def main() -> None:
    """Writes every page."""
    for family in families():
        (FOLDER / f"{family}.md").write_text(page(family), encoding="utf-8")


if __name__ == "__main__":
    main()
