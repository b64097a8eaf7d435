"""Measurements as a chart."""

import xml.etree.ElementTree as ElementTree

import pytest

from kerasnets.benchmark.chart import save_chart
from kerasnets.benchmark.measure import Measurement

COMMON = {"size": 224, "batch": 2, "precision": "float32", "device": "auto"}


def row(network, what, seconds, parameters=1000, **changes):
    return Measurement(
        network=network, what=what, seconds=seconds, parameters=parameters, **{**COMMON, **changes}
    )


@pytest.mark.parametrize(
    ("networks", "what", "words"),
    [
        (("resnet18", "resnet50"), "graph", ("milliseconds for an image", "top-1 accuracy on Im")),
        (("resnet18", "lenet5"), "graph", ("milliseconds for an image", "parameters")),
        (("lenet5",), "train", ("milliseconds for an image", "parameters")),
        (("lenet5",), "build", ("milliseconds to build", "parameters")),
    ],
)
def test_time_is_drawn_against_accuracy_or_size(networks, what, words, tmp_path, monkeypatch):
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    rows = [row(name, what, (0.5, 0.6), 10**i) for i, name in enumerate(networks, 3)]
    failed = row("lenet5", "eager", (), error="no")
    save_chart(tmp_path / "a.svg", [*rows, failed])
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    text = "\n".join("".join(each.itertext()) for each in root.iter())
    for word in (*words, *networks):
        assert word in text


def test_nothing_measured_is_said(tmp_path):
    save_chart(tmp_path / "a.png", [row("lenet5", "eager", (), error="no")])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
