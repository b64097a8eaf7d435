"""The report: one HTML file that holds everything that it shows."""

from __future__ import annotations

import datetime
import functools
import logging
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import kerasnets
from kerasnets.errors import UserError
from kerasnets.evaluation.results import CALIBRATION_BINS, NamedMistake
from kerasnets.files import write_text
from kerasnets.registry import info
from kerasnets.reports.comparison import Comparison, compare_facts, facts_of
from kerasnets.reports.facts import Facts, began, duration, evaluate_again, without_folder
from kerasnets.reports.figures import Bars, Chart, Line, thinned
from kerasnets.runs.history import panels

if TYPE_CHECKING:
    import jinja2

    from kerasnets.reports.pictures import Material, Picture
    from kerasnets.runs.run import Run

log = logging.getLogger("kerasnets")

REPORT = "report.html"
# Up to this many classes the confusion matrix is a table, and each class has its own curve.
FEW, MOST_CURVES = 20, 10
# The worst mistakes that are shown, and the most that are listed.
SHOWN, LISTED = 24, 200
# The most pairs of a confusion matrix that stand in the page.
MOST_PAIRS = 20_000
# Where averages of curves are taken.
GRID = np.linspace(0, 1, 201)


def save_report(
    runs: Sequence[str | os.PathLike | Run],
    path: str | os.PathLike | None = None,
    *,
    pictures: bool = True,
    latency: bool = True,
) -> pathlib.Path:
    """Writes the report of runs, with a comparison where they are several.

    Args:
        runs: Run folders, or runs; finished and evaluated.
        path: HTML file; by default ``report.html`` in the folder of the one run, or here.
        pictures: Show the worst mistakes and their Grad-CAM maps, for which the network and the
            data of each run are loaded. What cannot be loaded is said in the report.
        latency: Measure how long each of several networks takes for one image.

    Returns:
        The path.

    Raises:
        UserError: When one of them is no run, has not finished or has no evaluation.
    """
    found = facts_of(runs)
    if not found:
        raise UserError("Give a run at least.")
    if path is None:
        path = found[0].run.folder / REPORT if len(found) == 1 else REPORT
    comparison = compare_facts(found, latency=latency) if len(found) > 1 else None
    views = [_view(facts, pictures) for facts in found]
    return _write(path, views, comparison)


def save_page(path: pathlib.Path, runs: Sequence[Run], material: Material | None = None) -> None:
    """Writes the report of runs whose network and data are there, or without pictures.

    Raises:
        UserError: When one of the runs has not finished or has no evaluation.
    """
    views = [_view(facts, material is not None, material) for facts in facts_of(runs)]
    _write(path, views, None)


def _write(
    path: str | os.PathLike, views: list[dict[str, Any]], comparison: Comparison | None
) -> pathlib.Path:
    title = " and ".join(view["facts"].name for view in views[:3])
    text = _template().render(
        title=title + (" ..." if len(views) > 3 else ""),
        views=views,
        comparison=comparison,
        comparison_charts=_curves(comparison.runs) if comparison else [],
        differing=list(comparison.pair.rows())[:LISTED] if comparison and comparison.pair else [],
        listed=LISTED,
        few=FEW,
        written=datetime.datetime.now().astimezone(),
        version=kerasnets.__version__,
    )
    # Names of files may hold bytes that are no UTF-8.
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    write_text(path, text)
    return pathlib.Path(path)


@functools.lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kerasnets.reports", "page"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["percent"] = lambda x: "" if x is None else f"{100 * x:.2f} %"
    environment.filters["decimal"] = lambda x: "" if x is None else f"{x:.4f}"
    return environment.get_template("report.html")


def _view(facts: Facts, pictures: bool, material: Material | None = None) -> dict[str, Any]:
    """What the template shows of a run."""
    shown = {
        "facts": facts,
        "cards": _cards(facts),
        "began": began(facts.run),
        "network": info(facts.run.config.model),
        "curves": _curves([facts]),
        "timing": _timing(facts),
        "table": None,
    }
    if "confusion matrix" in facts.run.task.refuses:
        header, rows = facts.table
        return {**shown, "table": {"header": [name.replace("_", " ") for name in header],
                                   "rows": rows}}  # fmt: skip
    return {**shown, **_of_classes(facts, pictures, material)}


def _of_classes(facts: Facts, pictures: bool, material: Material | None) -> dict[str, Any]:
    """What is shown of one class for each image: curves, confusions, mistakes."""
    pictured, unpictured = _pictures(facts, material) if pictures else ([], "")
    scores = facts.scores
    names = facts.run.class_names
    missing = "" if scores is not None else (
        "This evaluation was written by an earlier version, which kept no scores of the images: "
        f"there is no reliability diagram, no ROC and no precision-recall curve. "
        f"{evaluate_again(facts.run)} adds them."
    )  # fmt: skip
    few = len(names) <= FEW
    short = without_folder([mistake.image for mistake in facts.mistakes])
    return {
        "charts": [] if scores is None else [_reliability(facts), *_operating_curves(facts)],
        "missing": missing,
        "few": few,
        "matrix": _matrix(facts) if few else None,
        "pairs": _pairs(facts),
        "steps": None if scores is None or few else _steps(facts),
        "picture": None if few else _matrix_picture(facts),
        "worst": list(zip(facts.mistakes, short, pictured, strict=False)),
        "unpictured": unpictured,
    }


