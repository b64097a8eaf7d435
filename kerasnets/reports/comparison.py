"""Runs beside each other: settings, figures, curves, and how sure a difference is."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasnets.config.training import differences
from kerasnets.errors import UserError
from kerasnets.files import write_csv
from kerasnets.reports.facts import (
    Facts,
    distinct_names,
    duration,
    evaluate_again,
    without_folder,
)
from kerasnets.runs.history import save_curves
from kerasnets.runs.run import Run

# Draws of the bootstrap, and the part of them that an interval holds.
DRAWS = 10_000
COVERAGE = 0.95


@dataclass(frozen=True)
class Pair:
    """Two runs on the same images.

    Attributes:
        first, second: The runs.
        images: Number of images.
        first_alone, second_alone: Images that one of them alone classified correctly.
        p_value: Of McNemar's exact test: how often a difference this large would come about if
            each of these images were equally likely to be either's.
        interval: 95 % interval of the second's accuracy less the first's, by bootstrap.
        differing: Indices, in the first's evaluation, of the images with other predictions.
        order: Of each image of the first its index in the second's evaluation.
    """

    first: Facts
    second: Facts
    images: int
    first_alone: int
    second_alone: int
    p_value: float
    interval: tuple[float, float]
    differing: np.ndarray
    order: np.ndarray

    @property
    def difference(self) -> float:
        """The second's accuracy less the first's, in [-1, 1]."""
        return (self.second_alone - self.first_alone) / self.images

    def sentences(self) -> list[str]:
        """What the tests say, in words."""
        better, worse = (self.second, self.first) if self.difference > 0 else (
            self.first, self.second
        )  # fmt: skip
        low, high = sorted(end * (1 if self.difference > 0 else -1) for end in self.interval)
        gap = 100 * abs(self.difference)
        only = f"Of {self.images:,} images {better.name} alone is right on "
        counts = sorted((self.first_alone, self.second_alone), reverse=True)
        only += f"{counts[0]:,}, {worse.name} alone on {counts[1]:,}."
        if not self.difference:
            head = f"Both have the same accuracy on these {self.images:,} images."
        else:
            head = (
                f"{better.name} is better than {worse.name} by {gap:.2f} percentage points "
                f"(95 % interval by bootstrap: {100 * low:.2f} to {100 * high:.2f})."
            )
        return [
            head,
            f"{only} McNemar's exact test: p = {self.p_value:.2g}. {self._sureness()}",
            "This counts the chance that lies in the choice of the images, not that of training: "
            "another seed gives another accuracy too.",
        ]

    def _sureness(self) -> str:
        if self.p_value < 0.001:
            return "Very strong evidence of a difference on such images."
        if self.p_value < 0.01:
            return "Strong evidence of a difference on such images."
        if self.p_value < 0.05:
            return "Some evidence of a difference on such images."
        return "Not enough evidence of a difference: p is 0.05 or more."

    def rows(self) -> Iterable[tuple[object, ...]]:
        """A row for each image with other predictions: image, class, and what each run said."""
        assert self.first.scores is not None
        assert self.second.scores is not None
        classes = self.first.run.class_names
        for place in self.differing:
            said: list[object] = []
            for scores, at in ((self.first.scores, place),
                               (self.second.scores, self.order[place])):  # fmt: skip
                said += [classes[scores.predicted[at]], f"{scores.confidence[at]:.4f}"]
            yield (self.first.names[place], classes[self.first.scores.labels[place]], *said)


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other.

    Attributes:
        runs: The runs.
        settings: The values of the settings in which they differ, by name.
        latencies: Milliseconds of an answer on one image, of each run; empty if not measured.
        pair: Of two runs on the same images how sure the difference is.
        untested: Why there is no `pair`.
    """

    runs: tuple[Facts, ...]
    settings: Mapping[str, tuple[str, ...]]
    latencies: tuple[float, ...]
    pair: Pair | None
    untested: str

    @property
    def header(self) -> tuple[str, ...]:
        """The names of `rows`' columns."""
        latency = ("latency",) if self.latencies else ()
        figures = ("accuracy", "loss", "calibration error", "epochs", "time", "parameters")
        return ("run", "network", *figures, *latency)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row of figures for each run, as text."""
        found = []
        for number, facts in enumerate(self.runs):
            metrics = facts.metrics
            latency = (f"{self.latencies[number]:.2f} ms",) if self.latencies else ()
            calibration = metrics.get("calibration_error")
            found.append((
                facts.name,
                facts.run.config.model,
                f"{metrics['top1']:.2%}",
                f"{metrics['loss']:.4f}",
                "" if calibration is None else f"{calibration:.2%}",
                str(len(facts.history)),
                duration(facts.seconds),
                f"{facts.parameters:,}",
                *latency,
            ))  # fmt: skip
        return found


def compare(
    runs: Sequence[str | os.PathLike | Run], *, latency: bool = False
) -> Comparison:  # fmt: skip
    """Runs beside each other.

    >>> found = compare(["runs/lenet5-digits-1", "runs/lenet5-digits-2"])
    >>> found.pair.p_value, found.pair.interval

    Args:
        runs: Run folders, or runs; two at least, all finished and evaluated.
        latency: Measure how long each network takes for one image; loads TensorFlow.

    Raises:
        UserError: When there are fewer than two, or one has not finished or has no evaluation.
    """
    found = facts_of(runs)
    if len(found) < 2:
        raise UserError(f"Give two runs at least to compare. Received: {len(found)}.")
    return compare_facts(found, latency=latency)


def facts_of(runs: Sequence[str | os.PathLike | Run]) -> list[Facts]:
    """The facts of runs, under names that tell them apart.

    Raises:
        UserError: When one is no run, has not finished or has no evaluation; or is given twice.
    """
    loaded = [run if isinstance(run, Run) else Run.load(run) for run in runs]
    folders = [run.folder.absolute() for run in loaded]
    for place, folder in enumerate(folders):
        if folder in folders[:place]:
            raise UserError(f"The run {str(folder)!r} was given twice.")
    names = distinct_names(folders)
    return [Facts.of(run, name) for run, name in zip(loaded, names, strict=True)]


def compare_facts(found: Sequence[Facts], *, latency: bool) -> Comparison:
    """As `compare`, of facts that are there."""
    for facts in found:
        facts.run.task.check("compare")
    latencies: tuple[float, ...] = ()
    if latency:
        from kerasnets.reports.latency import measure_latencies

        latencies = measure_latencies([facts.run for facts in found])
    pair, untested = _pair(found)
    return Comparison(tuple(found), _differing_settings(found), latencies, pair, untested)


def _differing_settings(found: Sequence[Facts]) -> dict[str, tuple[str, ...]]:
    first = found[0].run.config.resolved()
    names: dict[str, None] = {}
    for facts in found[1:]:
        names |= dict.fromkeys(differences(first, facts.run.config.resolved()))
    values = [_flat(facts.run) for facts in found]
    keys = [key for name in names for key in _keys(name, values)]
    table = {key: tuple(each.get(key, "") for each in values) for key in keys}
    return {key: row for key, row in table.items() if len(set(row)) > 1}


def _keys(name: str, values: Sequence[Mapping[str, str]]) -> list[str]:
    """The settings of a field: itself, or each of its options."""
    inner = {key: None for each in values for key in each if key.startswith(f"{name} ")}
    return list(inner) or [name]


def _flat(run: Run) -> dict[str, str]:
    """A run's settings as text, those of its recipe and the options of its network included."""
    config = dataclasses.asdict(run.config.resolved())
    recipe = config.pop("recipe") or {}
    fields: dict[str, Any] = {"recipe": recipe.pop("name", None), **config, **recipe}
    fields["name"] = fields["recipe"]
    options = fields.pop("options")
    found = {name: "" if value is None else str(value) for name, value in fields.items()}
    return found | {f"options {name}": str(value) for name, value in options.items()}


