"""Pictures that Matplotlib draws, written in the format that the file's ending names."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING

from kerasnets.errors import UserError
from kerasnets.files import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    """Writes a figure, whole or not at all.

    Args:
        figure: The figure.
        path: File whose ending is one of `ENDINGS`.
        dpi: Pixels an inch, of a PNG and of images in the other formats.
    """
    with whole(path) as partial:
        figure.savefig(partial, format=pathlib.Path(path).suffix[1:].lower(), dpi=dpi)
