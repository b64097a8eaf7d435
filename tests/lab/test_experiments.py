"""Each experiment, measured on a few images for two steps, by what its claims and figure name."""

from __future__ import annotations

import dataclasses
import math

import pytest
import tensorflow as tf

from kerasnets import data
from kerasnets.lab.catalogue import experiment, names
from kerasnets.lab.design import Trial
from kerasnets.lab.figure import Bars, Curves

TRAINED = [name for name in names() if not experiment(name).exact]


@pytest.fixture(scope="session")
def few():
    """The name of a data set of 128 and 32 digits."""
    splits = data.load("digits").splits
    arrays = {
        name: (splits[name].records.values[:count], splits[name].labels[:count])
        for name, count in (("train", 128), ("test", 32))
    }
    found = data.from_arrays(arrays, [str(digit) for digit in range(10)])
    data.register_source("few", lambda rest, data_dir=None: found, usage="few")
    return "few"


# Of more steps than two, or of many predictions.
LONGER = {"deletion", "reordering", "transfer-depth"}


@pytest.fixture
def eagerly(name):
    """To trace a graph takes longer than two steps without one."""
    tf.config.run_functions_eagerly(name not in LONGER)
    yield
    tf.config.run_functions_eagerly(False)


def cases():
    """Each experiment with each variant that its claims compare; `make test` takes one."""
    for name in TRAINED:
        claims = experiment(name).claims
        compared = [each for claim in claims for each in (claim.minus, claim.of) if each]
        for variant in dict.fromkeys(compared):
            marks = [] if variant == compared[0] else [pytest.mark.slow]
            yield pytest.param(name, variant, marks=marks)


@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("name", "variant"), list(cases()))
def test_measures_what_its_claims_and_its_figure_name(name, variant, few, tmp_path):
    own = experiment(name)
    settings = {**own.small.recipe, "epochs": 1}
    scale = dataclasses.replace(own.small, data=few, recipe=settings)
    found = own.measure(Trial(own.variants[variant], scale, 0, tmp_path / "run"))
    asked = {claim.measure for claim in own.claims if variant in (claim.of, claim.minus)}
    if isinstance(own.plot, Bars):
        asked |= set(own.plot.measures)
    assert asked <= set(found.values)
    assert all(math.isfinite(found.values[measure]) for measure in asked)
    if isinstance(own.plot, Curves):
        xs, ys = found.curves[own.plot.curve]
        assert len(xs) == len(ys) > 0
