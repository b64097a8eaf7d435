"""Flags, which tyro makes from the fields of dataclasses.

tyro loads typeguard, and with it asyncio, where the type of a flag is generic; such types are
replaced here, since that takes as long as everything else before a help text.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import io
import itertools
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import tyro
from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

from kerasnets.errors import UserError


def read_flags(command: Any, program: str, arguments: list[str]) -> Any:
    """The command with the values of its flags.

    Args:
        command: A dataclass; or a class with the types of its flags, ``flags()``, and a way to be
            made of those that are given, ``from_flags(values)``.
        program: Name of the program, for its help.
        arguments: Flags and values.

    Raises:
        UserError: When they cannot be understood.
        SystemExit: After ``--help``, with code 0.
    """
    kind, about = command, inspect.cleandoc(command.__doc__)
    if hasattr(command, "flags"):
        # A type checker wants to see the fields.
        kind: Any = typing.TypedDict("kind", command.flags(), total=False)  # pyright: ignore
    shown = io.StringIO()
    try:
        with contextlib.redirect_stderr(shown):
            found = tyro.cli(kind, prog=program, args=arguments, description=about)
    except SystemExit as stop:
        if stop.code == 0:
            raise
        # The name of a group of flags, such as config.recipe, is nothing that anybody has typed.
        message = re.sub(r"^Error parsing (?!-)[\w.]+: ", "", one_line(shown.getvalue()))
        raise UserError(f"{message} (see {program} --help)") from None
    return command.from_flags(found) if kind is not command else found


def one_line(box: str) -> str:
    """What a framed message of tyro says, without the frame and the hints below its rule."""
    lines = [line.strip("│ ") for line in box.splitlines()[1:]]
    # Where the terminal has no line-drawing characters, a rule stands below the title too.
    below_title = itertools.dropwhile(_is_rule, lines)
    message = itertools.takewhile(lambda line: not _is_rule(line), below_title)
    return " ".join(" ".join(message).split())


def _is_rule(line: str) -> bool:
    return re.fullmatch("[─╰╯-]*", line) is not None


def _spec(metavar: str, parse: Callable[[list[str]], Any], choices: Any = None) -> Any:
    """How tyro reads a flag that takes any number of words."""
    return PrimitiveConstructorSpec(
        nargs="*",
        metavar=f"[{metavar} ...]",
        instance_from_str=parse,
        is_instance=lambda value: isinstance(value, Mapping | tuple),
        str_from_instance=lambda value: list(map(str, value)),
        choices=choices,
    )


def _pairs(words: list[str]) -> dict[str, str]:
    if len(words) % 2:
        raise ValueError("expected pairs, NAME VALUE ...")
    return dict(zip(words[::2], words[1::2], strict=True))


# Options of a network, as NAME VALUE pairs.
Options = Annotated[dict, _spec("NAME VALUE", _pairs)]


def flags_of(cls: type, *without: str, default: str | None = None) -> dict[str, Any]:
    """The types of which tyro makes a flag for each field of a dataclass, by the field's name.

    Args:
        cls: The dataclass.
        *without: Names of fields that get no flag.
        default: What the help says is the default of every flag; the field's own if not given.
    """
    hints, docs = typing.get_type_hints(cls), field_docs(cls)
    flags = {}
    for field in dataclasses.fields(cls):
        if field.name not in without:
            shown = default or _words(field.default)
            flag = arg(help=docs[field.name], help_behavior_hint=shown and f"(default: {shown})")
            flags[field.name] = Annotated[_replaced(hints[field.name]), flag]
    return flags


def _replaced(hint: Any) -> Any:
    """A type that tyro reads as it would this one, without typeguard."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return typing.Union[parts]  # noqa: UP007
    if origin is Mapping:
        return Options
    if origin is tuple:
        choices, kind = typing.get_args(parts[0]) or None, parts[0]
        if choices:
            return Annotated[tuple, _spec(f"{{{','.join(choices)}}}", tuple, choices)]
        return Annotated[tuple, _spec(kind.__name__.upper(), lambda words: tuple(map(kind, words)))]
    return hint


def field_docs(cls: type) -> dict[str, str]:
    """The docstring below each field of a dataclass, by the field's name."""
    module = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    body = next(
        each.body
        for each in module.body
        if isinstance(each, ast.ClassDef) and each.name == cls.__name__
    )
    return {
        field.target.id: " ".join(doc.value.value.split())
        for field, doc in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(doc, ast.Expr)
        and isinstance(doc.value, ast.Constant)
        and isinstance(doc.value.value, str)
    }


def _words(default: object) -> str:
    if default is None or default is dataclasses.MISSING:
        return ""
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
