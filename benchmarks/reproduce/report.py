"""docs/results.md: what was reproduced, beside the papers' numbers."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from benchmarks.reproduce.results import Outcome, earlier, known
from benchmarks.reproduce.targets import TARGETS, Target
from kerasnets.cli.main import parse
from kerasnets.cli.tables import written
from kerasnets.plotting import plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE = "results.png"
HEADING = "## Results"
HEADER = ("target", "paper, %", "here, mean, %", "std", "seeds", "epochs", "minutes")


def page() -> str:
    """The page, as Markdown."""
    found = {name: known(name) for name in TARGETS if known(name)}
    lines = [
        "# Results",
        "",
        "Papers' numbers and ours: top-1 accuracy after the last epoch, on the test images (of "
        "flowers: of `val`). `make reproduce TARGET=NAME` trains all seeds of a target again, goes "
        "on where it was stopped, and adds what it finds to the files in "
        "[benchmarks/reproduce/results](../benchmarks/reproduce/results), from which `make docs` "
        "writes this page. `std` is the standard deviation over the seeds; `minutes` is the median "
        "over them, on a machine that often did other work too.",
        "",
        written("markdown", HEADER, [_row(*each) for each in found.items()], left=("target",)),
        "",
        f"![Training error by epoch]({PICTURE})",
        "",
    ]
    for name, outcomes in found.items():
        lines += [*_section(name, TARGETS[name], outcomes), ""]
    if left := [f"`{name}`" for name in TARGETS if name not in found]:
        lines += [f"Not run yet: {', '.join(left)}.", ""]
    return "\n".join(lines)


def section() -> str:
    """README's section: what was trained to its end, and the papers' numbers."""
    done = {
        name: [each.accuracy for each in known(name) if each.accuracy is not None]
        for name in TARGETS
    }
    rows = [
        (
            f"`{TARGETS[name].model}`",
            TARGETS[name].called,
            f"{paper:.2f}" if (paper := TARGETS[name].paper) else "–",
            f"{statistics.fmean(found):.2f}"
            + (f" ± {statistics.stdev(found):.2f}" if len(found) > 1 else ""),
            len(found),
            f"`make reproduce TARGET={name}`",
        )
        for name, found in done.items()
        if found
    ]
    header = ("network", "trained on", "paper, %", "here, %", "seeds", "command")
    return (
        f"{HEADING}\n\nTest accuracy (of flowers: on `val`), mean ± standard deviation over the "
        "seeds, trained on two cores without a GPU. [docs/results.md](docs/results.md) has every "
        "seed, the curves and what explains a gap.\n\n"
        + written("markdown", header, rows, left=("network", "trained on", "command"))
        + "\n\n"
    )


def figure() -> Figure:
    """The training error of each seed, by epoch; a panel for each target."""
    from matplotlib.figure import Figure

    found = {name: known(name) for name in TARGETS if known(name)}
    columns = min(3, len(found)) or 1
    rows = max(1, math.ceil(len(found) / columns))
    drawn = Figure((4 * columns, 3 * rows), layout="constrained")
    for place, (name, outcomes) in enumerate(found.items(), 1):
        axes = drawn.add_subplot(rows, columns, place)
        for each in outcomes:
            axes.plot(range(1, len(each.curve) + 1), each.curve, label=f"seed {each.seed}")
        axes.set(title=name, xlabel="epoch", yscale="log", ylabel="training error, %")
        axes.xaxis.get_major_locator().set_params(integer=True)
        plain_log_ticks(axes.yaxis)
        axes.legend(fontsize="small")
    return drawn


def _row(name: str, outcomes: Sequence[Outcome]) -> tuple[str | int | None, ...]:
    accuracies = [each.accuracy for each in outcomes if each.accuracy is not None]
    counted = [each for each in outcomes if each.accuracy is not None] or outcomes
    paper, reached = TARGETS[name].paper, max(each.epochs for each in outcomes)
    return (
        f"`{name}`",
        None if paper is None else f"{paper:.2f}",
        f"{statistics.fmean(accuracies):.2f}" if accuracies else None,
        f"{statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else None,
        len(accuracies),
        reached if accuracies else f"{reached} of {_epochs(name)}",
        f"{statistics.median(each.seconds for each in counted) / 60:.1f}",
    )


def _epochs(name: str) -> int:
    """How many a target's recipe has."""
    return parse(TARGETS[name].words(0)).config.resolved().recipe.epochs


def _section(name: str, target: Target, outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"## {name}",
        "",
        "```sh",
        *([f"python -m {target.weights}"] if target.weights else []),
        f"kerasnets {shlex.join(target.words(outcomes[0].seed))}",
        "```",
        "",
        f"{target.source}. {target.note}".rstrip(),
        "",
        f"{_seeds(name, outcomes)} {_made(outcomes)}",
        *(line for each in earlier(name) for line in ("", _earlier(each))),
    ]


def _made(outcomes: Sequence[Outcome]) -> str:
    """With what, when and where."""

    def of(facts: Iterable[str], between: str = ", ") -> str:
        return between.join(dict.fromkeys(facts))

    versions = of(f"{name} {one}" for each in outcomes for name, one in each.versions.items())
    commits = of(each.commit for each in outcomes)
    days = of((each.day for each in outcomes), " and ")
    return f"{versions}, commit {commits}, {days}; {of(each.machine for each in outcomes)}."


def _earlier(outcome: Outcome) -> str:
    """What another command found that was this target's before."""
    return (
        f"Before, by `kerasnets {shlex.join(outcome.words)}`: {outcome}, training error "
        f"{outcome.curve[-1]:.2f} %; commit {outcome.commit}."
    )


def _seeds(name: str, outcomes: Sequence[Outcome]) -> str:
    """What each seed has found."""
    done = [each for each in outcomes if each.accuracy is not None]
    sentences = []
    if done:
        which = (
            f"Seeds {done[0].seed} to {done[-1].seed}" if len(done) > 1 else f"Seed {done[0].seed}"
        )
        sentences.append(f"{which}: {', '.join(f'{each.accuracy:.2f}' for each in done)} %.")
    for each in outcomes:
        if each.accuracy is None:
            best = each.best_validation
            sentences.append(
                f"Seed {each.seed}, stopped after epoch {each.epochs} of {_epochs(name)}: training "
                f"error {each.curve[-1]:.2f} %"
                + (
                    f", accuracy on the images held out of it {best[0]:.2f} % at best."
                    if best
                    else "."
                )
            )
    return " ".join(sentences)