def _cards(facts: Facts) -> list[tuple[str, str]]:
    """The figures that count most: what they are, and their values."""
    metrics = facts.metrics
    found = []
    for name, key in (("accuracy", "top1"), ("top-5 accuracy", "top5"), ("ReaL accuracy", "real"),
                      ("calibration error", "calibration_error"),
                      ("mean average precision", "mean_average_precision"),
                      ("macro F1", "macro_f1"), ("micro F1", "micro_f1")):  # fmt: skip
        if metrics.get(key) is not None:
            found.append((name, f"{metrics[key]:.2%}"))
    for name, key in (("mean absolute error", "mae"), ("R2", "r2")):
        if metrics.get(key) is not None:
            found.append((name, f"{metrics[key]:.4g}"))
    found.append(("loss", f"{metrics['loss']:.4f}"))
    found.append((f"images of {metrics['split']}", f"{metrics['images']:,}"))
    found.append(("epochs", f"{len(facts.history)}"))
    if facts.seconds is not None:
        found.append(("training time", duration(facts.seconds)))
    return [*found, ("parameters", f"{facts.parameters:,}")]


def _curves(found: Sequence[Facts]) -> list[Chart]:
    """Loss, accuracy and learning rate over the epochs."""
    charts = []
    for what, columns in panels(found[0].history).items():
        lines = []
        for number, facts in enumerate(found):
            for kind, column in zip(("training", "validation"), columns, strict=True):
                if not facts.history or column not in facts.history[0]:
                    continue
                name = kind if len(found) == 1 else f"{facts.name}, {kind}"
                several = len(found) > 1
                lines.append(Line(
                    name if columns[1] else facts.name if several else "",
                    [row["epoch"] for row in facts.history],
                    [row[column] for row in facts.history],
                    colour=number if several else int(kind == "validation"),
                    dashed=several and kind == "training",
                    marked=True,
                ))  # fmt: skip
        if lines:
            ends = ", ".join(f"{line.name or what} {line.y[-1]:.4g}" for line in lines)
            told = f"At the last epoch: {ends}."
            charts.append(Chart(title=what.capitalize(), told=told, x="epoch", y=what,
                                lines=lines, log=what == "loss"))  # fmt: skip
    return charts


def _reliability(facts: Facts) -> Chart:
    """Accuracy by confidence: a calibrated network lies on the diagonal."""
    assert facts.scores is not None
    counts, confidence, accuracy = facts.scores.reliability()
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    boxes, gaps = [], []
    for left, right, count, sure, right_ones in zip(
        edges[:-1], edges[1:], counts, confidence, accuracy, strict=True
    ):
        if count:
            boxes.append((left, right, 0.0, float(right_ones)))
            gaps.append((left, right, *sorted((float(right_ones), float(sure)))))
    error = facts.scores.calibration_error()
    mean = float(facts.scores.confidence.mean())
    how = "too sure" if mean > facts.metrics["top1"] else "not sure enough"
    told = (
        f"Expected calibration error {error:.2%} over {CALIBRATION_BINS} bins. The mean confidence "
        f"is {mean:.2%}, the accuracy {facts.metrics['top1']:.2%}: on the whole {how}."
    )
    diagonal = Line("calibrated", [0, 1], [0, 1], colour=None, dashed=True)
    bars = (Bars("accuracy", boxes), Bars("distance from the confidence", gaps, shade=True))
    return Chart(title="Reliability", told=told, x="confidence", y="accuracy",
                 lines=[diagonal], bars=bars, xlim=(0, 1), ylim=(0, 1))  # fmt: skip


