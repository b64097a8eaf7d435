"""Drawings: what is drawn is the model's graph, and nothing overlaps."""

from __future__ import annotations

import functools
import itertools

import keras
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon
from matplotlib.transforms import Bbox

import kerasnets
from kerasnets.inspection.drawing.graph import graph_of
from kerasnets.inspection.drawing.picture import draw_graph, draw_slabs
from kerasnets.models.build import unweighted
from kerasnets.private import maker_of

LEVELS = ("network", "stage", "block", "layer")
# Tests of one network follow each other; more are not kept.
network = functools.lru_cache(maxsize=2)(unweighted)


def drawn(name, level="block", block=None):
    return graph_of(network(name), level, block)


def names(graph):
    """The arrows, by the names of the boxes."""
    titles = [node.name or node.lines[0] for node in graph.nodes]
    return [(titles[edge.source], titles[edge.target]) for edge in graph.edges]


def true_edges(model):
    return {
        (maker_of(x).name, layer.name)
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
        for x in keras.tree.flatten(layer.input)
    }


@pytest.mark.parametrize("name", ["resnet20_cifar", "googlenet", "highway10_mnist"])
def test_at_the_level_of_layers_the_arrows_are_those_of_the_model(name):
    graph = drawn(name, "layer")
    layers = [node.layers for node in graph.nodes]
    assert all(len(each) == 1 for each in layers)
    found = {(layers[edge.source][0], layers[edge.target][0]) for edge in graph.edges}
    assert found == true_edges(network(name))


@pytest.mark.parametrize("level", ["network", "stage", "block"])
@pytest.mark.parametrize("name", ["resnet20_cifar", "googlenet", "lenet5", "alexnet_single"])
def test_at_other_levels_they_are_those_between_the_groups(name, level):
    graph = drawn(name, level)
    group = {layer: index for index, node in enumerate(graph.nodes) for layer in node.layers}
    assert set(group) == {layer.name for layer in network(name).layers}
    expected = {(group[one], group[other]) for one, other in true_edges(network(name))}
    found = {(edge.source, edge.target) for edge in graph.edges}
    assert found == {(one, other) for one, other in expected if one != other}
    assert all(edge.source < edge.target for edge in graph.edges)


def test_shapes_are_those_of_the_layers():
    for level in ("layer", "block"):
        graph = drawn("resnet20_cifar", level)
        for edge in graph.edges:
            layer = network("resnet20_cifar").get_layer(graph.nodes[edge.source].layers[-1])
            assert edge.shape == tuple(layer.output.shape[1:])


def test_alexnet_has_two_towers_that_cross_at_conv3():
    graph = drawn("alexnet")
    ends = {}
    for edge in graph.edges:
        ends.setdefault(edge.source, []).append(edge.target)
    towers = {
        title: [index for index, node in enumerate(graph.nodes) if node.name == title]
        for title in ("conv1", "norm1", "pool1", "conv2", "norm2", "pool2", "conv3", "conv4",
                      "conv5", "pool5")
    }  # fmt: skip
    assert {len(indices) for indices in towers.values()} == {2}
    for one, other in itertools.pairwise(towers.values()):
        crosses = other == towers["conv3"]
        assert [ends[index] for index in one] == (
            [other, other] if crosses else [[index] for index in other]
        )
    assert ends[0] == towers["conv1"]
    (fc6,) = (index for index, node in enumerate(graph.nodes) if node.name == "fc6")
    assert [ends[index] for index in towers["pool5"]] == [[fc6], [fc6]]
    conv2 = graph.nodes[towers["conv2"][0]]
    assert (conv2.lines[0], conv2.shape) == ("5×5 conv, 128", (27, 27, 128))


@pytest.mark.parametrize("name", ["alexnet_single", "shufflenet_v1"])
def test_networks_of_one_tower_have_none(name):
    graph = drawn(name, "layer")
    assert len(graph.nodes) == len(network(name).layers)


