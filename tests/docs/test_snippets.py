"""The Python that docs/data.md has the reader run, and the README's example of options."""

import re

import pytest

from tests.docs.pages import DOCS


def snippets() -> list[str]:
    found = re.findall(r"```python\n(.*?)```", (DOCS / "data.md").read_text(), re.DOTALL)
    # `tests/test_plugins.py` makes a package of the others.
    return [each for each in found if "register_" not in each]


@pytest.mark.parametrize("number", range(len(snippets())))
def test_a_snippet_runs_by_itself(number, image_folder):
    scope: dict[str, object] = {}
    few = {"folder:flowers": f"folder:{image_folder}", "batch_size=128": "batch_size=8"}
    text = snippets()[number]
    for words, smaller in few.items():
        text = text.replace(words, smaller)
    exec(text, scope)
    assert "augment" in scope
    if "batches" in scope:
        images, labels = next(iter(scope["batches"]))
        assert images.shape[1:] == (224, 224, 3)
        assert labels.shape[1:] == (2,)


def test_every_option_has_a_value_on_the_command_line():
    from kerasnets.cli.main import parse

    text = (DOCS.parent / "README.md").read_text()
    (words,) = re.findall(r"`kerasnets (summary [^`]*--options [^`]*)`", text)
    command = parse(words.split())
    assert dict(command.options) == {"stem": "small", "remat": "true"}
