import csv
import dataclasses

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.cli.main import main
from kerasnets.evaluation.evaluator import logits_of_split
from kerasnets.evaluation.results import softmax
from kerasnets.evaluation.suspects import suspects
from kerasnets.runs.run import load_data


def test_wrong_labels_are_found_and_hard_images_are_not():
    # Class 1 is never sure: its mean probability is what counts, not one half.
    probabilities = np.array(
        [
            [0.95, 0.05],
            [0.9, 0.1],
            [0.85, 0.15],
            [0.45, 0.55],
            [0.48, 0.52],
            [0.4, 0.6],
            [0.97, 0.03],
        ]
    )
    labels = np.array([0, 0, 1, 1, 1, 0, 1])
    found = suspects(labels, probabilities)
    # Means: class 0 (0.95 + 0.9 + 0.4) / 3 = 0.75, class 1 (0.15 + 0.55 + 0.52 + 0.03) / 4 = 0.31.
    assert [each.image for each in found] == [6, 2, 5]
    assert (found[0].label, found[0].suggested) == (1, 0)
    assert (found[0].own, found[0].other) == pytest.approx((0.03, 0.97))
    with pytest.raises(UserError, match="class of index 1 has no images"):
        suspects(np.zeros(7, int), probabilities)


def test_labels_that_were_changed_are_found(short_run, rng):
    split = load_data(short_run.config).split("test")
    said = softmax(logits_of_split(short_run.network(), split, short_run.preprocessing))
    changed = rng.choice(split.size, 20, replace=False)
    labels = split.labels.copy()
    labels[changed] = (labels[changed] + rng.integers(1, 10, 20)) % 10
    found = {each.image: each for each in suspects(labels, said)}
    caught = set(changed) & set(found)
    assert len(caught) >= 15
    right = [found[at].suggested == split.labels[at] for at in caught]
    assert np.mean(right) > 0.8
    assert dataclasses.asdict(next(iter(found.values()))).keys() == {
        "image", "label", "suggested", "own", "other"
    }  # fmt: skip


def test_the_command_lists_them(short_run, tmp_path, capsys):
    out = tmp_path / "suspects.csv"
    main(["data", "suspects", str(short_run.folder), "--out", str(out)])
    shown = capsys.readouterr().out
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert f"{len(rows)} of 450 images of test are probably mislabelled" in shown
    assert {
        "image",
        "label",
        "suggested",
        "probability of label",
        "probability of suggested",
    } == set(rows[0])
    assert all(row["label"] != row["suggested"] for row in rows)
    with pytest.raises(SystemExit) as stop:
        main(["data", "suspects", str(tmp_path), "--out", str(out)])
    assert stop.value.code == 2
