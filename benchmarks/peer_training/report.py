"""docs/peer_training.md: what differs between our training steps and PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from benchmarks.peer_training.cases import EARLY, STEPS, cases, left_out
from benchmarks.peer_training.limits import (
    CANCELLED,
    DRIFT,
    EXACT,
    KERNELS,
    MOVED,
    exceeded,
    of_several,
)
from benchmarks.peer_training.results import Compared, Differences, Outcome, known
from kerasnets import list_models
from kerasnets.cli.tables import written

INTRODUCTION = (
    "Networks that torchvision or timm have too, trained by both from the same weights on the same "
    "images: by `TrainingModel`, which `kerasnets train` compiles, and by the loop that PyTorch's "
    "users write."
)
CHECKED = (
    "Written by `make docs` from [results.jsonl](../benchmarks/peer_training/results.jsonl), to "
    "which `python -m benchmarks.peer_training` adds. Limits of how far ours may differ from "
    "PyTorch in float64, which `make trials` measures anew:"
)
LIMITS = (
    f"after the first step of each comparison, in float64: {EXACT:.0e};",
    f"where one step is compared, in float32: {KERNELS} times PyTorch's own float32 error, or "
    f"times 2^-23 where that is more. For gradients and parameters of AlexNet and VGG {MOVED} if "
    "that is more, since rounding can move the maximum of a pooling window: in the last of "
    "`vgg11`, two numbers differ by 3e-8 of the largest, so float32 orders them by luck; of "
    "DenseNet "
    f"{CANCELLED}, for its first batch norm, whose gradient nearly cancels;",
    f"parameters after {EARLY} steps, in float64: a thousandth of the control's difference; in "
    f"float32: {DRIFT} times the control's or PyTorch's own, or what one step may differ by, "
    "whichever is largest. Float32 is not "
    "checked where its limit is 1 or more, since parameters that never move differ by 1; nor is "
    "float64 where the control's difference is 1 or more. `resnet101_v1_5` in PyTorch's float64 "
    "from weights 1e-12 apart differs by 0.6 after 5 steps, so our first gradients' 2.4e-12 are "
    "enough for that; `inception_v4` was not tried.",
    "The limits of float32 were set with some of these values in view.",
)
HOW = (
    "Both take steps of SGD with momentum 0.9, an L2 penalty of 1e-4 on kernels and a learning "
    "rate of 1/1024. Auxiliary losses are weighted 0.4 (`inception_v3`) and 0.3 (`googlenet_bn`); "
    f"the {STEPS} steps of `inception_v3` have none, since their images are too small for the "
    "auxiliary classifier. Dropout is off. Images are noise, labels are random, and each step has "
    "its own; images are as small and as few as the networks and two cores allow.",
    "Weights are those that torchvision or timm starts with, and go through our import of its "
    "files. Batch norms have factors from 0.6 to 1.2, and biases of about 3 where one step is "
    "compared, of about 0 where several are. Near 0, rounding to float32 pushes a few units across "
    "the edge of ReLU, in PyTorch as in ours, and each changes gradients by several per cent. "
    "Networks without batch norm show the same, and VGG, whose last pooling has few windows.",
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

DIFFERENCES = ("loss", "gradients", "parameters", "statistics")
COLUMNS = (
    "PyTorch's loss in float64, first to last step",
    *("ours, float64", "control", "ours, float32", "PyTorch, float32"),
)
# What is compared where several steps are made, and what of a comparison that is.
OF_SEVERAL: tuple[tuple[str, Callable[[Compared], float]], ...] = (
    (
        "Gradients of the first step. In float32, and for the control, they differ by less than "
        "1e-4 or by 0.004 to 0.4. The likely reason, not counted: in the latter, rounding moves a "
        "unit across the edge of ReLU, or the maximum of a pooling window; for which networks it "
        "does is luck",
        lambda compared: compared.first.gradients,
    ),
    (f"Parameters' changes after {EARLY} steps", lambda compared: compared.early.parameters),
    (f"Parameters' changes after {STEPS} steps", lambda compared: compared.last.parameters),
)


def page() -> str:
    """The page, as Markdown."""
    found = known()
    ordered = [found[name] for name in _ordered() if name in found]
    one, more = ([each for each in ordered if (each.steps > 1) == many] for many in (False, True))
    lines = [
        "# Training compared with PyTorch",
        "",
        f"{INTRODUCTION} Measured so far: {len(ordered)} of {len(_ordered())} comparisons.",
        "",
        CHECKED,
        "",
        *(f"- {text}" for text in LIMITS),
        "",
        *_beyond(ordered),
        "",
        "How it is done:",
        "",
        *(f"- {text}" for text in HOW),
        "",
        "## One step",
        "",
        "All values are relative differences from PyTorch in float64; smaller is better. In "
        "float64:",
        "",
        _table(DIFFERENCES, map(_exact_row, one)),
        "",
        "In float32, ours / PyTorch's own:",
        "",
        _table(DIFFERENCES, map(_rounded_row, one)),
        "",
        "One step changes some parameters so little that the last digit of float32 is several per "
        "cent of the change, in both.",
        "",
        f"## {STEPS} steps",
        "",
        "The control is PyTorch in float64 from weights that differ by 1e-7 of each, up or down: "
        "how far two runs diverge that start as near as float32 can tell. A difference near 1 is "
        "as large as what is compared, so that nothing can be concluded.",
        "",
        *(
            line
            for what, chosen in OF_SEVERAL
            for line in (
                f"{what}:",
                "",
                _table(COLUMNS, (_long_row(each, chosen) for each in more)),
                "",
            )
        ),
        *_ends(ordered),
    ]
    return "\n".join(lines)


def _beyond(ordered: list[Outcome]) -> list[str]:
    """Which comparisons are beyond the limits."""
    found = {each.name: exceeded(each) for each in ordered}
    if not any(found.values()):
        long = [[what for what, _, _ in of_several(each)] for each in ordered if each.steps > 1]
        exact, rounded = (
            sum(any(what.endswith(dtype) for what in each) for each in long)
            for dtype in ("float64", "float32")
        )
        return [
            f"All that is checked is within them: of the {len(long)} comparisons of {STEPS} steps "
            f"these are, after {EARLY} steps, {exact} in float64 and {rounded} in float32."
        ]
    return ["Beyond them:", ""] + [
        f"- `{name}`: {'; '.join(beyond)}" for name, beyond in found.items() if beyond
    ]


def _ends(ordered: list[Outcome]) -> list[str]:
    """What is not in the tables, and what they were measured with."""
    lines = [
        f"Left out, since neither has the network in the same form: {_names(left_out())}.",
        "",
    ]
    for key in dict.fromkeys((each.machine, each.day) for each in ordered):
        own = [each for each in ordered if (each.machine, each.day) == key]
        used = ", ".join(
            dict.fromkeys(f"{name} {one}" for each in own for name, one in each.versions.items())
        )
        hours = sum(each.seconds for each in own) / 3600
        lines += [f"{key[1]}, {key[0]}, {hours:.1f} hours, with other work beside: {used}.", ""]
    return lines


def _ordered() -> list[str]:
    """The names of all cases, by network."""
    every = sorted(
        cases().values(),
        key=lambda case: (list_models().index(case.network), case.project != "torchvision"),
    )
    return [case.name for case in every]


def _table(columns: tuple[str, ...], rows: Iterable[tuple]) -> str:
    first = ("network", "compared with", "batch of images")
    return written("markdown", (*first, *columns), rows, left=first)


def _first_cells(outcome: Outcome) -> tuple[str, str, str]:
    images = f"{outcome.batch} of {outcome.side} x {outcome.side}"
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


def _long_row(outcome: Outcome, chosen: Callable[[Compared], float]) -> tuple:
    trainings = (
        outcome.ours_float64,
        outcome.nearby,
        outcome.ours_float32,
        outcome.theirs_float32,
    )
    losses = " to ".join(f"{loss:.3g}" for loss in outcome.losses)
    return *_first_cells(outcome), losses, *(_number(chosen(each)) for each in trainings)


def _numbers(of: Differences) -> tuple[float | None, ...]:
    return of.loss, of.gradients, of.parameters, of.statistics


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.1e}".replace("0.0e+00", "0")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
