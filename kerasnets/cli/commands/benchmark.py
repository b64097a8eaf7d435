"""``kerasnets benchmark``."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tyro.conf import OmitArgPrefixes, Positional

from kerasnets.benchmark.config import BenchmarkConfig, checked_networks
from kerasnets.errors import UserError


@dataclass(frozen=True)
class Benchmark:
    """Measure the build time, training step, latency, memory and size of networks or models.

    Every backend of Keras will do for networks: KERAS_BACKEND=jax needs no TensorFlow.
    """

    networks: Positional[tuple[str, ...]]
    """Names from `kerasnets list`; or exports, runs and URLs of models, whose answers are timed."""
    config: OmitArgPrefixes[BenchmarkConfig] = field(default_factory=BenchmarkConfig)
    out: pathlib.Path | None = None
    """File to write too: the measurements as .json, or a chart of networks as .png, .svg, .pdf."""

    def run(self) -> None:
        from kerasnets.cli.checks import is_export, is_run

        models = [each for each in self.networks if is_export(each) or is_run(each)]
        if models and len(models) < len(self.networks):
            (other, *_) = (each for each in self.networks if each not in models)
            raise UserError(
                "Give networks or models, whose figures are others. Received: the model "
                f"{models[0]!r}, the network {other!r}."
            )
        if models:
            self._check_out(())
            return self._measure_models(models)
        from kerasnets.plotting import ENDINGS

        self._check_out(ENDINGS)
        return self._measure_networks()

    def _check_out(self, pictures: Sequence[str]) -> None:
        from kerasnets.files import check_writable, make_folder

        if not self.out:
            return
        if self.out.suffix not in (".json", *pictures):
            endings = ", ".join((".json", *pictures))
            raise UserError(f"--out must end in {endings}. Received: {str(self.out)!r}.")
        check_writable(self.out.parent)
        make_folder(self.out.parent)

    def _measure_models(self, models: list[str]) -> None:
        from kerasnets.benchmark.models import SIDES, measure_models
        from kerasnets.cli.tables import show

        rows, cells = list(measure_models(models, self.config.resolved())), []
        if all(row.error for row in rows):
            raise UserError(str(rows[0].error))
        for row in rows:
            if row.error:
                cells.append([row.model, f"failed: {row.error}", *[None] * 6])
                continue
            figures = (row.megabytes, row.first_s, row.p50_ms, row.p99_ms, row.images_per_s)
            numbers = [None if each is None else f"{each:,.2f}" for each in figures]
            memory = None if row.memory_mib is None else round(row.memory_mib)
            cells.append([row.model, row.kind, *numbers, memory])
        header = ["model", "kind", "MB", "first s", "p50 ms", "p99 ms", "images/s", "MiB"]
        show(header, cells, left=("model", "kind"))
        print(
            "Of a photograph of {1} x {0} pixels, decoded each time; ms of one image at a time, "
            "images/s of many.".format(*SIDES)
        )
        self._write(rows)

    def _measure_networks(self) -> None:
        from kerasnets.benchmark.measure import measure
        from kerasnets.cli.tables import show

        networks, config = checked_networks(self.networks), self.config.resolved()
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
        if self.out and self.out.suffix != ".json":
            from kerasnets.benchmark.chart import save_chart

            save_chart(self.out, rows)
            print(f"Written to {self.out}.")
        else:
            self._write(rows)

    def _write(self, rows: Sequence[Any]) -> None:
        """Writes dataclasses as JSON, where that is asked for."""
        from kerasnets.files import write_text

        if self.out:
            found = [dataclasses.asdict(row) for row in rows]
            write_text(self.out, json.dumps(found, indent=1) + "\n")
