"""docs/peer_training.md: what differs between our training steps and PyTorch's."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.peer_training.cases import EARLY, STEPS, cases, left_out
from benchmarks.peer_training.results import Differences, Outcome, known
from kerasnets import list_models
from kerasnets.cli.tables import written

INTRODUCTION = (
    "Networks that torchvision or timm have too, trained by both from the same weights on the same "
    "images: by `TrainingModel`, which `kerasnets train` compiles, and by the loop that PyTorch's "
    "users write. Written by `make docs` from "
    "[results.jsonl](../benchmarks/peer_training/results.jsonl); "
    "`python -m benchmarks.peer_training` adds to it, and `make trials` fails where, "
    "after one step, ours differs by more than 1e-9 in float64 or by more than eight times "
    "PyTorch's own error in float32 (0.3 for gradients and parameters of AlexNet and VGG), or "
    "after five steps by more than a thousandth of what the control does."
)
HOW = (
    "Both make steps of SGD with momentum 0.9, an L2 penalty of 1e-4 on kernels and a learning "
    "rate of 1/1024. Auxiliary classifiers count 0.4 in Inception v3, whose 20 steps are on images "
    "too small for it, and 0.3 in GoogLeNet. Dropout is off. Images are noise, labels are drawn, "
    "and each step has its own; they are as small and as few as networks and two cores allow.",
    "Weights are those that the peer starts with, and go through our import of its files. Batch "
    "norms have factors from 0.6 to 1.2, and biases of about 3 where one step is compared, of "
    "about 0 where several are. Near 0, rounding to float32 pushes a few units across the edge of "
    "ReLU, in PyTorch as in ours, and each changes gradients by several per cent. Networks "
    "without batch norm show the same, and VGG, whose last pooling has few windows.",
    "A difference is that from PyTorch in float64: the largest of a layer's numbers, relative to "
    "the largest number in the layer, or to a thousandth of the largest in the network where that "
    "is more, and of the layer where it is largest. Parameters and statistics are compared "
    "by their changes since the start.",
    "One thing differs: PyTorch's moving variances are of variances divided by n - 1, Keras' of "
    "those divided by n, the number of a channel's values in a batch. Both normalise a batch by "
    "the latter. Ours are compared times n / (n - 1).",
    "In float64 ours is the step in Keras' operations: TensorFlow's fused kernels and our "
    "convolutions in tiles have float32 alone. In float32 it is the step as users have it.",
)


def page() -> str:
    """The page, as Markdown."""
    found = known()
    ordered = [found[name] for name in _ordered() if name in found]
    one, more = ([each for each in ordered if (each.steps > 1) == many] for many in (False, True))
    lines = [
        "# Training beside PyTorch's",
        "",
        INTRODUCTION,
        "",
        *(f"- {text}" for text in HOW),
        "",
        "## One step",
        "",
        "In float64.",
        "",
        _table(("loss", "gradients", "parameters", "statistics"), map(_exact_row, one)),
        "",
        "In float32, ours / PyTorch's own, both from PyTorch's float64.",
        "",
        _table(("loss", "gradients", "parameters", "statistics"), map(_rounded_row, one)),
        "",
        "One step changes some parameters so little that the last digit of float32 is several per "
        "cent of the change: so it is with both.",
        "",
        f"## {STEPS} steps",
        "",
        f"Parameters' changes after {EARLY} steps, and after all. The control is PyTorch in "
        "float64 from weights that differ by 1e-7 of each, up or down: so far a training drifts "
        "from itself, by chaos alone, that starts as near as float32 can tell. It ends where the "
        "difference is as large as the change.",
        "",
        _table(("loss", *_columns()), map(_long_row, more)),
        "",
        *_ends(ordered),
    ]
    return "\n".join(lines)


def _ends(ordered: list[Outcome]) -> list[str]:
    """What is not in the tables, and what they were measured with."""
    lines = [
        f"Left out, since neither has the network in the same form: {_names(left_out())}.",
        "",
    ]
    done = {each.name for each in ordered}
    if missing := [name for name in _ordered() if name not in done]:
        lines += [f"Not measured yet: {len(missing)} of {len(_ordered())}.", ""]
    for key in dict.fromkeys((each.machine, each.day) for each in ordered):
        own = [each for each in ordered if (each.machine, each.day) == key]
        versions = {name: number for each in own for name, number in each.versions.items()}
        used = ", ".join(f"{name} {number}" for name, number in versions.items())
        hours = sum(each.seconds for each in own) / 3600
        lines += [f"{key[1]}, {key[0]}, {hours:.1f} hours, with other work beside: {used}.", ""]
    return lines


def _columns() -> list[str]:
    kinds = ("ours, float64", "control", "ours, float32", "PyTorch, float32")
    return [f"{kind}, {steps}" for steps in (EARLY, STEPS) for kind in kinds]


def _ordered() -> list[str]:
    """The names of all cases, by network."""
    every = sorted(
        cases().values(),
        key=lambda case: (list_models().index(case.network), case.project != "torchvision"),
    )
    return [case.name for case in every]


def _table(columns: tuple[str, ...], rows: Iterable[tuple]) -> str:
    first = ("network", "beside", "images")
    return written("markdown", (*first, *columns), rows, left=first)


def _first_cells(outcome: Outcome) -> tuple[str, str, str]:
    images = f"{outcome.batch} of {outcome.side}"
    return f"`{outcome.network}`", outcome.project, images


def _exact_row(outcome: Outcome) -> tuple:
    return *_first_cells(outcome), *map(_number, _numbers(outcome.ours_float64.first))


def _rounded_row(outcome: Outcome) -> tuple:
    both = (_numbers(each.first) for each in (outcome.ours_float32, outcome.theirs_float32))
    cells = (
        None if ours is None else f"{_number(ours)} / {_number(theirs)}"
        for ours, theirs in zip(*both, strict=True)
    )
    return *_first_cells(outcome), *cells


def _long_row(outcome: Outcome) -> tuple:
    trainings = (
        outcome.ours_float64,
        outcome.nearby,
        outcome.ours_float32,
        outcome.theirs_float32,
    )
    losses = " to ".join(f"{loss:.3g}" for loss in outcome.losses)
    early, last = (
        [_number(differences.parameters) for differences in of]
        for of in zip(*((each.early, each.last) for each in trainings), strict=True)
    )
    return *_first_cells(outcome), losses, *early, *last


def _numbers(of: Differences) -> tuple[float | None, ...]:
    return of.loss, of.gradients, of.parameters, of.statistics


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.1e}".replace("0.0e+00", "0")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
