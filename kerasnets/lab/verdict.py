"""Whether a claim holds: where the interval of a difference lies, never what one run found.

A claim names a measure, two variants and the smallest difference that matters. The difference is
taken seed by seed, since variants of one seed share the order of the images; its mean has a
95 % interval by Student's t. The claim is supported where the whole interval is on its side of the
threshold, not supported where the whole interval is on the other side, and undecided otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kerasnets.lab.cells import Cell, by_seed

Word = Literal["supported", "not supported", "undecided here"]
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % interval; unbounded where one seed says nothing of it."""

    mean: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What must be so, of one variant, or of its difference from another.

    Attributes:
        measure: Name of what is measured.
        of: The variant.
        minus: The variant that it is compared with; the value itself counts if not given.
        above, below: The smallest difference that matters, and the side on which the claim is.
        equals: The value itself, of what is exact.
        ratio: Whether `of` is divided by `minus` in the place of a difference.
    """

    measure: str
    of: str
    minus: str | None = None
    above: float | None = None
    below: float | None = None
    equals: float | None = None
    ratio: bool = False

    def __post_init__(self) -> None:
        if [self.above, self.below, self.equals].count(None) != 2:
            raise ValueError("a claim has one of above, below and equals")

    @property
    def threshold(self) -> float:
        """The value that divides what supports the claim from what does not."""
        return next(each for each in (self.above, self.below, self.equals) if each is not None)

    @property
    def side(self) -> str:
        """Where the value must be, in words."""
        words = "more than" if self.above is not None else "less than"
        return f"{words if self.equals is None else 'exactly'} {number(self.threshold)}"

    @property
    def subject(self) -> str:
        """What is judged, in words."""
        if self.minus is None:
            return self.of
        return f"{self.of}{' over ' if self.ratio else ' minus '}{self.minus}"

    def __str__(self) -> str:
        return f"{self.measure}: {self.subject} is {self.side}"

    def differences(self, cells: Sequence[Cell]) -> list[float]:
        """The difference, ratio or value of each seed that all variants have."""
        own = by_seed(cells, self.of, self.measure)
        if self.minus is None:
            return list(own.values())
        other = by_seed(cells, self.minus, self.measure)
        pairs = [(own[seed], other[seed]) for seed in sorted(own.keys() & other.keys())]
        return [one / two if self.ratio else one - two for one, two in pairs]

    def judge(self, cells: Sequence[Cell], exact: bool) -> tuple[Word, str]:
        """The verdict on this claim alone, and the sentence that gives its numbers."""
        found = interval(self.differences(cells), exact=exact, ratio=self.ratio)
        more, less = found.low > self.threshold, found.high < self.threshold
        holds, fails = (more, less) if self.above is not None else (less, more)
        if self.equals is not None and exact:
            holds = found.seeds > 0 and math.isclose(found.mean, self.equals, rel_tol=1e-9)
            fails = found.seeds > 0 and not holds
        word: Word = "supported" if holds else "not supported" if fails else "undecided here"
        text = f"{self.measure}: {self.subject} is {number(found.mean)}"
        if found.seeds > 1:
            text += f" (95 % interval {number(found.low)} to {number(found.high)}, "
            text += f"{found.seeds} seeds)"
        elif not exact:
            text += " (one seed, which has no interval)"
        return word, f"{text}; the claim is {self.side}: {word}."


@dataclass(frozen=True)
class Verdict:
    """The verdict on an experiment.

    Attributes:
        word: Of all claims together.
        sentences: One for each claim, with its numbers and their uncertainty.
    """

    word: Word
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([f"{self.word.capitalize()}.", *self.sentences])


def judge(claims: Sequence[Claim], cells: Sequence[Cell], *, exact: bool = False) -> Verdict:
    """Supported where every claim is, not supported where one fails, otherwise undecided.

    Args:
        claims: What must be so.
        cells: What was found.
        exact: Whether no seed changes the figures, so that one of each is enough.
    """
    judged = [claim.judge(cells, exact) for claim in claims]
    words = {word for word, _ in judged}
    word: Word = "undecided here" if "undecided here" in words else "supported"
    word = "not supported" if "not supported" in words else word
    return Verdict(word, tuple(sentence for _, sentence in judged))


def interval(values: Sequence[float], *, exact: bool = False, ratio: bool = False) -> Interval:
    """The mean of some values and its interval, by Student's t; of ratios, by their logarithms."""
    if not values:
        return Interval(math.nan, -math.inf, math.inf, 0)
    if ratio:
        if any(value <= 0 or math.isinf(value) for value in values):
            return Interval(math.nan, -math.inf, math.inf, len(values))
        found = interval([math.log(value) for value in values], exact=exact)
        return Interval(_exp(found.mean), _exp(found.low), _exp(found.high), found.seeds)
    mean = math.fsum(values) / len(values)
    if exact:
        return Interval(mean, min(values), max(values), len(values))
    if len(values) == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    from scipy.special import stdtrit  # scipy.stats takes ten times as long to load

    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    half = quantile * math.sqrt(variance / len(values))
    return Interval(mean, mean - half, mean + half, len(values))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def number(value: float) -> str:
    """A number with three digits, or whole."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