def _pair(found: Sequence[Facts]) -> tuple[Pair | None, str]:
    """Two runs on the same images; or why they cannot be tested."""
    if len(found) != 2:
        return None, "How sure a difference is can be said of two runs."
    first, second = found
    for facts in found:
        if facts.scores is None:
            return None, (
                f"{facts.name} was evaluated by an earlier version, so how sure the difference is "
                f"cannot be said; {evaluate_again(facts.run)} records what is needed."
            )
    order = _same_images(first, second)
    if order is None:
        return None, (
            f"{first.name} and {second.name} were evaluated on other images, so how sure the "
            "difference is cannot be said."
        )
    assert first.scores is not None
    assert second.scores is not None
    one, other = first.scores.correct, second.scores.correct[order]
    alone = int((one & ~other).sum()), int((other & ~one).sum())
    differing = np.flatnonzero(first.scores.predicted != second.scores.predicted[order])
    interval = bootstrap_interval(*alone, len(one))
    return (
        Pair(first, second, len(one), *alone, mcnemar(*alone), interval, differing, order),
        "",
    )


def _same_images(first: Facts, second: Facts) -> np.ndarray | None:
    """Of each image of the first its index in the second; ``None`` where they are others."""
    if first.scores is None or second.scores is None:
        return None
    if first.run.class_names != second.run.class_names:
        return None
    names = [without_folder(facts.names) for facts in (first, second)]
    places = {name: index for index, name in enumerate(names[1])}
    if len(places) != len(names[0]) or len(places) != len(names[1]):
        return None
    if set(places) != set(names[0]):
        return None
    order = np.array([places[name] for name in names[0]])
    same = np.array_equal(first.scores.labels, second.scores.labels[order])
    return order if same else None


