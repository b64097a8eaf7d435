"""Runs beside each other: the tests against scipy and by hand, and what is said of them."""

import csv

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.reports import compare
from kerasnets.reports.comparison import (
    bootstrap_interval,
    mcnemar,
    save_comparison_curves,
    write_differing,
)
from tests.reports.made import made_run

NAMES = ("ant", "bee", "cat")
LABELS = np.arange(60) % 3


def answers(wrong) -> np.ndarray:
    found = LABELS.copy()
    found[list(wrong)] = (found[list(wrong)] + 1) % 3
    return found


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    # 2 * sum(choose(10, k) / 2**10 for k in 0..2); 2 / 2**5; one of the two ways of one image.
    [(0, 0, 1.0), (2, 8, 112 / 1024), (5, 0, 2 / 32), (1, 0, 1.0), (7, 7, 1.0)],
)
def test_mcnemar_by_hand(first, second, expected):
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(second, first) == pytest.approx(expected)


def test_the_interval_is_that_of_scipy():
    from scipy.stats import bootstrap

    differences = np.repeat([1, -1, 0], [40, 15, 345])
    found = bootstrap(
        (differences,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    )
    low, high = bootstrap_interval(15, 40, 400)
    assert low == pytest.approx(found.confidence_interval.low, abs=0.003)
    assert high == pytest.approx(found.confidence_interval.high, abs=0.003)
    assert bootstrap_interval(0, 0, 9) == (0, 0)
    assert bootstrap_interval(15, 40, 400) == (low, high)


def test_two_runs_on_the_same_images(tmp_path):
    one = made_run(tmp_path / "one", NAMES, answers(range(12)), LABELS)
    other = made_run(tmp_path / "other", NAMES, answers([0, 50]), LABELS, seed=3,
                     options={"activation": "sigmoid"}, values={"learning_rate": 0.5})  # fmt: skip
    found = compare([one, other])
    pair = found.pair
    assert (pair.images, pair.first_alone, pair.second_alone) == (60, 1, 11)
    assert pair.difference == pytest.approx(10 / 60)
    assert pair.p_value == pytest.approx(2 * 13 / 2**12)
    assert pair.interval[0] < pair.difference < pair.interval[1]
    head, counts, caution = pair.sentences()
    assert head.startswith("other is better than one by 16.67 percentage points (95 % interval")
    assert "other alone is right on 11, one alone on 1." in counts
    assert "p = 0.0063" in counts
    assert "Strong evidence of a difference" in counts
    assert "seed" in caution
    assert set(found.settings) == {"seed", "options activation", "learning_rate"}
    assert found.settings["seed"] == ("0", "3")
    assert found.settings["options activation"] == ("", "sigmoid")
    rows = [dict(zip(found.header, row, strict=True)) for row in found.rows]
    assert [row["accuracy"] for row in rows] == ["80.00%", "96.67%"]
    assert [row["time"] for row in rows] == ["6.0 s", "6.0 s"]
    assert [row["parameters"] for row in rows] == ["12", "12"]
    write_differing(tmp_path / "differing.csv", pair)
    with (tmp_path / "differing.csv").open(newline="") as file:
        header, *listed = csv.reader(file)
    assert header[:2] == ["image", "true"]
    assert header[2:] == ["one predicted", "one probability", "other predicted",
                          "other probability"]  # fmt: skip
    assert len(listed) == 12
    assert listed[0][:3] == ["/data/1/1.png", "bee", "cat"]
    assert listed[0][4] == "bee"


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (range(5), range(5), "Both have the same accuracy"),
        (range(5), range(1, 7), "Not enough evidence of a difference"),
        (range(7), [], "Some evidence"),
        (range(40), [], "Very strong evidence"),
    ],
)
def test_how_sure_it_is_in_words(tmp_path, first, second, words):
    runs = [
        made_run(tmp_path / name, NAMES, answers(wrong), LABELS)
        for name, wrong in (("one", first), ("other", second))
    ]
    assert words in " ".join(compare(runs).pair.sentences())


def test_images_are_found_by_their_names(tmp_path):
    """Another folder and another order are the same images."""
    one = made_run(tmp_path / "one", NAMES, answers([0]), LABELS)
    other = made_run(tmp_path / "other", NAMES, answers([0]), LABELS)
    from kerasnets.evaluation.results import Scores, read_scores, save_scores

    scores, split, names = read_scores(other.folder, 3)
    turned = Scores(**{key: value[::-1] for key, value in vars(scores).items()})
    names = [name.replace("/data/", "/moved/data/") for name in names[::-1]]
    save_scores(other.folder / "scores.npz", turned, split, names)
    pair = compare([one, other]).pair
    assert (pair.first_alone, pair.second_alone, len(pair.differing)) == (0, 0, 0)


def test_runs_that_cannot_be_tested_say_so(tmp_path):
    one = made_run(tmp_path / "one", NAMES, LABELS, LABELS)
    other = made_run(tmp_path / "other", NAMES, LABELS[:30], LABELS[:30])
    third = made_run(tmp_path / "third", ("a", "b", "c"), LABELS, LABELS)
    assert "on other images" in compare([one, other]).untested
    assert "on other images" in compare([one, third]).untested
    assert "of two runs" in compare([one, other, third]).untested
    (other.folder / "scores.npz").unlink()
    found = compare([one, other])
    assert found.pair is None
    assert "other was evaluated by an earlier version" in found.untested
    assert f"kerasnets evaluate {other.folder} --out {other.folder}" in found.untested


def test_what_cannot_be_compared_is_told(tmp_path):
    run = made_run(tmp_path / "one", NAMES, LABELS, LABELS)
    with pytest.raises(UserError, match="Give two runs at least to compare. Received: 1"):
        compare([run])
    with pytest.raises(UserError, match="was given twice"):
        compare([run, run.folder])
    with pytest.raises(UserError, match="is no run folder"):
        compare([run, tmp_path])


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_all_curves_are_in_one_picture(tmp_path, ending):
    runs = [made_run(tmp_path / name, NAMES, LABELS, LABELS) for name in ("one", "other")]
    path = tmp_path / f"curves.{ending}"
    save_comparison_curves(path, compare(runs).runs)
    assert path.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")
    for run in runs:
        (run.folder / "history.csv").unlink()
    with pytest.raises(UserError, match="None of the runs has curves"):
        save_comparison_curves(path, compare(runs).runs)
