"""Scores of images: curves and calibration against scikit-learn, files that are read again."""

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.evaluation.metrics import measure
from kerasnets.evaluation.results import (
    Scores,
    read_confusion,
    read_mistakes,
    read_scores,
    save_scores,
)


def scores_of(rng, images=300, classes=6, steps=None):
    """Scores, probabilities and labels; with `steps` many probabilities are equal."""
    logits = rng.normal(size=(images, classes))
    labels = rng.integers(0, classes, images)
    logits[np.arange(images), labels] += 1
    if steps:
        logits = np.round(logits * steps) / steps
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    if steps:
        # Rounding would part what is equal.
        logs = np.round(logs, 2)
    return Scores.of(logs, labels), logs, labels


@pytest.mark.parametrize("steps", [None, 1])
@pytest.mark.parametrize("label", [0, 5])
def test_curves_are_those_of_scikit_learn(rng, label, steps):
    from sklearn.metrics import (
        auc,
        average_precision_score,
        precision_recall_curve,
        roc_auc_score,
        roc_curve,
    )

    scores, logs, labels = scores_of(rng, steps=steps)
    true, found = labels == label, logs[:, label]
    x, y = scores.roc(label)
    fpr, tpr, _ = roc_curve(true, found, drop_intermediate=False)
    np.testing.assert_allclose(np.interp(fpr[np.diff(fpr, append=2) > 0], x[::-1][::-1], y),
                               tpr[np.diff(fpr, append=2) > 0], atol=1e-12)  # fmt: skip
    assert auc(x, y) == pytest.approx(roc_auc_score(true, found), abs=1e-12)
    assert scores.roc_area(label) == pytest.approx(roc_auc_score(true, found), abs=1e-12)
    expected = average_precision_score(true, found)
    assert scores.average_precision(label) == pytest.approx(expected, abs=1e-12)
    precision, recall, _ = precision_recall_curve(true, found)
    pairs = set(zip(recall.round(9), precision.round(9), strict=True))
    own = zip(*(each.round(9) for each in scores.precision_recall(label)), strict=True)
    assert set(own) <= pairs


def test_a_class_alone_or_without_images_has_no_roc(rng):
    logs = np.log([[0.9, 0.1], [0.6, 0.4]])
    alone = Scores.of(logs, np.array([0, 0]))
    assert not len(alone.roc(0)[0])
    assert np.isnan(alone.roc_area(0))
    assert alone.average_precision(0) == 1
    assert np.isnan(alone.roc_area(1))
    assert np.isnan(alone.average_precision(1))
    assert not len(alone.precision_recall(1)[0])


def test_reliability_is_that_of_scikit_learn(rng):
    from sklearn.calibration import calibration_curve

    scores, _, _ = scores_of(rng)
    counts, confidence, accuracy = scores.reliability()
    true, mean = calibration_curve(scores.correct, scores.confidence, n_bins=15)
    assert counts.sum() == 300
    np.testing.assert_allclose(accuracy[counts > 0], true)
    np.testing.assert_allclose(confidence[counts > 0], mean)
    error = sum(count * abs(a - b) for count, a, b in zip(counts[counts > 0], true, mean))  # noqa: B905
    assert scores.calibration_error() == pytest.approx(error / 300)


def test_f1_is_that_of_scikit_learn(rng):
    from sklearn.metrics import f1_score

    logits, labels = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)
    metrics = measure("test", logits, labels)
    expected = f1_score(labels, logits.argmax(1), average=None, labels=range(4))
    np.testing.assert_allclose(metrics.f1, expected)


def test_scores_are_written_and_read(rng, tmp_path):
    scores, _, _ = scores_of(rng, 5)
    names = ["a.png", "猫/b.png", "c\udcff.png", "d e.png", "f.png"]
    save_scores(tmp_path / "scores.npz", scores, "test", names)
    before = (tmp_path / "scores.npz").read_bytes()
    save_scores(tmp_path / "scores.npz", scores, "test", names)
    assert (tmp_path / "scores.npz").read_bytes() == before
    again, split, found = read_scores(tmp_path, 6)
    assert (split, list(found)) == ("test", names)
    for name in ("labels", "predicted", "confidence", "hits", "alarms", "tied"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scores, name))


def test_scores_take_few_bytes(rng, tmp_path):
    labels = rng.integers(0, 10, 10_000)
    scores = Scores.of(rng.normal(size=(10_000, 10)), labels)
    save_scores(tmp_path / "scores.npz", scores, "test", ["n"] * 10_000)
    assert (tmp_path / "scores.npz").stat().st_size < 28 * 10_000


def test_an_evaluation_without_scores_has_none(tmp_path):
    assert read_scores(tmp_path, 3) is None


@pytest.mark.parametrize("cut", [0, 30, -40])
def test_damaged_scores_are_told(rng, tmp_path, cut):
    scores, _, _ = scores_of(rng, 5)
    save_scores(tmp_path / "scores.npz", scores, "test", ["a"] * 5)
    content = (tmp_path / "scores.npz").read_bytes()
    (tmp_path / "scores.npz").write_bytes(content[:cut])
    with pytest.raises(UserError, match="scores.npz' is damaged"):
        read_scores(tmp_path, 6)


@pytest.mark.parametrize(("names", "classes"), [(["a"] * 4, 6), (["a"] * 5, 2)])
def test_scores_of_something_else_are_told(rng, tmp_path, names, classes):
    scores, _, _ = scores_of(rng, 5)
    save_scores(tmp_path / "scores.npz", scores, "test", names)
    with pytest.raises(UserError, match="is damaged: its (arrays|labels) are"):
        read_scores(tmp_path, classes)


@pytest.mark.parametrize("text", ["", "t,a,b\na,1,0\n", "t,a,b\na,1,x\nb,1,2\n"])
def test_a_damaged_confusion_matrix_is_told(tmp_path, text):
    (tmp_path / "confusion.csv").write_text(text)
    with pytest.raises(UserError, match="confusion.csv' is damaged"):
        read_confusion(tmp_path, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "has no evaluation: there is no "),
        ("image,true\na,b,c\n", "no list of mistakes"),
        ("name,true,predicted,probability\na,b,c,0.5\n", "no list of mistakes: 'image'"),
        ("image,true,predicted,probability\na,b,c,sure\n", "no list of mistakes: could not"),
    ],
)
def test_a_damaged_list_of_mistakes_is_told(tmp_path, text, message):
    if text:
        (tmp_path / "mistakes.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_mistakes(tmp_path)
