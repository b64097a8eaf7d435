"""`kerasnets list`: which networks are left, and in which order."""

import re

import pytest

from kerasnets import info, list_models
from kerasnets.cli.main import parse


def listed(capsys, *flags: str) -> list[str]:
    parse(["list", *flags]).run()
    _, header, rule, *lines, _ = capsys.readouterr().out.splitlines()
    assert header.startswith("network")
    assert set(rule) == {"─"}
    return [line.split()[0] for line in lines]


def test_without_flags_all_networks_are_listed_by_name(capsys):
    assert listed(capsys) == list_models()


def test_limits_leave_the_smaller_ones(capsys):
    found = listed(capsys, "--max-params", "5M", "--max-multiply-adds", "600M")
    expected = [
        name
        for name in list_models()
        if info(name).trainable_params <= 5e6 and info(name).multiply_adds <= 6e8
    ]
    assert found == expected
    assert "mobilenet_v1" in found
    assert "vgg16" not in found


@pytest.mark.parametrize(
    ("order", "fact"), [("params", "trainable_params"), ("multiply-adds", "multiply_adds")]
)
def test_the_smallest_come_first(capsys, order, fact):
    counts = [getattr(info(name), fact) for name in listed(capsys, "--sort", order)]
    assert counts == sorted(counts)


def test_the_best_published_come_first_those_of_imagenet_before_others(capsys):
    found = listed(capsys, "resnet*", "--sort", "accuracy", "--has-weights")
    assert all(info(name).weights for name in found)
    best = [info(name).weights[0] for name in found]
    of_imagenet = [row.top1 for row in best if row.data.endswith("ImageNet-1k")]
    others = [row.top1 for row in best if not row.data.endswith("ImageNet-1k")]
    assert of_imagenet
    assert others
    assert [row.top1 for row in best] == sorted(of_imagenet)[::-1] + sorted(others)[::-1]


def test_the_accuracy_says_on_what_it_is(capsys):
    parse(["list", "resnet*", "--has-weights"]).run()
    shown = capsys.readouterr().out
    assert re.search(r"resnet50 .* \d\d\.\d\d  ", shown)
    assert re.search(r"resnet56_cifar .* CIFAR-10 93\.39  ", shown)
