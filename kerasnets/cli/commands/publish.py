"""``kerasnets publish``."""

from __future__ import annotations

import logging
import pathlib
from dataclasses import dataclass
from typing import Literal

from tyro.conf import Positional

from kerasnets.cli.checks import check_run
from kerasnets.cli.loading import load_tensorflow
from kerasnets.errors import UserError
from kerasnets.files import check_writable

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class Publish:
    """Publish a run on the Hugging Face hub: weights, classes, figures and a model card.

    The hub's own client uploads: `hf auth login`, or a token in HF_TOKEN.
    """

    folder: Positional[pathlib.Path]
    """Folder of a finished run."""
    to: Positional[str]
    """Repository of the hub, hf:OWNER/NAME; it is made where there is none."""
    licence: str
    """Licence of the weights, as the hub calls it: apache-2.0, mit, cc-by-4.0, other..."""
    include: Literal["none", "savedmodel", "litert", "both"] = "none"
    """Exports to publish beside the weights."""
    private: bool = False
    """Make the repository private, if it is made."""
    dry_run: pathlib.Path | None = None
    """New folder in which the files are written, to look at; nothing is uploaded then."""

    def run(self) -> None:
        from kerasnets.publishing.folder import Publication, write_folder

        run = check_run(self.folder)
        exports = {"none": (), "both": ("savedmodel", "litert")}.get(self.include, (self.include,))
        publication = Publication.of(run, self.to, self.licence, exports)
        if self.dry_run is not None:
            check_writable(self.dry_run)
            if self.dry_run.is_dir() and any(self.dry_run.iterdir()):
                raise UserError(f"--dry-run {str(self.dry_run)!r} is not empty; give a new folder.")
        if exports:
            load_tensorflow(keras="tensorflow")
        if self.dry_run is not None:
            write_folder(publication, self.dry_run)
            log.info("What would be published is in %s; its README.md is the card.", self.dry_run)
            return
        from kerasnets.publishing.hub import publish

        log.info("Published: %s", publish(publication, private=self.private))
        log.info("  kerasnets predict %s IMAGE", self.to)
