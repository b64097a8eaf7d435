"""Options of a network as words."""

from __future__ import annotations

import pytest

from kerasnets import UserError
from kerasnets.config.options import parse_options


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("True", True),
        ("true", True),
        ("False", False),
        ("None", None),
        ("null", None),
        ("0.5", 0.5),
        ("[8,8,1]", [8, 8, 1]),
        ("none", "none"),
        ("relu", "relu"),
    ],
)
def test_words_are_read_as_they_are_printed(word, value):
    assert parse_options({"option": word}) == {"option": value}


def test_what_the_command_sets_is_refused():
    with pytest.raises(UserError, match="--options takes no 'classes'"):
        parse_options({"classes": "3"}, given=("classes",))