def mcnemar(first_alone: int, second_alone: int) -> float:
    """The p-value of McNemar's exact test.

    Source: McNemar 1947, Psychometrika 12, "Note on the sampling error of the difference between
    correlated proportions"; exact by the binomial distribution.
    """
    from scipy.stats import binomtest

    if not first_alone + second_alone:
        return 1.0
    return float(binomtest(first_alone, first_alone + second_alone).pvalue)


def bootstrap_interval(first_alone: int, second_alone: int, images: int) -> tuple[float, float]:
    """The 95 % percentile interval of the second's accuracy less the first's.

    Drawing images anew changes only how many of them are either's alone, so that these counts are
    drawn: a multinomial, which is the same. Source: Efron, Tibshirani 1993, "An introduction to
    the bootstrap", section 13.3.
    """
    rest = images - first_alone - second_alone
    chances = np.array([first_alone, second_alone, rest]) / images
    drawn = np.random.default_rng(0).multinomial(images, chances, DRAWS)
    differences = (drawn[:, 1] - drawn[:, 0]) / images
    low, high = np.quantile(differences, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def save_comparison_curves(path: str | os.PathLike, found: Sequence[Facts]) -> None:
    """Draws the curves of all runs in one picture.

    Raises:
        UserError: When none of the runs has a history.
    """
    histories = {facts.name: facts.history for facts in found if facts.history}
    if not histories:
        raise UserError("None of the runs has curves: there is no history.csv.")
    title = "; ".join(
        f"{facts.name}: {facts.run.config.model}, {facts.metrics['top1']:.2%}" for facts in found
    )
    save_curves(path, histories, title)


def write_differing(path: str | os.PathLike, pair: Pair) -> None:
    """Writes the images on which two runs differ as CSV."""
    header = ["image", "true"]
    for facts in (pair.first, pair.second):
        header += [f"{facts.name} predicted", f"{facts.name} probability"]
    write_csv(path, header, pair.rows())
