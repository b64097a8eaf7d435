"""``kerasnets compare``."""

from __future__ import annotations

import dataclasses
import pathlib
from dataclasses import dataclass

from tyro.conf import Positional

from kerasnets.cli.checks import check_file
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.tables import show
from kerasnets.errors import UserError
from kerasnets.plotting import check_picture


@dataclass(frozen=True)
class Compare:
    """Compare runs, and test whether two of them differ significantly."""

    runs: Positional[tuple[str, ...]]
    """Run folders, two or more."""
    out: pathlib.Path | None = None
    """Picture of all curves to write: .png, .svg or .pdf."""
    csv: pathlib.Path | None = None
    """CSV file of the images for which two runs have other predictions."""
    latency: bool = True
    """Measure how long each network takes for one image."""

    def run(self) -> None:
        from kerasnets.reports.comparison import (
            compare_facts,
            facts_of,
            save_comparison_curves,
            write_differing,
        )

        if len(self.runs) < 2:
            raise UserError(f"Give two run folders or more. Received: {len(self.runs)}.")
        if self.out:
            check_picture(self.out)
        if self.csv:
            check_file(self.csv, (".csv",), "--csv")
        if self.csv and len(self.runs) > 2:
            raise UserError(f"--csv is for two runs. Received: {len(self.runs)}.")
        found = facts_of(self.runs)
        comparison = compare_facts(found, latency=False)
        if self.csv and comparison.pair is None:
            raise UserError(f"--csv is not possible: {comparison.untested}")
        if self.latency:
            load_tensorflow(keras="tensorflow")
            from kerasnets.reports.latency import measure_latencies

            times = measure_latencies([facts.run for facts in found])
            comparison = dataclasses.replace(comparison, latencies=times)
        show(comparison.header, comparison.rows, left=("run", "network"))
        if comparison.settings:
            names = [each.name for each in comparison.runs]
            rows = [(name, *values) for name, values in comparison.settings.items()]
            print("What differs in their settings:")
            show(("setting", *names), rows, left=("setting", *names))
        else:
            print("They were trained with the same settings.")
        print(
            *(comparison.pair.sentences() if comparison.pair else [comparison.untested]), sep="\n"
        )
        if self.out:
            save_comparison_curves(self.out, found)
            print(f"Curves written to {self.out}.")
        if self.csv and comparison.pair:
            write_differing(self.csv, comparison.pair)
            count = len(comparison.pair.differing)
            print(f"{count:,} images with other predictions written to {self.csv}.")