def test_inception3a_has_four_branches():
    graph = drawn("googlenet", block="inception3a")
    assert set(names(graph)) == {
        ("pool2", "conv1x1"),
        ("pool2", "conv3x3_reduce"),
        ("pool2", "conv5x5_reduce"),
        ("pool2", "pool"),
        ("conv3x3_reduce", "conv3x3"),
        ("conv5x5_reduce", "conv5x5"),
        ("pool", "pool_proj"),
        ("conv1x1", "concatenate"),
        ("conv3x3", "concatenate"),
        ("conv5x5", "concatenate"),
        ("pool_proj", "concatenate"),
    }
    assert [node.name for node in graph.nodes if ("pool2", node.name) in names(graph)] == [
        "conv1x1",
        "conv3x3_reduce",
        "conv5x5_reduce",
        "pool",
    ]
    words = {node.name: node.lines[0] for node in graph.nodes}
    # Table 1.
    assert words["conv1x1"] == "1×1 conv, 64"
    assert words["conv3x3_reduce"] == "1×1 conv, 96"
    assert words["conv3x3"] == "3×3 conv, 128"
    assert words["conv5x5_reduce"] == "1×1 conv, 16"
    assert words["conv5x5"] == "5×5 conv, 32"
    assert words["pool"] == "3×3 max pool"
    assert words["pool_proj"] == "1×1 conv, 32"
    (box,) = (node for node in drawn("googlenet").nodes if node.name == "inception3a")
    assert box.lines == (
        "1×1 conv, 64",
        "1×1 96 → 3×3 128",
        "1×1 16 → 5×5 32",
        "3×3 max pool → 1×1 32",
    )


def test_shortcuts_are_named():
    graph = drawn("resnet20_cifar")
    labels = [edge.label for edge in graph.edges if edge.label]
    assert labels.count("identity") == 7
    assert labels.count("identity, /2, zeros") == 2
    projecting = graph_of(unweighted("resnet20_cifar", shortcut="projection"))
    assert [node.lines[0] for node in projecting.nodes if node.kind == "projection"] == [
        "1×1 conv, 32, /2",
        "1×1 conv, 64, /2",
    ]
    assert [edge.label for edge in projecting.edges if edge.label] == ["identity"] * 7
    v2 = drawn("resnet18_v2")
    assert [node.kind for node in v2.nodes].count("projection") == 3
    assert {edge.label for edge in drawn("highway10_mnist").edges} == {"", "carry"}


def test_a_dense_block_is_concatenated_layer_by_layer():
    graph = drawn("densenet40_k12_cifar", block="stage2")
    merges = [index for index, node in enumerate(graph.nodes) if node.kind == "merge"]
    assert [graph.nodes[index].shape[-1] for index in merges] == [
        160 + 12 * n for n in range(1, 13)
    ]
    arrows = {(edge.source, edge.target) for edge in graph.edges}
    assert all(pair in arrows for pair in itertools.pairwise(merges))


def test_models_of_other_kinds():
    images = keras.Input((8, 8, 3))
    shared = keras.layers.Conv2D(3, 3, padding="same", name="shared")
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.ReLU()], name="inner")
    x = shared(inner(shared(images)))
    graph = graph_of(keras.Model(images, [x, keras.layers.Flatten(name="flat")(x)]), "layer")
    titles = [node.name for node in graph.nodes[1:]]
    assert titles == ["shared", "inner", "shared", "flat"]
    assert [(edge.source, edge.target) for edge in graph.edges] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    chain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="dense")])
    assert [node.name for node in graph_of(chain).nodes][1:] == ["dense"]
    with pytest.raises(kerasnets.UserError, match="only functional models can be drawn"):
        graph_of(keras.Sequential([keras.layers.Dense(3)]))


