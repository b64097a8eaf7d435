import csv
import dataclasses
import json
import platform

import pytest

from benchmarks.side_by_side.results import (
    Results,
    Row,
    describe_machine,
    load,
    load_or_start,
    save,
)
from kerasnets import UserError

ROW = Row(
    network="resnet50",
    peer="kerasnets",
    twin="resnet50",
    same=True,
    what="train",
    size=224,
    batch=16,
    precision="float32",
    device="auto",
    date="2026-01-01",
    versions={"keras": "3.15.1"},
    seconds=(2.0, 4.0, 3.0),
    first_s=9.0,
    memory_mib=1000.0,
    multiply_adds=10**9,
)


def test_training_takes_three_times_the_operations_of_inference():
    assert ROW.median == 3
    assert ROW.flops == pytest.approx(2 * 3 * 10**9 * 16 / 3)
    assert dataclasses.replace(ROW, what="graph").flops == pytest.approx(ROW.flops / 3)
    assert dataclasses.replace(ROW, what="build").flops is None


def test_results_are_read_as_they_were_written(tmp_path):
    results = Results(describe_machine(), [ROW], {"kerasnets float32 auto": 1e11})
    save(results, tmp_path / "here.json")
    assert load(tmp_path / "here.json") == results
    with (tmp_path / "here.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["seconds"] == "2 4 3"
    assert row["median"] == "3.0"


def test_a_later_row_takes_the_place_of_an_earlier_one():
    results = Results({}, [])
    results.add(ROW)
    results.add(dataclasses.replace(ROW, batch=8))
    results.add(dataclasses.replace(ROW, seconds=(1.0,)))
    assert [(row.batch, row.median) for row in results.rows] == [(8, 3.0), (16, 1.0)]


def test_results_of_another_machine_are_not_added_to(tmp_path):
    save(Results({**describe_machine(), "cores": 1000}), tmp_path / "there.json")
    with pytest.raises(UserError, match="another machine; it differs in cores"):
        load_or_start(tmp_path / "there.json")


@pytest.mark.parametrize("text", ["{", "[]", '{"rows": [{}], "machine": {}, "peaks": {}}'])
def test_a_file_that_holds_no_results_is_named(text, tmp_path):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(UserError, match=r"bad.json' holds no results"):
        load(tmp_path / "bad.json")


def test_the_machine_is_described_without_its_name():
    assert platform.node() not in json.dumps(describe_machine())


def test_the_machine_is_described_with_its_gpus(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho NVIDIA H200\necho NVIDIA H200\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert describe_machine()["gpus"] == "NVIDIA H200, NVIDIA H200"
    tool.write_text("#!/bin/sh\necho no driver\nexit 9\n")
    assert "gpus" not in describe_machine()
