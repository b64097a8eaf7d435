import dataclasses
import logging

import keras
import numpy as np
import pytest

from kerasnets import UserError, build
from kerasnets.config import TrainConfig, recipe
from kerasnets.runs import Run
from kerasnets.training.networks import starting_network
from kerasnets.weights import save_weights

PLAIN = recipe("cosine")


def finished_run(folder, model, classes, **options) -> Run:
    """A run as its training would leave it, with random weights."""
    config = TrainConfig(model=model, recipe=PLAIN, options=options)
    run = Run.create(folder, config, tuple(f"class {number}" for number in range(classes)))
    save_weights(starting_network(config, classes), run.weights_path)
    return run


def test_a_deep_vgg_starts_from_configuration_a(tmp_path, caplog):
    """Simonyan, Zisserman 2014, section 3.1: the first four convolutions and the dense layers."""
    shallow = finished_run(tmp_path / "a", "vgg11", 6, width="0.05").network()
    config = TrainConfig(
        model="vgg16", recipe=PLAIN, options={"width": "0.05"}, init_from=tmp_path / "a"
    )
    with caplog.at_level(logging.INFO, "kerasnets"):
        deep = starting_network(config, 6)
    expected = ["block1_conv1", "block2_conv1", "block3_conv1", "block3_conv2",
                "fc6", "fc7", "logits"]  # fmt: skip
    same = [
        layer.name
        for layer in deep.layers
        if layer.weights
        and layer.name in [each.name for each in shallow.layers]
        and np.array_equal(layer.get_weights()[0], shallow.get_layer(layer.name).get_weights()[0])
    ]
    assert same == expected
    assert f"from {tmp_path / 'a'}: {', '.join(expected)}" in caplog.text
    assert "block1_conv2" in caplog.text.partition("not from there")[2]


def test_a_run_with_other_classes_gives_all_but_the_classifier(tmp_path):
    trained = finished_run(tmp_path / "a", "resnet20_cifar", 10, width="0.25").network()
    config = TrainConfig(
        model="resnet20_cifar",
        recipe=recipe("transfer", freeze_until="stage3"),
        options={"width": "0.25"},
        init_from=tmp_path / "a",
    )
    network = starting_network(config, 5)
    for one, same in zip(trained.layers, network.layers, strict=True):
        for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
            assert one.name == "logits" or np.array_equal(a, b)
    assert [weight.path for weight in network.trainable_weights] == ["logits/kernel", "logits/bias"]


def test_the_finished_network_has_no_auxiliary_classifiers(tmp_path):
    options = {"width": "0.1", "auxiliary_heads": "true", "dropout": "0.3"}
    run = finished_run(tmp_path / "a", "googlenet", 3, **options)
    assert starting_network(run.config, 3).output.keys() == {"predictions", "aux1", "aux2"}
    assert run.network().output_shape == (None, 3)
    # So has the one that another run, or an evaluation, takes from its folder.
    assert build("googlenet", weights=run.folder, classes=3).output_shape == (None, 3)


def test_what_does_not_fit_is_told(tmp_path):
    finished_run(tmp_path / "a", "lenet5_modern", 10)
    config = TrainConfig(model="resnet20_cifar", recipe=PLAIN, init_from=tmp_path / "a")
    with pytest.raises(UserError, match="Nothing in .* fits resnet20_cifar"):
        starting_network(config, 10)
    with pytest.raises(UserError, match="is no run folder"):
        starting_network(dataclasses.replace(config, init_from=tmp_path / "b"), 10)
    with pytest.raises(UserError, match="--weights or --init-from, not both"):
        starting_network(dataclasses.replace(config, weights="a.safetensors"), 10)


def test_recipes_reach_the_network():
    def built(model, **changes):
        return starting_network(TrainConfig(model=model, recipe=recipe("cosine", **changes)), 10)

    assert built("alexnet_owt", dropout=0.25).get_layer("fc6_dropout").rate == 0.25
    with pytest.raises(UserError, match="Unknown part of resnet20_cifar 'stage9'"):
        built("resnet20_cifar", freeze_until="stage9")
    # A network without auxiliary classifiers does without their loss.
    assert built("lenet5_modern", auxiliary_loss=0.3).output_shape == (None, 10)


SMALL = {"input_shape": "[64,64,3]", "width": "0.1"}


@pytest.mark.parametrize(
    ("options", "loss", "message"),
    [
        ({}, 0.5, r"the 4x4 map of inception4a\. Train without them: --auxiliary-loss 0\.$"),
        ({"auxiliary_heads": "true"}, 0.3, "the option auxiliary_heads, and give --auxiliary-loss"),
        ({"auxiliary_heads": "true"}, 0.0, "the option auxiliary_heads, and give --auxiliary-loss"),
    ],
)
def test_auxiliary_classifiers_that_were_asked_for_must_fit(options, loss, message):
    # A recipe's name is its own where it comes from a file.
    for name in ("googlenet2014", "mine"):
        plan = recipe("googlenet2014", auxiliary_loss=loss, name=name)
        config = TrainConfig(model="googlenet", recipe=plan, options={**SMALL, **options})
        with pytest.raises(UserError, match=message):
            starting_network(config, 3)


@pytest.mark.parametrize(
    ("size", "options", "outputs", "said"),
    [
        (64, {}, 1, "aux1 cannot be put on the 4x4 map of inception4a. It is trained without them"),
        (64, {"auxiliary_heads": "false"}, 1, ""),
        (96, {}, 3, ""),
    ],
)
def test_auxiliary_classifiers_that_do_not_fit_are_left_out(size, options, outputs, said, caplog):
    options = {**SMALL, "input_shape": f"[{size},{size},3]", **options}
    config = TrainConfig(model="googlenet", recipe=recipe("googlenet2014"), options=options)
    with caplog.at_level("INFO", "kerasnets"):
        network = starting_network(config, 3)
    assert len(keras.tree.flatten(network.output)) == outputs
    assert caplog.text.count("\n") == bool(said)
    assert said in caplog.text
