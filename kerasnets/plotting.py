"""Pictures that Matplotlib draws, written in the format that the file's ending names."""

from __future__ import annotations

import functools
import logging
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kerasnets.errors import UserError
from kerasnets.files import whole

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Text

log = logging.getLogger("kerasnets")

ENDINGS = (".png", ".svg", ".pdf")


def check_picture(path: str | os.PathLike, option: str = "--out") -> None:
    """Refuses a file that cannot become a picture, before the work.

    Args:
        path: The file to write.
        option: What the file was given by, for the message.

    Raises:
        UserError: When the ending is not one of `ENDINGS`, or there is no such folder.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"{option} must end in {', '.join(ENDINGS)}. Received: {str(path)!r}.")
    if not path.absolute().parent.is_dir():
        raise UserError(f"There is no folder {str(path.parent)!r} for {option}.")


def save_figure(figure: Figure, path: str | os.PathLike, dpi: int = 120) -> None:
    """Writes a figure, whole or not at all; all its text is in fonts that have its characters.

    A character that no installed font has is drawn as a question mark.

    Args:
        figure: The figure.
        path: File whose ending is one of `ENDINGS`.
        dpi: Pixels an inch, of a PNG and of images in the other formats.
    """
    for text in _texts(figure):
        content = text.get_text()
        if foreign := characters(content):
            fonts, unknown = fonts_for(foreign)
            text.set_fontfamily([*text.get_fontfamily(), *fonts])
            text.set_text(content.translate(dict.fromkeys(map(ord, unknown), "?")))
    with whole(path) as partial:
        figure.savefig(partial, format=pathlib.Path(path).suffix[1:].lower(), dpi=dpi)


def _texts(figure: Figure) -> list[Text]:
    """The texts of a figure; those of ticks are only there once they were asked for."""
    from matplotlib.text import Text

    drawn = [axis for axes in figure.axes if axes.axison for axis in (axes.xaxis, axes.yaxis)]
    ticks = [text for axis in drawn for text in axis.get_ticklabels()]
    return [*ticks, *(text for text in figure.findobj(Text) if isinstance(text, Text))]


def drawable(names: Sequence[str]) -> tuple[str, ...]:
    """Names of classes as pictures show them: of those that no installed font draws, the index.

    The log says so, once for the same names.
    """
    return _drawable(tuple(names))


@functools.lru_cache(maxsize=8)
def _drawable(names: tuple[str, ...]) -> tuple[str, ...]:
    missing = [name for name in names if fonts_for(characters(name))[1]]
    if missing:
        log.warning(
            "No installed font draws %d of the class names, such as %r; pictures show "
            "their indices.",
            len(missing),
            missing[0],
        )
    return tuple(str(index) if name in missing else name for index, name in enumerate(names))


def characters(text: str) -> frozenset[str]:
    """The characters of a text that Matplotlib's own font may lack."""
    return frozenset(character for character in text if ord(character) > 0x17F)


@functools.lru_cache(maxsize=4096)
def fonts_for(wanted: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Installed fonts that together have some characters, and the characters that none has."""
    missing = wanted - _glyphs(_own_font())
    found: list[str] = []
    while missing:
        path = max(_installed(), key=lambda path: len(missing & _glyphs(path)), default=None)
        if path is None or not missing & _glyphs(path):
            break
        missing -= _glyphs(path)
        found.append(_added(path))
    return tuple(found), missing


def _own_font() -> str:
    from matplotlib.font_manager import findfont

    return os.fspath(findfont("DejaVu Sans"))


@functools.lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """The paths of the fonts on this machine, also those that came after Matplotlib."""
    from matplotlib.font_manager import findSystemFonts

    return tuple(sorted(findSystemFonts()))


@functools.lru_cache(maxsize=1024)
def _glyphs(path: str) -> frozenset[str]:
    """The characters that a font file has; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@functools.lru_cache(maxsize=64)
def _added(path: str) -> str:
    """The name by which Matplotlib finds a font file."""
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    fontManager.addfont(path)
    return FT2Font(path).family_name


def plain_log_ticks(axis: Axis) -> None:
    """Gives a logarithmic axis plain numbers, 0.05, 0.1, 0.2, in the place of powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def log_ticks(low: float, high: float) -> list[float]:
    """Numbers between two, of which 1, 2 and 5 times a power of ten are the first choice."""
    from matplotlib.ticker import LogLocator

    return [
        tick for tick in LogLocator(subs=(1, 2, 5)).tick_values(low, high) if low <= tick <= high
    ]


def plain(value: float) -> str:
    """A number without a power of ten, ``0.002``, as far as one can still read it."""
    return f"{value:.7f}".rstrip("0").rstrip(".") if 1e-6 <= abs(value) < 1 else f"{value:,.10g}"
