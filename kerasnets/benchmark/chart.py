"""A chart of measurements: what a network takes in time against what it is worth or how large."""

from __future__ import annotations

import os
from collections.abc import Iterable

from kerasnets import registry
from kerasnets.benchmark.measure import Measurement
from kerasnets.errors import UserError
from kerasnets.plotting import plain_log_ticks, save_figure

# The jobs that answer images, the first choice of what to draw.
INFERENCE = ("eager", "graph", "xla", "exported")


def save_chart(path: str | os.PathLike, measurements: Iterable[Measurement]) -> None:
    """Draws the time for an image against the accuracy of the published weights on ImageNet.

    Where one of the networks has no such weights, against the number of parameters. Training
    steps are drawn where no inference was measured, and building where no step was.

    Args:
        path: File whose ending is one of `kerasnets.plotting.ENDINGS`.
        measurements: Measurements; those that failed are left out.
    """
    from matplotlib.figure import Figure

    rows = [row for row in measurements if row.median is not None and row.parameters]
    kinds = (INFERENCE, ("train", "train_xla"), ("build",))
    drawn = next(filter(None, ([r for r in rows if r.what in kind] for kind in kinds)), [])
    accuracies = {row.network: _accuracy(row.network) for row in rows}
    by_accuracy = bool(accuracies) and None not in accuracies.values()
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    for what in dict.fromkeys(row.what for row in drawn):
        own = [row for row in drawn if row.what == what]
        x = [_milliseconds(row) for row in own]
        y = [accuracies[row.network] if by_accuracy else row.parameters for row in own]
        axes.scatter(x, y, label=what, alpha=0.8)  # pyright: ignore[reportArgumentType]
    for name in dict.fromkeys(row.network for row in drawn):
        fastest = min((row for row in drawn if row.network == name), key=_milliseconds)
        y = accuracies[name] if by_accuracy else fastest.parameters
        axes.annotate(
            name, (_milliseconds(fastest), float(y or 0)), (5, 4), textcoords="offset points",
            fontsize=8, parse_math=False,
        )  # fmt: skip
    if not drawn:
        axes.text(0.5, 0.5, "nothing was measured", ha="center", transform=axes.transAxes)
    unit = "to build" if drawn and drawn[0].what == "build" else "for an image"
    axes.set(
        xscale="log", xlabel=f"milliseconds {unit}",
        ylabel="top-1 accuracy on ImageNet, %" if by_accuracy else "parameters",
    )  # fmt: skip
    plain_log_ticks(axes.xaxis)
    if not by_accuracy:
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)
    axes.grid(alpha=0.3)
    if len(axes.collections) > 1:
        axes.legend(fontsize=8)
    what = "accuracy" if by_accuracy else "size"
    settings = sorted({f"batches of {row.batch}, {row.precision}" for row in drawn})
    figure.suptitle(f"Time against {what}: {'; '.join(settings)}", fontsize=10)
    save_figure(figure, path)


def _milliseconds(row: Measurement) -> float:
    assert row.median is not None
    return 1e3 * row.median / (1 if row.what == "build" else row.batch)


def _accuracy(network: str) -> float | None:
    """The best top-1 accuracy of a network's published weights, in percent."""
    try:
        return max((source.top1 for source in registry.info(network).weights), default=None)
    except UserError:
        return None  # a peer's own network
