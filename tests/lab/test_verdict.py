"""The rule of verdict on made-up results, for every experiment from the claims that it makes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kerasnets.lab.catalogue import experiment, names
from kerasnets.lab.cells import Cell
from kerasnets.lab.verdict import Claim, interval, judge

EXACT = [name for name in names() if experiment(name).exact]
TRAINED = [name for name in names() if name not in EXACT]


def made_up(claims, wanted, seeds=3, spread=0.0):
    """Cells in which each claim's difference is `wanted` of it, give or take the spread."""
    variables = list(
        dict.fromkeys((claim.measure, variant) for claim in claims
                      for variant in (claim.of, claim.minus) if variant)
    )  # fmt: skip
    cells = []
    for seed in range(seeds):
        rows, right = [], []
        for number, claim in enumerate(claims):
            row = np.zeros(len(variables))
            row[variables.index((claim.measure, claim.of))] = 1
            target = wanted(number, claim)
            target = math.log(target) if claim.ratio else target
            target += (min(spread, 5) if claim.ratio else spread) * (seed - 1)
            if claim.minus:
                row[variables.index((claim.measure, claim.minus))] = -1
            rows.append(row)
            right.append(target)
        found = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
        ratios = {claim.measure for claim in claims if claim.ratio}
        for (measure, variant), value in zip(variables, found, strict=True):
            value = math.exp(value) if measure in ratios else value
            cells.append(Cell(variant, seed, 0.0, {measure: float(value)}, {}))
    return cells


def beyond(claim, right=True):
    """A value well on the claim's side of its threshold, or well on the other."""
    if claim.equals is not None:
        return claim.equals if right else claim.equals * 1.5
    upwards = (claim.above is not None) == right
    if claim.ratio:
        return claim.threshold * (2 if upwards else 0.5)
    return claim.threshold + (abs(claim.threshold) + 1) * (1 if upwards else -1)


@pytest.mark.parametrize("name", names())
def test_what_fits_every_claim_supports(name):
    own = experiment(name)
    cells = made_up(own.claims, lambda _, claim: beyond(claim), 1 if own.exact else 3)
    verdict = judge(own.claims, cells, exact=own.exact)
    assert verdict.word == "supported", verdict
    assert len(verdict.sentences) == len(own.claims)


@pytest.mark.parametrize("name", names())
def test_what_fails_one_claim_does_not(name):
    own = experiment(name)
    cells = made_up(own.claims, lambda number, claim: beyond(claim, number != 0), 3)
    assert judge(own.claims, cells, exact=own.exact).word == "not supported"


@pytest.mark.parametrize("name", TRAINED)
def test_one_seed_and_scattered_ones_are_undecided(name):
    claims = experiment(name).claims
    one = made_up(claims, lambda _, claim: beyond(claim), seeds=1)
    assert judge(claims, one).word == "undecided here"
    scale = max(abs(claim.threshold) for claim in claims) + 1
    scattered = made_up(claims, lambda _, claim: beyond(claim), spread=3 * scale)
    assert judge(claims, scattered).word == "undecided here"


@pytest.mark.parametrize("name", names())
def test_nothing_found_is_undecided(name):
    own = experiment(name)
    assert judge(own.claims, [], exact=own.exact).word == "undecided here"


def test_the_interval_is_students():
    found = interval([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.302653, times 1 / sqrt(3).
    assert found.mean == 2
    assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert found.low == pytest.approx(4 - found.high)


def test_ratios_are_taken_by_their_logarithms():
    found = interval([0.5, 2.0], ratio=True)
    assert found.mean == pytest.approx(1)
    assert found.low * found.high == pytest.approx(1)
    assert interval([0.0, 2.0], ratio=True).low == -math.inf


def test_differences_are_of_the_same_seed():
    claim = Claim(measure="error", of="deep", minus="shallow", above=0.5)
    cells = [
        Cell(variant, seed, 0.0, {"error": 10.0 * seed + (variant == "deep")}, {})
        for variant in ("deep", "shallow")
        for seed in range(3)
    ]
    assert claim.differences(cells) == [1, 1, 1]
    word, sentence = claim.judge(cells, exact=False)
    assert word == "supported"
    assert "deep minus shallow is 1 (95 % interval 1 to 1, 3 seeds)" in sentence
    assert "more than 0.5" in sentence


def test_a_claim_has_one_threshold():
    with pytest.raises(ValueError, match="one of"):
        Claim(measure="error", of="deep", above=1, below=2)


@pytest.mark.parametrize("side", ["above", "below"])
def test_a_mean_beyond_the_threshold_is_not_enough(side):
    claim = Claim(measure="error", of="deep", **{side: 5.0})
    sign = 1 if side == "above" else -1

    def word(*values):
        cells = [Cell("deep", seed, 0.0, {"error": x}, {}) for seed, x in enumerate(values)]
        return claim.judge(cells, exact=False)[0]

    assert word(5 + sign, 5 + 2 * sign, 5 - 0.5 * sign) == "undecided here"
    assert word(5 - sign, 5 - 2 * sign, 5 + 0.5 * sign) == "undecided here"
    assert word(5 + sign, 5 + 1.1 * sign, 5 + 0.9 * sign) == "supported"
    assert word(5 - sign, 5 - 1.1 * sign, 5 - 0.9 * sign) == "not supported"
