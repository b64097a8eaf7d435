"""``kerasnets merge``."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

from tyro.conf import Positional


@dataclass(frozen=True)
class Merge:
    """Join the files that predict --shard wrote on several machines."""

    file: Positional[pathlib.Path]
    """File that --out named; FILE-1-of-N to FILE-N-of-N must lie beside it."""
    overwrite: bool = False
    """Replace a file that is there already."""

    def run(self) -> None:
        from kerasnets.prediction.merging import merge

        images, bad = merge(self.file, overwrite=self.overwrite)
        print(f"Written to {self.file}: {images - bad:,} answers, {bad:,} bad files.")
