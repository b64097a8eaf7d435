"""READMEs and cards as text."""

from __future__ import annotations

import functools
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kerasnets.cards.card import Card, card_of_run
from kerasnets.files import write_text

if TYPE_CHECKING:
    import jinja2

    from kerasnets.runs.run import Run

README = "README.md"


class Signature(NamedTuple):
    """What a SavedModel can be asked: tensors by name, as ``uint8 (N, any, any, 3)``."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def run_readme(run: Run) -> None:
    """Writes the README of a finished run into its folder."""
    card, place = card_of_run(run), shlex.quote(str(run.folder))
    explain = [(f"explain {place} --mistakes 6", "where it found the wrong class")]
    following = [
        (f"predict {place} IMAGE...", "or a folder of images: --out answers.csv"),
        (f"evaluate {place}", "on the images that were held out"),
        *([] if "explain" in card.task.refuses else explain),
        (f"export {place}", f"a SavedModel, savedmodels/{card.network}; --format litert|onnx"),
        ("serve savedmodels", "answers over HTTP, after the export"),
        (f"publish {place} hf:OWNER/NAME --licence LICENCE", "on the Hugging Face hub"),
    ]
    text = render("run.md", card=card, following=commands(following))
    write_text(run.folder / README, text)


def export_readme(
    version: pathlib.Path, folder: pathlib.Path, card: Card, signatures: Mapping[str, Signature]
) -> None:
    """Writes the README of an exported SavedModel.

    Args:
        version: The SavedModel, maybe not yet under its name.
        folder: The folder of all versions, which commands take.
        card: The facts of the network.
        signatures: By name.
    """
    place = shlex.quote(str(folder))
    data = "" if card.data else " --data DATA"
    following = [
        (f"predict {place} IMAGE...", "or a folder of images: --out answers.csv"),
        (f"evaluate {place}{data}", "what the export costs"),
        (f"serve {place}", "TensorFlow Serving's REST API on port 8501"),
        (f"deploy {place} --to deployed", "files for TensorFlow Serving itself"),
    ]
    text = render("export.md", card=card, signatures=signatures, following=commands(following))
    write_text(version / README, text)


def commands(following: Sequence[tuple[str, str]]) -> str:
    """Commands of `kerasnets` with what they are for, one a line."""
    width = max(len(words) for words, _ in following)
    return "\n".join(f"kerasnets {words:{width}}  # {what}" for words, what in following)


def render(template: str, **facts: Any) -> str:
    """The text of a template of ``texts/``."""
    return _environment().get_template(template).render(facts)


@functools.lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("kerasnets.cards", "texts"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
