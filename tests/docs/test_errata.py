"""Recomputes the bold numbers and names of docs/errata.md by the expressions beside them."""

import pytest

import kerasnets
from kerasnets.models import vgg
from kerasnets.models.build import unweighted
from tests.docs import pages

RECOMPUTED, QUOTED, *_ = pages.tables("errata.md")


def parameters(network, *parts, **options):
    """Trainable parameters."""
    return sum(row.trainable for row in rows(network, *parts, **options))


def multiply_adds(network, *parts, **options):
    return sum(row.multiply_adds for row in rows(network, *parts, **options))


def output(network, part, **options):
    """Height x width x channels."""
    return pages.generate.built(rows(network, **options), part)[0]


def kernel(network, name):
    """Height x width."""
    (found,) = rows(network, name)[:1]
    return "x".join(map(str, found.kernel))


def kind(network, name):
    """The class of a layer."""
    return type(layer(network, name)).__name__


def count(network, kind):
    """How many layers of a class there are."""
    return sum(row.kind == kind for row in rows(network))


def between(network, first, last, **options):
    """The names of the layers from one to another, in the order in which they are computed."""
    names = [row.name for row in rows(network, **options)]
    return ", ".join(names[names.index(first) : names.index(last) + 1])


def inputs(network, *names):
    """The names of the layers that these read, each once."""
    model = unweighted(network)
    return ", ".join({model.get_layer(name).input._keras_history.operation.name for name in names})


def layer(network, name, **options):
    """A layer itself."""
    return unweighted(network, **options).get_layer(name)


def rows(network, *parts, **options):
    """The rows of the network's layer table."""
    found = pages.generate.layers(network, **options)
    return [row for part in parts or ["*"] for row in pages.generate.select(found, part)]


FUNCTIONS = {
    function.__name__: function
    for function in (parameters, multiply_adds, output, kernel, kind, count, between, inputs, layer)
} | {
    "info": kerasnets.info,
    "vgg": vgg,
    "textbook": {"conv1_padding": 1, "input_shape": (224, 224, 3)},
}


@pytest.mark.parametrize("row", RECOMPUTED, ids=lambda row: row[0])
def test_numbers_are_those_of_the_built_networks(row):
    _, right, evidence = row
    printed, expressions = pages.bold(right), pages.code(evidence)
    assert printed
    assert len(printed) == len(expressions)
    values = [eval(expression, FUNCTIONS) for expression in expressions]
    different = [
        f"{expression} is {value}, not {text}"
        for text, expression, value in zip(printed, expressions, values, strict=True)
        if not pages.is_printed(value, text)
    ]
    assert not different


def test_a_wrong_number_is_seen():
    assert pages.is_printed(885_120, "885,120")
    assert not pages.is_printed(885_121, "885,120")
    assert pages.is_printed(8.711, "8.7")
    assert not pages.is_printed(8.76, "8.7")
    assert not pages.is_printed("54x54x96", "55x55x96")


def test_quoted_rows_name_their_source():
    assert len(QUOTED) >= 10
    assert all(len(row) == 3 and row[2] for row in QUOTED)
    assert not any(pages.bold(cell) for row in QUOTED for cell in row)