def overlaps(figure):
    """What overlaps in a picture: boxes, texts, and arrows that run through either."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    (axes,) = figure.axes
    texts = [text.get_window_extent(renderer) for text in axes.texts]
    boxes, arrows = [], []
    for patch in axes.get_children():
        if isinstance(patch, FancyArrowPatch):
            path = patch.get_path().interpolated(1).to_polygons(closed_only=False)[0]
            arrows.append(axes.transData.transform(path))
        elif isinstance(patch, (FancyBboxPatch, Polygon)):
            boxes.append(patch.get_window_extent(renderer))
    page = figure.bbox
    found = [text for text in texts if not _inside(text, page)]
    found += [pair for pair in itertools.combinations(texts, 2) if _meet(*pair)]
    found += [
        (text, box)
        for text in texts
        for box in boxes
        if _meet(text, box) and not _inside(text, box)
    ]
    if not any(isinstance(patch, Polygon) for patch in axes.get_children()):
        found += [pair for pair in itertools.combinations(boxes, 2) if _meet(*pair)]
        inner = [box.padded(-2) for box in boxes]
        for arrow in arrows:
            found += [(box, arrow) for box in inner if box.count_contains(arrow)]
    return found


def _meet(one, other, slack=1.0):
    common = Bbox.intersection(one, other)
    return common is not None and min(common.width, common.height) > slack


def _inside(one, other, slack=2.0):
    return (
        one.x0 > other.x0 - slack
        and one.y0 > other.y0 - slack
        and one.x1 < other.x1 + slack
        and one.y1 < other.y1 + slack
    )


CASES = [
    *((name, level, None) for name in ("lenet5", "alexnet", "resnet20_cifar") for level in LEVELS),
    ("googlenet", "network", None),
    ("googlenet", "block", None),
    ("googlenet", "block", "inception3a"),
    ("googlenet", "layer", "inception4e"),
    ("resnet18_v2", "block", None),
    ("shufflenet_v1", "block", "stage2_block1"),
    ("densenet40_k12_cifar", "block", "stage2"),
]


@pytest.mark.parametrize(("name", "level", "block"), CASES)
def test_nothing_overlaps_and_it_has_the_form_of_a_page(name, level, block):
    figure = (draw_slabs if level == "network" else draw_graph)(drawn(name, level, block), name)
    assert overlaps(figure) == []
    width, height = figure.get_size_inches()
    assert 0.7 < width / height < 1.79


def test_overlaps_are_seen():
    figure = draw_graph(drawn("lenet5"), "lenet5")
    (text,) = (text for text in figure.axes[0].texts if text.get_text() == "c1")
    x, y = text.get_position()
    text.set_position((x + 30, y))
    assert overlaps(figure)


@pytest.mark.slow
@pytest.mark.parametrize("name", kerasnets.list_models())
def test_every_network_is_drawn(name, tmp_path):
    model = unweighted(name)
    for level in ("network", "stage"):
        graph = graph_of(model, level)
        figure = (draw_slabs if level == "network" else draw_graph)(graph, name)
        assert overlaps(figure) == []


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF-")]
)
def test_the_ending_is_the_format(ending, start, tmp_path):
    path = tmp_path / f"net.{ending}"
    kerasnets.draw("lenet5", path, level="stage")
    assert path.read_bytes().startswith(start)


def test_what_cannot_be_drawn_is_refused(tmp_path):
    cases = [
        ({"path": "a.gif"}, "path must end in .png, .svg, .pdf. Received: 'a.gif'"),
        ({"level": "blocks"}, "Unknown level 'blocks'. The closest: block"),
        ({"level": "stage", "block": "stage1"}, "drawn at level block or layer. Received: 'stage'"),
        ({"block": "stage9_block1"}, "Unknown block 'stage9_block1'. The closest: stage"),
        ({"model": "lenet5", "block": "c1"}, "The network has no blocks. Received: block 'c1'"),
        ({"model": "lenet6"}, "Unknown network 'lenet6'. The closest: lenet5"),
    ]
    for arguments, message in cases:
        given = {"model": "resnet20_cifar", "path": tmp_path / "a.svg", **arguments}
        with pytest.raises(kerasnets.UserError, match=message):
            kerasnets.draw(**given)
    assert not list(tmp_path.iterdir())
