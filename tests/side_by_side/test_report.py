import dataclasses

import pytest

from benchmarks.side_by_side import report
from benchmarks.side_by_side.results import Results
from tests.side_by_side.test_results import ROW


@pytest.fixture
def results() -> Results:
    theirs = dataclasses.replace(ROW, peer="keras.applications", seconds=(3.0, 6.0, 6.0))
    torch = dataclasses.replace(ROW, peer="torchvision", same=False, seconds=(1.5, 1.5, 1.5))
    graph, exported = (dataclasses.replace(ROW, what=form) for form in ("graph", "exported"))
    eager = dataclasses.replace(torch, what="eager")
    failed = dataclasses.replace(theirs, what="xla", seconds=(), error="no compiler")
    rows = [ROW, theirs, torch, graph, exported, eager, failed]
    return Results({"cores": 2}, rows, {"kerasnets float32 auto": 1e11})


def test_a_ratio_is_their_time_over_ours(results):
    pair = report.pairs(results)[0]
    assert pair.theirs.peer == "keras.applications"
    assert pair.ratio == pytest.approx(2.0)
    assert pair.spread == pytest.approx((1.5, 2.0))


def test_eager_pytorch_stands_beside_all_our_forms(results):
    beside = [(p.ours.what, p.theirs.what) for p in report.pairs(results) if not p.theirs.same]
    assert beside == [("train", "train"), ("graph", "eager"), ("exported", "eager")]


def test_the_table_has_a_row_for_each_of_ours(results):
    header, cells = report.table(results)
    train = dict(zip(header, cells[0], strict=False))
    assert [row[1] for row in cells] == ["train", "graph", "exported"]
    assert train["ms"] == "3000.0 ± 1000.0"
    assert train["of peak"] == "32%"  # 96 GFLOP in 3 s of 100 GFLOP/s
    assert cells[0][header.index("keras.applications") + 1].startswith("2.00 ")
    assert cells[0][header.index("torchvision") + 1].startswith("0.50* ")


def test_a_row_without_memory_has_an_empty_cell(results):
    row = dataclasses.replace(ROW, memory_mib=None, first_s=None)
    header, (cells,) = report.table(Results(results.machine, [row], results.peaks))
    shown = dict(zip(header, cells, strict=True))
    assert (shown["MiB"], shown["first s"]) == ("", "")


def test_means_tell_the_same_networks_from_the_nearest(results):
    rows = [(row[0], row[1], row[2], row[4]) for row in report.means(results)[1]]
    assert ("keras.applications", "train", "the same", "2.00") in rows
    assert not any(peer == "torchvision" and kind == "the same" for peer, _, kind, _ in rows)
    assert ("torchvision", "train", "and the nearest", "0.50") in rows


def test_the_fastest_forms_are_compared(results):
    slower = dataclasses.replace(results.rows[0], what="graph", peer="keras.applications")
    quick = dataclasses.replace(slower, what="exported", seconds=(6.0, 6.0, 6.0))
    ours = dataclasses.replace(results.rows[0], what="eager", seconds=(2.0, 2.0, 2.0))
    every = Results(results.machine, [*results.rows, ours, slower, quick], results.peaks)
    rows = {(row[0], row[1]): row[4] for row in report.means(every)[1]}
    assert rows["keras.applications", "fastest inference"] == "1.50"
    assert rows["torchvision", "fastest inference"] == "0.75"
    assert rows["keras.applications", "train and fastest inference"] == "1.73"


def test_the_page_and_the_picture_are_made_from_results_alone(results, tmp_path):
    report.write_page(tmp_path / "RESULTS.md", {"cpu": results})
    page = (tmp_path / "RESULTS.md").read_text()
    assert "## cpu" in page
    assert "| resnet50 | train | 16 of 224 | 3000.0 ± 1000.0 |" in page
    assert "- resnet50 xla, keras.applications: no compiler" in page
    one = results.rows[0]
    assert report._names([one, dataclasses.replace(one, what="eager")]) == [
        *("resnet50 train", "resnet50 eager")
    ]
    others = [dataclasses.replace(one, batch=32), dataclasses.replace(one, precision="bfloat16")]
    assert report._names([one, *others]) == [
        *("resnet50 train images 16 float32", "resnet50 train images 32 float32"),
        "resnet50 train images 16 bfloat16",
    ]
    report.save_plot(results, tmp_path / "results.png")
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")
