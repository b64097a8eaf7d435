"""``python -m benchmarks.side_by_side``: measures, shows and reports."""

from __future__ import annotations

import logging
import pathlib
import sys
from dataclasses import dataclass, field

import tyro
from tyro.conf import OmitArgPrefixes

from benchmarks.side_by_side.config import SideBySideConfig, smoke
from benchmarks.side_by_side.report import failures, means, save_plot, setting, table, write_page
from benchmarks.side_by_side.results import Results, load, load_or_start, results_files, save
from benchmarks.side_by_side.runner import measure
from kerasnets.cli.tables import show
from kerasnets.errors import UserError
from kerasnets.files import make_folder
from kerasnets.lazy import installed


@dataclass(frozen=True)
class SideBySide:
    """Measure our networks beside other libraries' on this machine.

    Every backend of Keras will do: KERAS_BACKEND=jax needs no TensorFlow.
    """

    config: OmitArgPrefixes[SideBySideConfig] = field(default_factory=SideBySideConfig)
    smoke: bool = False
    """One small network on small images: whether it works, in less than two minutes."""
    out: pathlib.Path | None = None
    """Results as JSON, with a CSV and a picture beside; rows are added to an existing file."""
    read: pathlib.Path | None = None
    """Measure nothing; show these results, of a file or of all files in a folder."""
    report: pathlib.Path | None = None
    """Write a page of the results, as Markdown."""

    def run(self) -> None:
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
        config = (smoke(self.config) if self.smoke else self.config).resolved()
        results = load_or_start(self.out)

        def keep(results: Results) -> None:
            if self.out:
                make_folder(self.out.parent)
                save(results, self.out)

        measure(config, results, keep)
        if self.out and not installed("matplotlib"):
            print("no picture of the results: matplotlib is not installed", file=sys.stderr)
        elif self.out:
            save_plot(results, self.out.with_suffix(".png"))
        return results


def _show(results: Results) -> None:
    print("\n".join(setting(results)))
    show(*table(results), left=("network", "what"))
    header, cells = means(results)
    if cells:
        show(header, cells, left=header[:3])
    for line in failures(results):
        print(f"not measured: {line}")


def main() -> None:
    """The command; exits with 2 for what the user can put right."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("kerasnets").setLevel(logging.INFO)
    try:
        tyro.cli(SideBySide).run()
    except UserError as error:
        print(f"side_by_side: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
