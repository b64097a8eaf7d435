"""`build` with weights: one look at the file, one network."""

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets import UserError, build
from kerasnets.pretrained import build as module
from kerasnets.pretrained import sources
from kerasnets.registry import registration
from kerasnets.weights import save_weights
from kerasnets.weights.layouts import layout_tensors
from kerasnets.weights.recognition import project_of
from kerasnets.weights.tensors import Stored, WeightFile
from tests.models.test_registered import small


@pytest.fixture
def counts(monkeypatch):
    """How often files are opened, and networks built."""
    counts = {"open": 0, "build": 0}

    def counted(name, function):
        def call(*args, **kwargs):
            counts[name] += 1
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(sources, "open_weights", counted("open", sources.open_weights))
    monkeypatch.setattr(module, "assemble", counted("build", module.assemble))
    return counts


@pytest.mark.parametrize("ending", [".weights.h5", ".safetensors", ".keras", ".h5"])
def test_a_file_is_opened_once_and_the_network_built_once(ending, counts, tmp_path):
    """Also where the options follow from the layout, here MobileNet's of keras.applications."""
    size = {"width": 0.25, "input_shape": (32, 32, 3)}
    path = tmp_path / f"mine{ending}"
    if ending == ".safetensors":
        save_weights(build("mobilenet_v1", activation="relu6", padding="same", **size), path)
    else:
        peer = keras.applications.MobileNet(weights=None, alpha=0.25, input_shape=(32, 32, 3))
        (peer.save_weights if ending == ".weights.h5" else peer.save)(path)
    counts.update(open=0, build=0)
    model = build("mobilenet_v1", weights=path, **size)
    assert counts == {"open": 1, "build": 1}
    expected = "relu" if ending == ".safetensors" else "relu6"
    assert model.get_layer("stem_conv_act").activation.__name__ == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "classes must be a positive integer"),
        ({"activation": "swish"}, "activation must be"),
        ({"pooling": "avg"}, "pooling is for include_top=False"),
    ],
)
def test_wrong_arguments_are_refused_before_a_file_is_opened(arguments, message, counts):
    with pytest.raises(UserError, match=message):
        build("resnet20_cifar", weights="akamaster", **arguments)
    assert counts == {"open": 0, "build": 0}


LAID_OUT = [
    (name, project)
    for name in ("alexnet_owt", "googlenet_bn", "mobilenet_v1", "resnet18", "resnet20_cifar",
                 "resnet50_v2", "shufflenet_v1", "vgg16", "densenet40_k12_cifar")
    for project in registration(name).layouts
] + [
    pytest.param(name, project, marks=pytest.mark.slow)
    for name in ("densenet121", "inception_resnet_v2", "inception_v3", "inception_v4", "resnet50")
    for project in registration(name).layouts
]  # fmt: skip


OWN = kerasnets.registry.Layout(names=str, framework="keras")


@pytest.mark.parametrize(("name", "project"), LAID_OUT)
def test_layouts_are_recognised_by_a_few_names(name, project, tmp_path):
    entry = registration(name)
    model, layout = small(name), entry.layouts[project]

    def found(laid_out, include_top):
        tensors = {
            tensor.name: Stored(tensor.shape, "float32", np.zeros)
            for tensor in layout_tensors(model, laid_out)
            if include_top or tensor.layer.name not in entry.head_layers
        }
        return project_of(WeightFile(tmp_path, tensors, framework=layout.framework), entry)

    assert found(layout, include_top=True) == project
    assert found(OWN, include_top=True) is None
    assert found(OWN, include_top=False) is None
    if name != "vgg16":  # whose convolutions have the same names in several layouts
        assert found(layout, include_top=False) == project
