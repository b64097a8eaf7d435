"""``kerasnets benchmark``."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from dataclasses import dataclass, field

from tyro.conf import OmitArgPrefixes, Positional

from kerasnets.benchmark.config import BenchmarkConfig, checked_networks
from kerasnets.errors import UserError


@dataclass(frozen=True)
class Benchmark:
    """Measure the build time, training step, latency, memory and size of networks.

    Every backend of Keras will do: KERAS_BACKEND=jax needs no TensorFlow.
    """

    networks: Positional[tuple[str, ...]]
    """Names from `kerasnets list`."""
    config: OmitArgPrefixes[BenchmarkConfig] = field(default_factory=BenchmarkConfig)
    out: pathlib.Path | None = None
    """File to write too: the measurements as .json, or a chart of them as .png, .svg or .pdf."""

    def run(self) -> None:
        from kerasnets.benchmark.measure import measure
        from kerasnets.cli.tables import show
        from kerasnets.files import check_writable, make_folder, write_text
        from kerasnets.plotting import ENDINGS

        if self.out and self.out.suffix not in (".json", *ENDINGS):
            raise UserError(
                f"--out must end in .json, {', '.join(ENDINGS)}. Received: {str(self.out)!r}."
            )
        networks, config = checked_networks(self.networks), self.config.resolved()
        if self.out:
            check_writable(self.out.parent)
            make_folder(self.out.parent)
        rows, cells = [], []
        for row in measure(networks, config):
            rows.append(row)
            images = "" if row.what == "build" else f"{row.batch} of {row.size} {row.precision}"
            label = [row.network, row.parameters, row.what, images]
            if row.median is None:
                cells.append([*label, f"failed: {row.error}", None, None, None])
                continue
            speed = None if row.what == "build" else f"{row.batch / row.median:.1f}"
            cells.append([*label, row.times, speed, f"{row.first_s:.1f}", f"{row.memory_mib:.0f}"])
        header = ["network", "parameters", "what", "images", "ms", "images/s", "first s", "MiB"]
        show(header, cells, left=("network", "what"))
        if self.out and self.out.suffix == ".json":
            found = [dataclasses.asdict(row) for row in rows]
            write_text(self.out, json.dumps(found, indent=1) + "\n")
        elif self.out:
            from kerasnets.benchmark.chart import save_chart

            save_chart(self.out, rows)
            print(f"Written to {self.out}.")