def _operating_curves(facts: Facts) -> list[Chart]:
    """ROC and precision-recall curves, of all classes where they are few."""
    scores, names = facts.scores, facts.run.class_names
    assert scores is not None
    roc, recall = {}, {}
    for label in np.unique(scores.labels):
        x, y = scores.roc(label)
        if len(x):
            roc[label] = x, y
            recall[label] = scores.precision_recall(label)
    if not roc:
        return []
    area = {label: facts.classes[label].roc_area or 0.0 for label in roc}
    precise = {label: facts.classes[label].average_precision or 0.0 for label in roc}
    # Of equal rates the last, where a curve has risen.
    mean_roc = np.mean([np.interp(GRID, x, y) for x, y in roc.values()], axis=0)
    mean_recall = np.mean([_at_least(x, y) for x, y in recall.values()], axis=0)
    areas = float(np.mean(list(area.values())))
    precisions = float(np.mean(list(precise.values())))
    told = "Each class against all others. {}: mean of the classes {:.4f}, lowest {:.4f} ({})."
    charts = []
    for title, x, y, curves, mean, mean_area, areas_of, what in (
        ("ROC", "false positive rate", "true positive rate", roc, mean_roc, areas, area,
         "Area under the curve"),
        ("Precision and recall", "recall", "precision", recall, mean_recall, precisions, precise,
         "Average precision"),
    ):  # fmt: skip
        lowest = sorted(curves, key=lambda label: areas_of[label])
        shown = sorted(curves) if len(names) <= MOST_CURVES else lowest[:4]
        lines = [
            Line(f"{names[label]} ({areas_of[label]:.3f})", *curves[label], colour=number)
            for number, label in enumerate(shown)
        ]
        lines.append(Line(f"mean of the classes ({mean_area:.3f})", GRID, mean, colour=None))
        worst = lowest[0]
        charts.append(Chart(
            title=title, told=told.format(what, mean_area, areas_of[worst], names[worst])
            + (" Drawn are the mean and the lowest." if len(names) > MOST_CURVES else ""),
            x=x, y=y, lines=lines, xlim=(0, 1), ylim=(0, 1), name=title.split()[0].lower(),
        ))  # fmt: skip
    return charts


def _at_least(recall: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """The precision at the first step of a curve with at least each recall of `GRID`."""
    return precision[np.minimum(np.searchsorted(recall, GRID - 1e-12), len(recall) - 1)]


def _steps(facts: Facts) -> dict[str, Any]:
    """The curves of every class as short lists of numbers, for the page's script."""
    scores = facts.scores
    assert scores is not None

    def short(x: np.ndarray, y: np.ndarray) -> list[list[int]]:
        # Thousandths, of which a screen shows no parts.
        points = thinned(np.stack([x, y], 1) * 400) / 400
        return np.round(1000 * points).astype(int).tolist()

    classes = range(len(facts.run.class_names))
    return {
        "roc": [short(*scores.roc(label)) for label in classes],
        "precision": [short(*scores.precision_recall(label)) for label in classes],
    }


def _matrix(facts: Facts) -> list[list[tuple[int, float]]]:
    """Counts, and how dark each is: by the fraction of its true label."""
    # The square root shows the rare ones too.
    dark = np.sqrt(facts.confusion / np.maximum(facts.confusion.sum(axis=1, keepdims=True), 1))
    rows = zip(facts.confusion.tolist(), dark.tolist(), strict=True)
    return [list(zip(*row, strict=True)) for row in rows]


def _pairs(facts: Facts) -> list[tuple[int, int, int]]:
    """What was taken for what and how often, the most frequent first."""
    wrong = facts.confusion.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = np.nonzero(wrong)
    counts = wrong[rows, columns]
    order = np.argsort(-counts, kind="stable")[:MOST_PAIRS]
    return list(zip(*(each[order].tolist() for each in (rows, columns, counts)), strict=True))


def _matrix_picture(facts: Facts) -> str:
    from kerasnets.reports.pictures import matrix_picture

    return matrix_picture(facts.confusion)


def _pictures(facts: Facts, material: Material | None = None) -> tuple[list[Picture], str]:
    """Pictures of the worst mistakes; without them the reason, a sentence."""
    from kerasnets.reports.pictures import Material, mistake_pictures

    worst: list[NamedMistake] = facts.mistakes[:SHOWN]
    if not worst:
        return [], ""
    try:
        material = material or Material.of(facts.run)
        return mistake_pictures(facts.run, material, str(facts.metrics["split"]), worst), ""
    except UserError as error:
        log.warning("%s: no pictures of the mistakes: %s", facts.name, error)
        return [], f"There are no pictures of them: {error}"


def _timing(facts: Facts) -> list[tuple[str, str]]:
    """Versions and times, by name."""
    found = []
    for number, session in enumerate(facts.sessions):
        versions = ", ".join(
            f"{name} {session[name]}"
            for name in ("kerasnets", "keras", "tensorflow", "numpy", "python")
            if name in session
        )
        accelerators = session.get("accelerators") or ["no accelerator"]
        machine = f"{session.get('system', '')}, {session.get('cores', '?')} cores, "
        machine += ", ".join(map(str, accelerators))
        found.append(("trained" if not number else "resumed", str(session.get("began", ""))))
        found += [("with", versions), ("on", machine)]
    if not found:
        found.append(("versions", "not recorded: the run is one of an earlier version"))
    if facts.seconds is None:
        return [*found, ("time of training", "not recorded")]
    mean = facts.seconds / len(facts.history)
    return [
        *found,
        ("time of training", duration(facts.seconds)),
        ("an epoch", f"{duration(mean)} on average, validation included"),
    ]
