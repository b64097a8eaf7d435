"""``kerasnets report``."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

from tyro.conf import Positional

from kerasnets.cli.checks import check_file
from kerasnets.cli.loading import load_tensorflow
from kerasnets.errors import UserError


@dataclass(frozen=True)
class Report:
    """Write what is known of runs as one HTML file, with a comparison where they are several."""

    runs: Positional[tuple[str, ...]]
    """Run folders."""
    out: pathlib.Path | None = None
    """HTML file; report.html in the run's folder, or here for several runs, if not given."""
    pictures: bool = True
    """Show the worst mistakes and their Grad-CAM maps, for which network and data are loaded."""

    def run(self) -> None:
        from kerasnets.reports.comparison import facts_of
        from kerasnets.reports.page import save_report

        if not self.runs:
            raise UserError("Name a run folder; kerasnets runs lists those below runs/.")
        if self.out:
            check_file(self.out, (".html", ".htm"))
        facts = facts_of(self.runs)
        if self.pictures:
            load_tensorflow(keras="tensorflow")
        runs = [each.run for each in facts]
        path = save_report(runs, self.out, pictures=self.pictures, latency=self.pictures)
        print(f"Written to {path}.")
