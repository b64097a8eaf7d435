"""What the measurements say: tables, ratios, means, a page and a picture."""

from __future__ import annotations

import itertools
import pathlib
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.side_by_side.networks import PEERS
from benchmarks.side_by_side.results import Results, Row
from kerasnets.benchmark.chart import save_chart
from kerasnets.files import write_text
from kerasnets.plotting import save_figure

OURS, *OTHERS = PEERS
# The forms of inference, which a peer that has one alone is compared to in all.
FORMS = ("eager", "graph", "xla", "exported")

LEGEND = (
    "Each peer runs in a process of its own and they take turns; a time is the median of the "
    "rounds ± half of their range, a ratio their median over ours, then the least and the "
    "largest of one round: above 1 we are faster. `of peak` is the fraction of the fastest "
    "matrix product of the run that convolutions and dense layers reach (two operations a "
    "multiply-add, three times as many in training), above 100 % where Winograd's tiles save "
    "products; `MiB` the peak memory of the process, or of the device. An asterisk marks a peer "
    "that has no such network, but one near to it. PyTorch's eager inference stands beside all "
    "forms of ours. `build` builds the network without its weights from a file. `fastest "
    "inference` compares the fastest form of each: what a user can have."
)
# At the end of the page: the run that any reader with a GPU can add.
ON_A_GPU = """
On a GPU, with keras, jax[cuda], torch and torchvision:

    KERAS_BACKEND=jax python -m benchmarks.side_by_side --networks resnet50_v1_5 \\
        --what train,graph --sizes 224 --batch-sizes 256 --precisions bfloat16 --devices gpu \\
        --peers kerasnets keras.applications torchvision torchvision_compiled \\
        --out benchmarks/results/gpu-jax.json
"""

Table = tuple[list[str], list[list[str]]]


@dataclass(frozen=True)
class Pair:
    """One of our rows and a peer's beside it."""

    ours: Row
    theirs: Row

    @property
    def ratio(self) -> float:
        """How many times as fast we are: their median over ours."""
        return self.theirs.median / self.ours.median

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the largest ratio in one round."""
        rounds = zip(self.theirs.seconds, self.ours.seconds, strict=False)
        ratios = [theirs / ours for theirs, ours in rounds]
        return min(ratios), max(ratios)


def pairs(results: Results) -> list[Pair]:
    """Each of our rows with each peer's of the same; both must have times."""
    measured = [row for row in results.rows if row.median is not None]
    found = []
    for ours in measured:
        if ours.peer == OURS:
            for peer in OTHERS:
                theirs = _beside(ours, peer, measured)
                if theirs is not None:
                    found.append(Pair(ours, theirs))
    return found


def _beside(ours: Row, peer: str, rows: list[Row]) -> Row | None:
    """The peer's row of the same job; of inference, its only form where it has one alone."""
    theirs = [row for row in rows if row.peer == peer and row.job == ours.job]
    if peer in ("torchvision", "torchvision_compiled", "timm") and ours.what in FORMS:
        theirs = [row for row in theirs if row.what in FORMS]
    else:
        theirs = [row for row in theirs if row.what == ours.what]
    return theirs[0] if theirs else None


def fastest_pairs(results: Results) -> list[Pair]:
    """Our fastest form of each network's inference with each peer's fastest."""
    fastest: dict[tuple, Row] = {}
    for row in results.rows:
        if row.what in FORMS and row.median is not None:
            key = row.peer, row.job
            fastest[key] = min(row, fastest.get(key, row), key=lambda each: each.median)
    return [
        Pair(fastest[OURS, job], theirs)
        for (peer, job), theirs in fastest.items()
        if peer != OURS and (OURS, job) in fastest
    ]


def table(results: Results) -> Table:
    """Our rows with each peer's beside them: header and cells."""
    found = pairs(results)
    peers = [peer for peer in OTHERS if any(pair.theirs.peer == peer for pair in found)]
    header = ["network", "what", "images", "ms", "images/s", "of peak", "first s", "MiB"]
    for peer in peers:
        header += [peer, "times as fast"]
    cells = []
    for row in sorted(results.rows, key=_order):
        if row.peer == OURS:
            beside = {pair.theirs.peer: pair for pair in found if pair.ours is row}
            cells.append(_cells(row, results) + _peer_cells(peers, beside))
    return header, cells


def _order(row: Row) -> tuple:
    jobs = ("build", "train", "train_xla", *FORMS)
    return row.precision, row.device, row.batch, row.size, row.network, jobs.index(row.what)


def _cells(row: Row, results: Results) -> list[str]:
    peak = results.peak(row.precision, row.device)
    fraction = f"{row.flops / peak:.0%}" if row.flops and peak else ""
    precision = "" if row.precision == "float32" else f" {row.precision}"
    size = "" if row.what == "build" else f"{row.batch} of {row.size}{precision}"
    if row.median is None:
        return [row.network, row.what, size, f"failed: {row.error}", "", "", "", ""]
    speed = "" if row.what == "build" else f"{row.batch / row.median:.1f}"
    first = "" if row.first_s is None else f"{row.first_s:.1f}"
    memory = "" if row.memory_mib is None else f"{row.memory_mib:.0f}"
    return [row.network, row.what, size, row.times, speed, fraction, first, memory]


