"""What stands beside PyTorch, what counts as a difference, and the page."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import kerasnets
from benchmarks.peer_training import report, results
from benchmarks.peer_training.cases import STEPS, cases, left_out
from benchmarks.peer_training.limits import exceeded
from benchmarks.peer_training.results import (
    BLOCK,
    Compared,
    Differences,
    Outcome,
    largest_difference,
)
from kerasnets.models.build import unweighted
from kerasnets.registry import registration
from tests.slow import slow_except


@pytest.fixture
def outcome(tmp_path, monkeypatch) -> Outcome:
    """Of a network, in a file of results of its own."""
    monkeypatch.setattr(results, "PATH", tmp_path / "results.jsonl")

    def compared(size: float) -> Compared:
        first = Differences(loss=size, gradients=2 * size, parameters=3 * size, statistics=None)
        early, last = (dataclasses.replace(first, parameters=each * size) for each in (4, 5))
        return Compared(first=first, early=early, last=last)

    return Outcome(
        network="resnet18",
        project="timm",
        side=64,
        batch=16,
        steps=1,
        losses=(2.5, 1.25),
        ours_float64=compared(1e-14),
        ours_float32=compared(1e-7),
        theirs_float32=compared(1e-6),
        nearby=compared(1e-5),
        versions={"torch": "2.14.1"},
        machine="a machine",
        day="2026-11-30",
        seconds=1800,
    )


def test_every_network_is_measured_or_left_out():
    measured = {case.network for case in cases().values()}
    assert measured | set(left_out()) == set(kerasnets.list_models())
    assert not measured & set(left_out())


def test_one_peer_of_each_network_makes_all_steps():
    long = [case.network for case in cases().values() if case.steps == STEPS]
    assert sorted(long) == sorted({case.network for case in cases().values()})


@pytest.mark.parametrize(
    "name",
    slow_except(
        (
            "torchvision:alexnet_owt:1",
            "torchvision:googlenet_bn:1",
            "torchvision:inception_v3:1",
            "torchvision:inception_v3:20",
            "timm:inception_v4:1",
            "torchvision:vgg11:1",
        ),
        cases(),
    ),
)
def test_networks_fit_their_images_and_have_a_layout(name):
    case = cases()[name]
    heads = {"auxiliary_heads": True} if case.auxiliary_loss else {}
    built = unweighted(case.network, input_shape=(case.side, case.side, 3), **heads)
    assert isinstance(built.output, dict) == bool(heads)
    layouts = registration(case.network).layouts
    assert any(layout.framework == "torch" for layout in layouts.values())


def test_a_difference_is_relative_to_its_layer():
    expected = {"a.weight": np.array([2.0, -4.0]), "a.bias": np.array([0.0]), "b.bias": np.ones(1)}
    found = {name: values + 0.01 for name, values in expected.items()}
    assert largest_difference(found, expected) == pytest.approx(0.01)
    found["a.bias"] = np.array([-0.08])
    assert largest_difference(found, expected) == pytest.approx(0.02)
    wide = found | {"a.weight": expected["a.weight"] + 0.2}
    assert largest_difference(wide, expected) == pytest.approx(0.05)
    tiny = {"c.weight": np.full(1, 1e-9)}
    assert largest_difference(found | tiny, expected | {"c.weight": np.zeros(1)}) < 0.03
    start = {name: values - 0.5 for name, values in expected.items()}
    assert largest_difference(found, expected, start) == pytest.approx(0.08 / 0.5)
    with pytest.raises(ValueError, match="Shapes differ"):
        largest_difference(found | {"a.weight": np.zeros((1, 2))}, expected)
    del found["b.bias"]
    with pytest.raises(ValueError, match=r"b\.bias"):
        largest_difference(found, expected)


@pytest.mark.parametrize("place", [0, BLOCK - 1, BLOCK, 2 * BLOCK + 4])
def test_a_difference_is_seen_wherever_it_is_and_nan_is_one(place):
    expected = {"a.weight": np.ones(2 * BLOCK + 5), "b.weight": np.ones(1)}
    found = {name: values.copy() for name, values in expected.items()}
    found["a.weight"][place] = 1.5
    assert largest_difference(found, expected) == pytest.approx(0.5)
    for start in (None, expected | {"a.weight": np.zeros(2 * BLOCK + 5)}):
        found["a.weight"][place] = np.nan
        assert np.isnan(largest_difference(found, expected, start))


def test_what_was_found_is_read_again(outcome):
    outcome.append()
    newer = dataclasses.replace(outcome, project="torchvision")
    newer.append()
    assert results.known() == {"timm:resnet18:1": outcome, "torchvision:resnet18:1": newer}


def test_the_page_shows_what_was_found(outcome):
    outcome.append()
    dataclasses.replace(outcome, project="torchvision", steps=20).append()
    page = report.page()
    assert "| `resnet18` | timm | 16 of 64 x 64 | 1.0e-14 | 2.0e-14 | 3.0e-14 |  |" in page
    assert "| 1.0e-07 / 1.0e-06 | 2.0e-07 / 2.0e-06 | 3.0e-07 / 3.0e-06 |  |" in page
    first, later = page.partition("Gradients of the first step.")[2].split("after 5 steps:")
    early, last = later.split("after 20 steps:")
    assert "| 2.5 to 1.25 | 2.0e-14 | 2.0e-05 | 2.0e-07 | 2.0e-06 |" in first
    assert "| 2.5 to 1.25 | 4.0e-14 | 4.0e-05 | 4.0e-07 | 4.0e-06 |" in early
    assert "| 2.5 to 1.25 | 5.0e-14 | 5.0e-05 | 5.0e-07 | 5.0e-06 |" in last
    assert page.count("| `resnet18` | torchvision |") == 3
    assert "2026-11-30, a machine, 1.0 hours, with other work beside: torch 2.14.1." in page
    assert f"Measured so far: 2 of {len(cases())} comparisons." in page
    assert "of the 1 comparisons of 20 steps these are, after 5 steps, 1 in float64 and 1" in page
    far = outcome.ours_float64
    far = dataclasses.replace(far, first=dataclasses.replace(far.first, loss=2e-9))
    dataclasses.replace(outcome, ours_float64=far).append()
    page = report.page()
    assert "- `timm:resnet18:1`: loss of the first step, float64: 2e-09, limit 1e-09" in page
    assert page.count("of the first step, float64") == 1


@pytest.mark.parametrize(
    ("whose", "when", "what", "value", "steps", "beyond"),
    [
        ("ours_float64", "first", "gradients", 0.9e-9, 1, False),
        ("ours_float64", "first", "gradients", 1.1e-9, 20, True),
        ("ours_float64", "first", "loss", np.nan, 1, True),
        ("ours_float32", "first", "parameters", 4.7e-5, 1, False),
        ("ours_float32", "first", "parameters", 4.9e-5, 1, True),
        ("ours_float32", "first", "parameters", 4.9e-5, 20, False),
        ("ours_float32", "first", "loss", np.nan, 1, True),
        ("ours_float64", "early", "parameters", 3.9e-8, 20, False),
        ("ours_float64", "early", "parameters", 4.1e-8, 20, True),
        ("ours_float32", "early", "parameters", 1.5e-4, 20, False),
        ("ours_float32", "early", "parameters", 1.7e-4, 20, True),
        ("ours_float32", "early", "parameters", np.nan, 20, True),
    ],
)
def test_a_difference_is_beyond_its_limit(outcome, whose, when, what, value, steps, beyond):
    compared = getattr(outcome, whose)
    one = dataclasses.replace(getattr(compared, when), **{what: value})
    changed = {whose: dataclasses.replace(compared, **{when: one}), "steps": steps}
    found = exceeded(dataclasses.replace(outcome, **changed))
    assert len(found) == beyond
    assert all(what in each and whose.removeprefix("ours_") in each for each in found)


def test_float32_is_not_judged_where_parameters_that_never_move_would_pass(outcome):
    def after(drift, found):
        nearby, ours = (
            dataclasses.replace(each, early=dataclasses.replace(each.early, parameters=size))
            for each, size in ((outcome.nearby, drift), (outcome.ours_float32, found))
        )
        return exceeded(dataclasses.replace(outcome, nearby=nearby, ours_float32=ours, steps=20))

    assert len(after(0.24, 0.97)) == 1
    assert after(0.26, 1.1) == []
    astray = dataclasses.replace(
        outcome.ours_float64, early=dataclasses.replace(outcome.ours_float64.early, parameters=0.3)
    )
    for drift, beyond in ((0.99, 1), (1.01, 0)):
        nearby = dataclasses.replace(
            outcome.nearby, early=dataclasses.replace(outcome.nearby.early, parameters=drift)
        )
        changed = dataclasses.replace(outcome, ours_float64=astray, nearby=nearby, steps=20)
        assert len(exceeded(changed)) == beyond


def test_families_with_a_reason_have_a_wider_limit_of_gradients(outcome):
    compared = outcome.ours_float32
    for network, size in (("vgg11", 0.29), ("densenet161", 9e-4), ("vgg11", 0.31)):
        one = dataclasses.replace(compared.first, gradients=size)
        ours = dataclasses.replace(compared, first=one)
        found = exceeded(dataclasses.replace(outcome, network=network, ours_float32=ours))
        assert len(found) == (size == 0.31), network
        early = dataclasses.replace(compared.early, parameters=size)
        ours = dataclasses.replace(compared, early=early)
        late = dataclasses.replace(outcome, network=network, ours_float32=ours, steps=20)
        assert len(exceeded(late)) == (size == 0.31), network
