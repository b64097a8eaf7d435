import dataclasses
import pathlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Annotated, Literal

import pytest

from kerasnets import UserError
from kerasnets.values import Range, check, check_fields, from_plain


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1, int),
        (1, float),
        (None, int | None),
        (True, bool),
        (True, bool | None),
        (True, object),
        ("a", Literal["a", 1]),
        (5, Literal["a"] | int | None),
        ((), tuple[int, ...]),
        ((1, 2), tuple[int, int]),
        ({"a": ["b"]}, dict[str, list[str]]),
        ({"a": 1}, Mapping[str, object]),
        (0.0, Annotated[float, Range(0, 1)]),
        (1.0, Annotated[float | None, Range(0, 1, "[]")]),
        (None, Annotated[int | None, Range(1)]),
    ],
)
def test_values_that_fit_are_returned(value, annotation):
    assert check(value, annotation, "x") is value


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        (1.5, int, "x must be a whole number. Received: 1.5."),
        (True, int, "x must be a whole number. Received: True."),
        (False, float | None, "x must be a number or None. Received: False."),
        ("1", float, "x must be a number. Received: '1'."),
        (1, str, "x must be a string. Received: 1."),
        (1, bool, "x must be True or False. Received: 1."),
        ("c", Literal["a", "b"], "x must be 'a' or 'b'. Received: 'c'."),
        (5, Literal["a", "b"] | None, "x must be 'a' or 'b' or None. Received: 5."),
        (
            (1, "2"),
            tuple[int, ...],
            "x must be a list of values, each a whole number. Received: (1, '2').",
        ),
        ({"a": 1}, dict[str, str], "x must be an object. Received: {'a': 1}."),
        (0, Annotated[int, Range(1)], "x must be at least 1. Received: 0."),
        (0, Annotated[float, Range(0, ends="()")], "x must be more than 0. Received: 0."),
        (1.0, Annotated[float, Range(0, 1)], "x must be in [0, 1). Received: 1.0."),
        (float("nan"), Annotated[float, Range(0)], "x must be at least 0. Received: nan."),
        (float("inf"), Annotated[float, Range(0)], "x must be at least 0. Received: inf."),
    ],
)
def test_values_that_do_not_fit_are_told(value, annotation, message):
    with pytest.raises(UserError) as error:
        check(value, annotation, "x")
    assert str(error.value) == message


@dataclasses.dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner | None = None
    folder: pathlib.Path | None = None


def test_dataclasses_are_made_from_json():
    made = from_plain(Outer, {"name": "a", "inner": {"sizes": [1, 2]}, "folder": "b"}, "x")
    assert made == Outer("a", Inner((1, 2)), pathlib.Path("b"))
    assert from_plain(Outer, {"name": "a", "inner": None}, "x") == Outer("a")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"x must be an object. Received: \[\]"),
        ({"nmae": "a"}, "Unknown value of x 'nmae'. The closest: name"),
        ({"inner": None}, "x is incomplete: .*'name'"),
        ({"name": 1}, "name must be a string. Received: 1"),
        (
            {"name": "a", "inner": {"sizes": [1, "2"]}},
            "sizes must be a list of values, each a whole number",
        ),
    ],
)
def test_what_makes_no_dataclass_is_told(values, message):
    with pytest.raises(UserError, match=message):
        from_plain(Outer, values, "x")


def test_fields_are_checked_all_or_by_name():
    wrong = Outer(name=1, inner=2)
    with pytest.raises(UserError, match="name must be a string"):
        check_fields(wrong)
    with pytest.raises(UserError, match="inner must be an object or None"):
        check_fields(wrong, "inner")
    check_fields(wrong, "folder")


def test_the_checkers_load_with_the_first_check():
    code = (
        "import sys, kerasnets, kerasnets.values, kerasnets.models.build, kerasnets.config.training;"
        "assert 'typeguard' not in sys.modules;"
        "kerasnets.values.check(1, int, 'x');"
        "assert 'typeguard' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
