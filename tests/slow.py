"""What `make test` takes of a parametrized test; `make trials` takes the other cases too."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def slow_except(quick: Collection[Any], cases: Iterable[Any]) -> list[Any]:
    """All cases of a test, those marked `slow` whose first value is not a quick one.

    Args:
        quick: The first values, such as networks' names, of the cases that `make test` takes.
        cases: The values of one argument, or tuples of those of several.
    """
    rows = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*row, marks=[] if row[0] in quick else [pytest.mark.slow]) for row in rows]
