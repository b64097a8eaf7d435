"""Builds the layers of docs/inception_cost.md and counts them."""

import itertools
import math

import keras
import pytest

from kerasnets.inspection import multiply_adds
from kerasnets.models import googlenet
from kerasnets.models.blocks import Style
from tests.docs import pages

BLOCKS, BRANCHES, NARROWED, DENSE = pages.tables("inception_cost.md")


def build(expression, maps=192):
    """The network of an expression on a 28x28 input x."""
    numbers, style = itertools.count(1), Style()

    def conv(x, filters, kernel_size):
        padding = kernel_size // 2
        name = f"conv{next(numbers)}"
        return style.conv(x, filters, kernel_size, padding=padding, name=name)

    def inception(x, *widths):
        return googlenet.inception(x, style, *widths, name="inception3a")

    def naive_inception(x, *widths):
        return googlenet.naive_inception(x, style, *widths, name="inception3a")

    x = keras.Input((28, 28, maps))
    functions = {"conv": conv, "inception": inception, "naive_inception": naive_inception, "x": x}
    return keras.Model(x, eval(expression, functions))


def weights(layer_or_model):
    """Parameters but biases."""
    return sum(
        math.prod(variable.shape)
        for variable in layer_or_model.trainable_variables
        if not variable.path.endswith("bias")
    )


def number(cell):
    return int(cell.replace(",", ""))


@pytest.mark.parametrize("row", BLOCKS, ids=lambda row: row[0])
def test_blocks(row):
    _, expression, output, *counts, in_notes = row
    model = build(*pages.code(expression))
    assert model.output_shape == (None, *map(int, output.split("x")))
    found = [weights(model), model.count_params(), multiply_adds(model)]
    assert found == [number(count) for count in counts]
    cut_off = f"{found[0] // 10**4 / 100} M, {found[2] // 10**6} M"
    assert in_notes in (cut_off, "–")


def test_multiply_adds_are_weights_times_places():
    assert all(number(row[5]) == 784 * number(row[3]) for row in BLOCKS)


def test_branches():
    model = build("inception(x, 64, 96, 128, 16, 32, 32)")
    convolutions = {
        layer.name.removeprefix("inception3a_"): weights(layer)
        for layer in model.layers
        if layer.trainable_variables
    }
    assert {pages.code(row[1])[0]: number(row[2]) for row in BRANCHES} == convolutions
    assert all(number(row[3]) == 784 * number(row[2]) for row in BRANCHES)
    assert sum(number(row[2]) for row in BRANCHES) == number(BLOCKS[0][3])


@pytest.mark.parametrize("row", NARROWED, ids=lambda row: row[1])
def test_narrowing_first(row):
    maps, *forms, times = row
    found = [weights(build(*pages.code(form), maps=int(maps))) for form in forms[::2]]
    assert found == [number(count) for count in forms[1::2]]
    assert pages.is_printed(found[0] / found[1], times)


@pytest.mark.parametrize("row", DENSE, ids=lambda row: row[0])
def test_dense_layers(row):
    network, last_map, layer = (code for cell in row for code in pages.code(cell))
    rows = pages.generate.layers(network)
    assert pages.generate.built(rows, last_map)[0] == row[2]
    assert pages.generate.select(rows, layer)[0].multiply_adds == number(row[4])


def test_the_naive_block_costs_more_than_twice_as_much():
    block, *_, naive = BLOCKS
    assert number(naive[3]) > 2 * number(block[3])
    assert number(naive[5]) > 2 * number(block[5])
