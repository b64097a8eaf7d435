"""When a network counts as learning, what it is told, the runner that adds, and the page."""

from __future__ import annotations

import dataclasses
import sys
from functools import partial

import keras
import numpy as np
import pytest

import kerasnets
from benchmarks.learning import __main__ as runner
from benchmarks.learning import measure, report
from benchmarks.learning.measure import Outcome, cost, known, side, words
from kerasnets.cli.main import parse
from kerasnets.config.options import parse_options
from kerasnets.config.training import default_recipe
from kerasnets.errors import UserError
from kerasnets.models.build import unweighted

FOUND = Outcome(
    network="vgg16",
    changes="",
    data="flowers",
    side=32,
    recipe="vgg2014",
    batch_size=16,
    rate=0.01 / 16,
    steps=200,
    finite=True,
    chance=1.609,
    apart=7.8e-5,
    shared=18.0,
    initial=1.609,
    first=1.61,
    last=1.609,
    seconds=90,
    machine="a processor",
    versions={"keras": "3"},
    commit="abc",
    day="2026-11-30",
)
DIGITS = {"lenet5", "lenet5_modern", "highway10_mnist"}
NETWORKS = sorted(kerasnets.list_models(), key=cost)
# The cheapest of each family.
SMALL = list({kerasnets.info(name).family: name for name in reversed(NETWORKS)}.values())


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A file of results of its own, and few steps."""
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(measure, "STEPS", (25, 30))
    # A process of its own would not know of these.
    monkeypatch.setattr(runner, "alone", lambda function, *given: function(*given))
    return tmp_path / "results.jsonl"


@pytest.mark.parametrize(
    ("last", "finite", "learns"),
    [(1.5, True, True), (1.52, True, False), (1.0, False, False), (None, False, False)],
)
def test_a_network_learns_where_its_loss_is_clearly_below_chance(last, finite, learns):
    assert dataclasses.replace(FOUND, last=last, finite=finite).learns is learns


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_told_its_own_recipe_at_the_rate_of_its_batch(name):
    told = parse(words(name, "folder:flowers")).config.resolved()
    own = default_recipe(name, told.data)
    assert told.recipe.name == own.name
    assert told.recipe.peak_learning_rate == pytest.approx(
        own.learning_rate * 16 / (own.base_batch_size or 16)
    )
    kept = ("optimizer", "momentum", "weight_decay", "augment", "label_smoothing")
    assert [getattr(told.recipe, field) for field in kept] == [getattr(own, f) for f in kept]
    assert told.recipe.loss == "cross_entropy"
    assert told.data == ("digits" if told.model in DIGITS else "folder:flowers")


@pytest.mark.parametrize("name", SMALL)
def test_networks_can_be_built_for_images_of_this_side(name):
    options = parse_options(parse(words(name, "folder:flowers")).config.options)
    assert options["input_shape"][:2] == [side(name)] * 2
    assert unweighted(name, **options).built


def test_changes_are_options_and_flags():
    told = parse(words("vgg16", "folder:f", "activation elu --learning-rate 0.5")).config.resolved()
    assert told.options == {"input_shape": "[32,32,3]", "activation": "elu"}
    assert told.recipe.learning_rate == 0.5


def test_a_network_that_has_learned_ends_early_and_is_not_trained_again(results, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["learning", "lenet5_modern"])
    runner.main()
    (found,) = known()
    assert (found.steps, found.finite, found.learns) == (25, True, True)
    assert found.first > found.last
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--changes=--learning-rate 0"])
    for _ in range(2):
        runner.main()
    first, still = known()
    assert first == found
    assert (still.changes, still.steps, still.learns) == ("--learning-rate 0", 30, False)


def test_the_first_answers_are_apart_by_their_images_alone():
    def apart(changes=""):
        config = parse(words("lenet5_modern", "digits", changes)).config.resolved()
        return measure.start(config).apart

    assert 0.1 < apart() < 1
    assert apart("--dropout 0.9") == pytest.approx(apart("--dropout 0.1"))
    assert apart("kernel_initializer zeros") == 0


def test_features_and_loss_of_the_first_batch_are_measured():
    config = parse(words("lenet5_modern", "digits", "kernel_initializer zeros")).config.resolved()
    start = measure.start(config)
    assert start.shared == 0
    assert start.initial == pytest.approx(2.303)
    vectors = np.random.default_rng(0).normal(1, 1, (16, 7))
    expected = np.linalg.eigvalsh(vectors.T @ vectors / 16)[-1]
    assert measure.shared(vectors) == pytest.approx(expected)
    # Its classifier is of drawn codes, not of weights that are learned.
    config = parse(words("lenet5", "digits")).config.resolved()
    assert measure.start(config).shared is None


@pytest.mark.parametrize(
    ("network", "changes", "optimizer", "momentum", "ahead"),
    [
        ("resnet50", "", keras.optimizers.SGD, 0.9, 1),
        ("resnet50", "--momentum 0.5", keras.optimizers.SGD, 0.5, 1),
        ("densenet121", "", partial(keras.optimizers.SGD, nesterov=True), 0.9, 2.8),
        ("inception_v4", "", partial(keras.optimizers.RMSprop, epsilon=1.0), 0.9, 1),
    ],
)
def test_at_the_limit_descent_begins_to_diverge(network, changes, optimizer, momentum, ahead):
    found = dataclasses.replace(FOUND, network=network, changes=changes, shared=99.0)
    most = report.limit(found)
    assert most == pytest.approx(2 * (1 + momentum) / (100 / 5) / ahead)
    assert report.limit(found, classes=10) == pytest.approx(2 * most)
    for factor, settles in ((0.99, True), (1.01, False)):
        variable = keras.Variable(np.full(1, 1e-5))
        rule = optimizer(most * factor, momentum=momentum)
        rule.build([variable])
        for _ in range(300):
            rule.apply([20 * variable.value], [variable])
        assert (abs(float(variable.numpy()[0])) < 1e-5) is settles


@pytest.mark.parametrize(
    "change",
    [
        {"shared": None},
        {"network": "lenet5_modern"},
        {"changes": "activation elu --optimizer adam --learning-rate 0.1"},
        {"changes": "--optimizer rmsprop"},
    ],
)
def test_of_other_classifiers_and_optimizers_there_is_no_limit(change):
    assert report.limit(dataclasses.replace(FOUND, **change)) is None


def test_a_loss_that_is_no_number_is_said(results, monkeypatch):
    found = measure.measure("lenet5_modern", "digits", "--learning-rate 1e30")
    assert (found.finite, found.learns) == (False, False)
    assert found.steps < 25
    # Where it is so after a number of steps at which trainings end.
    monkeypatch.setattr(measure, "STEPS", (found.steps, 30))
    again = measure.measure("lenet5_modern", "digits", "--learning-rate 1e30")
    assert (again.steps, again.finite) == (found.steps, False)


def test_photographs_are_those_of_the_results(image_folder):
    with pytest.raises(UserError, match=r"has 21 training images of 2 classes; .*of 1200 photo"):
        measure.measure("resnet20_cifar", f"folder:{image_folder}")


def test_of_a_network_that_was_trained_twice_the_last_counts(results):
    FOUND.append()
    dataclasses.replace(FOUND, last=1.2).append()
    assert [each.last for each in known()] == [1.2]


def test_networks_whose_answers_start_near_have_no_batch_norm():
    near = [each.network for each in known() if not each.changes and each.apart < report.NEAR]
    assert len(near) >= 10
    for name in near:
        layers = unweighted(name).layers
        assert not any(isinstance(each, keras.layers.BatchNormalization) for each in layers), name


def test_the_page_and_the_errata_are_what_was_found(results):
    FOUND.append()
    dataclasses.replace(FOUND, changes="kernel_initializer he_2015", last=1.2).append()
    dataclasses.replace(FOUND, network="resnet18", apart=0.5, last=1.1, steps=100).append()
    dataclasses.replace(FOUND, network="lenet5", recipe="digits", last=0.8).append()
    adam = dataclasses.replace(FOUND, changes="--optimizer adam --learning-rate 0.001", last=1.3)
    adam.append()
    dataclasses.replace(adam, network="resnet18", apart=0.5).append()
    dataclasses.replace(FOUND, network="plain20_cifar", apart=0.5).append()
    helped = dataclasses.replace(FOUND, network="plain20_cifar", apart=0.5, last=1.2)
    dataclasses.replace(helped, changes="--learning-rate 0.01").append()
    page = report.page()
    assert (
        "| `vgg16` | 32 | 0.000625 | 1 | 200 | 7.8e-05 | 1.609 | 1.609 | 1.610 | 1.609 | **no** | 90 |"
        in page
    )
    assert "| `vgg16` | `kernel_initializer he_2015` | 32 |" in page
    assert "less than 0.01 apart, 1 of 2 learn by their own recipes; of the others, 1 of 2." in page
    assert "By SGD 0 of 1 learn from there." in page
    assert "Not explained by that: `plain20_cifar` start further apart and do not learn" in page
    assert "These learn with a change: `plain20_cifar` by `--learning-rate 0.01`." in page
    assert "by Adam 2 of 2 learn, `lenet5`, `vgg16`." in page
    assert "`vgg19`" in page.partition("Not run yet")[2]
    assert "`resnet18`" not in page.partition("Not run yet")[2]
    _, row = [line for line in report.errata().splitlines() if line.startswith("| `")]
    assert row.startswith("| `vgg16` learns in 200 steps of `vgg2014`. | The loss ends at 1.609, ")
    assert "initial standard deviation is 7.8e-05" in row
    assert "With `kernel_initializer he_2015` the loss ends at 1.200" in row


def test_the_page_counts_the_losses_that_are_driven_up(results):
    fast = dataclasses.replace(FOUND, network="resnet50", apart=0.5, shared=19_000.0, first=2.0)
    slow = dataclasses.replace(fast, changes="--learning-rate 0.001", rate=1e-5, first=1.6)
    for each in (
        fast,
        dataclasses.replace(fast, network="resnet101", first=1.7),
        dataclasses.replace(fast, network="resnet152", first=None, finite=False),
        dataclasses.replace(fast, network="resnet18", shared=18.0),
        FOUND,
        slow,
        dataclasses.replace(slow, network="resnet101", last=1.2),
    ):
        each.append()
    page = report.page()
    assert "initial one, in 2 of 3 networks; elsewhere in 1 of 2." in page
    assert "With the changes below it is 0 of 0 and 0 of 2." in page
    assert "may be too high, for `resnet101`, `resnet152`, `resnet50`." in page
    assert (
        "Of 2 of these that were trained again below 10% of the limit `resnet101` learned" in page
    )
    assert "no rate is between 0% and 63% of its limit; of those below, the largest rise" in page
    cifar = dataclasses.replace(fast, network="resnet110_cifar", shared=949.0, initial=11.8)
    cifar.append()
    assert "| `resnet110_cifar` | 11.800 | 949 | 0.04 | 0.01 |" in report.page()


def test_the_limit_foretells_the_networks_that_the_page_says_it_does():
    afterwards = report.page().partition("measured afterwards")[2]
    names = ("densenet100_k24_cifar", "densenet_bc190_k40_cifar", "densenet_bc250_k24_cifar")
    found = {each.network: each for each in known() if not each.changes}
    for name in (*names, "resnet200_v2"):
        assert f"`{name}`" in afterwards
        each = found[name]
        assert (each.rate > report.NEAR_LIMIT * report.limit(each)) is (name in names)
        assert (each.first > report.DRIVEN * each.initial) is (name in names)
