"""The commands that the pages on training tell their readers to type."""

from __future__ import annotations

import pathlib
import re
import shlex

import pytest
import yaml

from kerasnets.cli.main import parse

DOCS = pathlib.Path(__file__).parent.parent.parent / "docs"
PAGES = ("distributed.md", "labels.md", "transfer.md", "tuning.md")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page, with continued lines joined."""
    text = (DOCS / page).read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(page: str) -> list[list[str]]:
    """The arguments of `kerasnets` in shell blocks and in containers."""
    found = [
        shlex.split(match, comments=True)
        for block in blocks(page, "sh")
        for match in re.findall(r"\bkerasnets ((?:train|tune) [^\"\n]*)", block)
    ]
    for block in blocks(page, "yaml"):
        for replica in yaml.safe_load(block)["spec"]["tfReplicaSpecs"].values():
            for container in replica["template"]["spec"]["containers"]:
                program, *rest = container["command"]
                assert program == "kerasnets"
                found.append(rest)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_commands_have_the_flags_that_they_are_given(page):
    found = commands(page)
    assert found
    for words in found:
        # What a shell would put in, and what the reader has to.
        plain = [re.sub(r"\$\w+", "0", word) for word in words if word != "..."]
        assert parse(plain).config.model, words


def test_a_wrong_flag_is_seen():
    from kerasnets import UserError

    with pytest.raises(UserError, match="--claster"):
        parse(["train", "--claster", "0"])
