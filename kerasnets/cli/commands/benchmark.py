"""``kerasnets benchmark``."""

from __future__ import annotations

import logging
import pathlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes

from kerasnets.benchmark.config import BenchmarkConfig
from kerasnets.errors import UserError
from kerasnets.lazy import installed

if TYPE_CHECKING:
    from kerasnets.benchmark.results import Results

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class Benchmark:
    """Measure our networks beside other libraries' on this machine.

    Every backend of Keras will do: KERAS_BACKEND=jax needs no TensorFlow.
    """

    config: OmitArgPrefixes[BenchmarkConfig] = field(default_factory=BenchmarkConfig)
    smoke: bool = False
    """Try one small network on small images, in less than two minutes."""
    out: pathlib.Path | None = None
    """JSON file of the results, with a CSV file and a picture beside it; an existing file grows."""
    read: pathlib.Path | None = None
    """Measure nothing, and show the results of this file, or of all files in this folder."""
    report: pathlib.Path | None = None
    """Markdown file to which a page of the results is written."""

    def run(self) -> None:
        from kerasnets.benchmark.report import write_page
        from kerasnets.benchmark.results import load, results_files

        if self.report and not (self.read or self.out):
            raise UserError("--report needs --out or --read, where results are.")
        if self.out and self.out.suffix != ".json":
            raise UserError(f"--out must be a .json file. Received: {str(self.out)!r}.")
        if self.read:
            files = {path.stem: load(path) for path in results_files(self.read)}
        else:
            files = {self.out.stem if self.out else "": self._measured()}
        for results in files.values():
            _show(results)
        if self.report:
            write_page(self.report, files)
            print(f"Written to {self.report}.")

    def _measured(self) -> Results:
        from kerasnets.benchmark.config import smoke
        from kerasnets.benchmark.report import save_plot
        from kerasnets.benchmark.results import load_or_start, save
        from kerasnets.benchmark.runner import measure
        from kerasnets.files import make_folder

        config = (smoke(self.config) if self.smoke else self.config).resolved()
        results = load_or_start(self.out)

        def keep(results: Results) -> None:
            if self.out:
                make_folder(self.out.parent)
                save(results, self.out)

        measure(config, results, keep)
        if self.out and not installed("matplotlib"):
            log.info("no picture of the results: matplotlib is not installed")
        elif self.out:
            save_plot(results, self.out.with_suffix(".png"))
        return results


def _show(results: Results) -> None:
    from kerasnets.benchmark.report import failures, means, setting, table
    from kerasnets.cli.tables import show

    print("\n".join(setting(results)))
    show(*table(results), left=("network", "what"))
    header, cells = means(results)
    if cells:
        show(header, cells, left=header[:3])
    for line in failures(results):
        print(f"not measured: {line}")
