"""Tables in their forms."""

from __future__ import annotations

import csv
import io

import pytest

from kerasnets.cli.tables import written

HEADER = ("layer", "size")
ROWS = [("a|b_1", 1234), ("c & d, 50 %", None)]


def test_signs_of_a_form_are_no_signs_of_the_text():
    markdown = written("markdown", HEADER, ROWS, left=("layer",), footer=("total", 1234))
    assert markdown.splitlines() == [
        "| layer | size |",
        "| :-- | --: |",
        r"| a\|b_1 | 1,234 |",
        "| c & d, 50 % |  |",
        "| total | 1,234 |",
    ]
    latex = written("latex", HEADER, ROWS, left=("layer",))
    assert latex.splitlines() == [
        r"\begin{tabular}{lr}",
        r"layer & size \\",
        r"\hline",
        r"a|b\_1 & 1,234 \\",
        r"c \& d, 50 \% &  \\",
        r"\end{tabular}",
    ]


def test_csv_is_read_again_as_it_was():
    text = written("csv", HEADER, ROWS, footer=("total", 1234))
    assert list(csv.reader(io.StringIO(text))) == [
        ["layer", "size"],
        ["a|b_1", "1234"],
        ["c & d, 50 %", ""],
    ]


@pytest.mark.parametrize("footer", [(), ("total", 1234)])
def test_columns_of_text_are_aligned(footer):
    lines = written("text", HEADER, ROWS, left=("layer",), footer=footer).splitlines()
    assert lines[0] == "layer         size"
    assert lines[2] == "a|b_1        1,234"
    assert sum(set(line) == {"─"} for line in lines) == (2 if footer else 1)