def _peer_cells(peers: Iterable[str], beside: dict[str, Pair]) -> list[str]:
    cells = []
    for peer in peers:
        if peer not in beside:
            cells += ["", ""]
            continue
        pair = beside[peer]
        nearest = "" if pair.theirs.same else "*"
        low, high = pair.spread
        cells += [pair.theirs.times, f"{pair.ratio:.2f}{nearest} ({low:.2f} to {high:.2f})"]
    return cells


def means(results: Results) -> Table:
    """Geometric means of the ratios, over all networks that a peer has."""
    found, fastest = pairs(results), fastest_pairs(results)
    measured = ("build", "train", "train_xla", *FORMS)
    groups = {job: [p for p in found if p.ours.what == job] for job in measured}
    groups |= {
        "all but build": [p for p in found if p.ours.what != "build"],
        "fastest inference": fastest,
        "train and fastest inference": groups["train"] + fastest,
    }
    cells = []
    for peer, (name, group) in itertools.product(OTHERS, groups.items()):
        chosen = [p for p in group if p.theirs.peer == peer]
        same = [pair.ratio for pair in chosen if pair.theirs.same]
        kinds = {"the same": same, "and the nearest": [pair.ratio for pair in chosen]}
        if len(same) == len(chosen):
            del kinds["and the nearest"]
        for kind, ratios in kinds.items():
            if ratios:
                mean, least = f"{statistics.geometric_mean(ratios):.2f}", f"{min(ratios):.2f}"
                cells.append([peer, name, kind, str(len(ratios)), mean, least])
    return ["peer", "what", "networks", "rows", "geometric mean", "least"], cells


def failures(results: Results) -> list[str]:
    """What could not be measured."""
    return [
        f"{row.network} {row.what}, {row.peer}: {row.error}" for row in results.rows if row.error
    ]


def setting(results: Results) -> list[str]:
    """The machine, the versions and the peaks, a line each."""
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    versions = {}
    for row in results.rows:
        versions |= row.versions
    dates = sorted({row.date for row in results.rows})
    lines = [
        machine,
        ", ".join(f"{name} {version}" for name, version in sorted(versions.items())),
        f"measured {' to '.join(dict.fromkeys((dates[0], dates[-1])))}" if dates else "no rows",
    ]
    for key, flops in results.peaks.items():
        lines.append(f"matrix product, {key}: {flops / 1e9:,.0f} GFLOP/s")
    return lines


def write_page(path: pathlib.Path, files: dict[str, Results]) -> None:
    """RESULTS.md: everything, for each file of results."""
    write_text(path, "\n".join(_page(files)) + "\n")


def _page(files: dict[str, Results]) -> Iterator[str]:
    yield "# Benchmark\n"
    command = "python -m benchmarks.side_by_side --read benchmarks/results --report FILE"
    yield f"Written by `{command}` from the files in `results/`. " + LEGEND
    for name, results in files.items():
        yield f"\n## {name}\n"
        yield from (f"- {line}" for line in setting(results))
        yield ""
        yield from _markdown(*table(results))
        header, cells = means(results)
        if cells:
            yield "\nTimes as fast as the peer:\n"
            yield from _markdown(header, cells)
        if found := failures(results):
            yield "\nNot measured:\n"
            yield from (f"- {line}" for line in found)
    yield ON_A_GPU.rstrip()


def _markdown(header: list[str], cells: list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row in cells:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"


def _names(rows: list[Row]) -> list[str]:
    """Network and job of each row, and what else is not the same in all."""
    facts = [
        {"images": row.batch, "pixels": row.size, "": row.precision, "on": row.device}
        for row in rows
    ]
    differ = [word for word in facts[0] if len({each[word] for each in facts}) > 1]
    return [
        " ".join([row.network, row.what, *(f"{word} {each[word]}".strip() for word in differ)])
        for row, each in zip(rows, facts, strict=True)
    ]


def save_plot(results: Results, path: pathlib.Path) -> None:
    """Bars: how many times as fast as each peer, for each network and job.

    Where no peer was measured, the times against the networks' accuracies or sizes.
    """
    import matplotlib.figure

    found = [pair for pair in pairs(results) if pair.ours.what != "build"]
    if not found:
        save_chart(path, results.rows)
        return
    named = _names([pair.ours for pair in found])
    labels = list(dict.fromkeys(named))
    peers = [peer for peer in OTHERS if any(pair.theirs.peer == peer for pair in found)]
    figure = matplotlib.figure.Figure((8, 1 + 0.3 * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    height = 0.8 / max(1, len(peers))
    for number, peer in enumerate(peers):
        chosen = [place for place, pair in enumerate(found) if pair.theirs.peer == peer]
        places = [labels.index(named[place]) for place in chosen]
        axes.barh(
            [place + (number - (len(peers) - 1) / 2) * height for place in places],
            [found[place].ratio for place in chosen],
            height,
            label=peer,
        )
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("times as fast as the peer")
    axes.legend()
    figure.suptitle("kerasnets beside its peers: above 1 it is faster", fontsize=10)
    save_figure(figure, path)
