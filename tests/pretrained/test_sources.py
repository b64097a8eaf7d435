"""Which source a name stands for, and what a network then knows of its input."""

import json
import pathlib
import re

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets import UserError
from kerasnets.pretrained.published import published
from kerasnets.pretrained.sources import RUN_FACTS, describe, find, known, of_project, resolve
from kerasnets.registry import registration
from kerasnets.weights import save_weights

ROWS = [(name, row) for name in kerasnets.list_models() for row in kerasnets.info(name).weights]


def test_rows_are_complete():
    for name, row in ROWS:
        where = f"{name} {row.tag}"
        place = r"https://\S+/[\w.-]+|hf:timm/[\w.]+/model\.safetensors"
        assert re.fullmatch(place, row.location), where
        assert re.fullmatch(r"(md5:[0-9a-f]{32}|sha256:[0-9a-f]{8})?", row.checksum), where
        if row.project in ("torchvision", "akamaster"):
            assert row.checksum.removeprefix("sha256:") in row.location, where
        assert 50 < row.top1 < (row.top5 or 100) < 100.1, where
        assert row.layout in registration(name).layouts, where
        assert row.preprocessing.size == kerasnets.info(name).input_shape[:2], where
        assert row.preprocessing.resize_to >= row.preprocessing.size[0], where


def test_every_row_belongs_to_a_network():
    from kerasnets.pretrained import published as module

    tables = (module.KERAS, module.TORCHVISION, module.TIMM, module.AKAMASTER)
    count = sum(len(rows) for table in tables for rows in table.values())
    assert len(ROWS) == count
    tags = [(name, row.tag) for name, row in ROWS]
    assert len(set(tags)) == len(tags)


def test_keras_rows_agree_with_keras_applications():
    """The addresses and checksums that the installed Keras downloads by."""
    from keras.src import applications

    folder = pathlib.Path(applications.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    rows = [row for _, row in ROWS if row.tag == "keras"]
    assert len(rows) == 14
    for row in rows:
        for checksum in (row.checksum, row.checksum_without_top):
            # Keras has none of MobileNet's.
            assert checksum.startswith("md5:") or "mobilenet" in row.location
            assert not checksum or checksum.removeprefix("md5:") in text


def test_without_the_top_the_smaller_file_is_downloaded(monkeypatch):
    asked = []
    monkeypatch.setattr("kerasnets.pretrained.sources.download", lambda *row: asked.append(row))
    row = find("vgg16", "keras")
    for include_top in (True, False):
        resolve("vgg16", "keras", include_top=include_top)
    assert asked == [
        (row.location, row.checksum),
        (row.location_without_top, row.checksum_without_top),
    ]


@pytest.mark.parametrize(
    ("application", "name"),
    [
        ("vgg16", "vgg16"),
        ("resnet", "resnet50"),
        ("resnet_v2", "resnet50_v2"),
        ("inception_v3", "inception_v3"),
        ("inception_resnet_v2", "inception_resnet_v2"),
        ("mobilenet", "mobilenet_v1"),
        ("densenet", "densenet121"),
    ],
)
def test_keras_rows_scale_as_keras_applications(application, name, rng):
    images = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    theirs = getattr(keras.applications, application).preprocess_input(images.astype("float32"))
    source = keras.Input((8, 8, 3))
    identity = keras.Model(source, keras.layers.Identity()(source))
    ours = kerasnets.with_preprocessing(identity, kerasnets.preprocessing(name, "keras"))
    np.testing.assert_allclose(ours(images), theirs, rtol=1e-4, atol=2e-4)


def test_names_of_sources():
    assert find("vgg16", "imagenet").tag == "timm:vgg16.tv_in1k"
    assert find("vgg16", "keras").preprocessing.channel_order == "bgr"
    assert find("resnet50_v1_5", "torchvision").tag == "torchvision:v2"
    assert find("resnet50_v1_5", "torchvision:v1").top1 == 76.13
    assert find("resnet18", "timm").tag == "timm:resnet18.a1_in1k"
    assert find("resnet18", "timm:resnet18.tv_in1k").preprocessing.interpolation == "bilinear"
    # torchvision's alone, although it needs PyTorch.
    assert find("googlenet_bn", "imagenet").tag == "torchvision"


def test_the_best_source_needs_no_torch_and_no_other_data():
    for name in ("resnet18", "resnet50_v1_5", "inception_v3", "densenet121"):
        first, *_ = published(name)
        assert not first.needs_torch
        assert first.data == "ImageNet-1k"
        others = [
            row for row in published(name) if (row.needs_torch, row.data) == (False, first.data)
        ]
        assert first.top1 == max(row.top1 for row in others)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("resnet18", "imagenett", "Unknown weights of resnet18 'imagenett'. The closest: imagenet"),
        ("resnet18", "timm:resnet18.tv1", "The closest: timm:resnet18.tv_in1k"),
        ("resnet50", "timm:resnet50.a1_in1k", "it has of resnet50_v1_5"),
        (
            "resnet50",
            "torchvision",
            "'torchvision' has no weights of resnet50; it has of resnet50_",
        ),
        ("lenet5", "imagenet", "No weights of lenet5 are published in a form that fits it"),
        (
            "resnet20_cifar",
            "imagenet",
            "There are no weights of resnet20_cifar from ImageNet. There are: akamaster",
        ),
        ("vgg16", "akamaster", "Unknown source of weights of vgg16 'akamaster'"),
        ("resnet18", "hf:resnet18", "hf:OWNER/REPO.*Received: 'hf:resnet18'"),
        ("resnet18", "/nowhere/resnet18.h5", "There is no weight file '/nowhere/resnet18.h5'"),
        ("resnet18", "/", "'/' is a folder, but no run"),
    ],
)
def test_a_wrong_name_is_refused_before_anything_is_built(name, weights, message):
    with pytest.raises(UserError, match=message) as failure:
        kerasnets.build(name, weights=weights)
    assert "\n" not in str(failure.value)


def test_a_name_of_a_source_goes_before_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("keras").write_bytes(b"")
    assert describe("vgg16", "keras").preprocessing.channel_order == "bgr"
    assert resolve("vgg16", "./keras") == pathlib.Path("keras")


def test_a_file_is_known_by_its_published_name():
    name = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert describe("vgg16", f"downloads/{name}").preprocessing.channel_order == "bgr"
    assert describe("mobilenet_v1", "mobilenet_1_0_224_tf.h5").options["padding"] == "bottom_right"
    assert describe("mobilenet_v1", "mobilenet_1_0_224_tf.h5").source == "keras"
    assert known("vgg16", "my.h5").preprocessing == kerasnets.info("vgg16").preprocessing
    hub = describe("resnet34", "hf:timm/resnet34.ra4_e3600_r224_in1k@main")
    assert hub.preprocessing.mean == (0.5,) * 3


def test_preprocessing_of_names():
    assert kerasnets.preprocessing("resnet18") == kerasnets.info("resnet18").preprocessing
    assert kerasnets.preprocessing("inception_v3", "timm").resize == 341
    assert kerasnets.preprocessing("resnet50_v2", "keras").mean == (0.5,) * 3
    with pytest.raises(UserError, match="Unknown network 'resnet19'"):
        kerasnets.preprocessing("resnet19")


def test_a_model_knows_its_preprocessing(tmp_path):
    path = tmp_path / "mobilenet_1_0_224_tf.h5"
    small = {"width": 0.125, "input_shape": (64, 96, 3)}
    saved = kerasnets.build("mobilenet_v1", activation="relu6", padding="same", **small)
    saved.origin = None  # which the file would tell
    save_weights(saved, path)
    model = kerasnets.build("mobilenet_v1", weights=path, name="mine", **small)
    # What the published file of this name needs was taken over...
    assert model.get_layer("stem_conv_act").activation is keras.activations.relu6
    found = kerasnets.preprocessing(model)
    assert (found.size, found.resize, found.mean) == ((64, 96), 73, (0.5,) * 3)
    # ... but what is asked for goes first.
    plain = kerasnets.build("mobilenet_v1", weights=path, activation="relu", **small)
    assert plain.get_layer("stem_conv_act").activation is keras.activations.relu
    assert kerasnets.preprocessing(model, "timm").interpolation == "bicubic"
    assert kerasnets.preprocessing(kerasnets.replace_head(model, classes=3)) == found
    model.save(tmp_path / "model.keras")
    assert kerasnets.preprocessing(keras.saving.load_model(tmp_path / "model.keras")) == found


def test_a_file_of_another_name_is_known_by_its_layout(tmp_path):
    """The options that its project's network has, and the scaling that all its weights share."""
    peer = keras.applications.MobileNet(weights=None, alpha=0.25, input_shape=(32, 32, 3))
    peer.save_weights(tmp_path / "mine.weights.h5")
    small = {"width": 0.25, "input_shape": (32, 32, 3)}
    model = kerasnets.build("mobilenet_v1", weights=tmp_path / "mine.weights.h5", **small)
    assert model.get_layer("stem_conv_act").activation is keras.activations.relu6
    images = np.random.default_rng(4).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(model(images), peer(images), rtol=1e-4)
    assert kerasnets.preprocessing("mobilenet_v1", tmp_path / "mine.weights.h5").mean == (0.5,) * 3
    asked = kerasnets.build(
        "mobilenet_v1", weights=tmp_path / "mine.weights.h5", activation="relu", **small
    )
    assert asked.get_layer("stem_conv_act").activation is keras.activations.relu


def test_our_own_file_of_such_a_network_tells_of_it_too(tmp_path):
    small = {"width": 0.125, "input_shape": (32, 32, 3)}
    peer = keras.applications.MobileNet(weights=None, alpha=0.125, input_shape=(32, 32, 3))
    peer.save(tmp_path / "theirs.h5")
    model = kerasnets.build("mobilenet_v1", weights=tmp_path / "theirs.h5", **small)
    save_weights(model, tmp_path / "own.safetensors")
    again = kerasnets.build("mobilenet_v1", weights=tmp_path / "own.safetensors", **small)
    assert again.get_layer("stem_conv_act").activation is keras.activations.relu6
    assert again.origin == model.origin
    # Cut short, it is no reason to fail before loading does.
    content = (tmp_path / "own.safetensors").read_bytes()
    (tmp_path / "own.safetensors").write_bytes(content[:1000])
    with pytest.raises(UserError, match="is damaged"):
        kerasnets.build("mobilenet_v1", weights=tmp_path / "own.safetensors", **small)


def test_the_scaling_is_taken_from_a_layout_where_all_agree():
    own = known("vgg16", "mine.h5")
    assert of_project(own, "keras").preprocessing.channel_order == "bgr"
    assert of_project(own, None) == own
    # One of timm's ResNet-34 is scaled unlike the others.
    own = known("resnet34", "mine.safetensors")
    assert of_project(own, "torchvision") == own
    published = known("resnet34", "timm:resnet34.ra4_e3600_r224_in1k")
    assert of_project(published, "torchvision") == published


def test_a_model_of_any_size_and_channels_has_preprocessing():
    gray = kerasnets.build("resnet20_cifar", input_shape=(None, None, 1))
    found = kerasnets.preprocessing(gray)
    assert (found.size, len(found.mean)) == ((32, 32), 1)
    stages = kerasnets.features("resnet20_cifar")
    assert kerasnets.preprocessing(stages) == kerasnets.info("resnet20_cifar").preprocessing


def test_a_run_keeps_what_its_first_weights_were_used_to(tmp_path):
    from kerasnets.config import TrainConfig
    from kerasnets.runs import Run

    path = tmp_path / "mobilenet_1_0_224_tf.h5"
    config = TrainConfig(model="mobilenet_v1", weights=str(path), options={"width": "0.125"})
    run = Run.create(tmp_path / "run", config.resolved(), ("a", "b"))
    # The file itself may be gone by now.
    kept = describe("mobilenet_v1", run.folder)
    assert kept.options == {
        "activation": "relu6",
        "padding": "bottom_right",
        "norm_momentum": 0.99,
        "width": 0.125,
    }
    assert run.preprocessing == kerasnets.preprocessing("mobilenet_v1", "keras")
    with pytest.raises(UserError, match="has not finished: it has no weights.safetensors"):
        kerasnets.build("mobilenet_v1", weights=run.folder)
    network = kerasnets.build("mobilenet_v1", classes=2, **kept.options)
    save_weights(network, run.weights_path)
    again = kerasnets.build("mobilenet_v1", classes=2, weights=run.folder)
    np.testing.assert_array_equal(again.weights[-1], network.weights[-1])
    assert kerasnets.preprocessing(again).mean == (0.5,) * 3
    (run.folder / RUN_FACTS).write_text(json.dumps({"network": "mobilenet_v1"}))
    with pytest.raises(
        UserError,
        match=r"network.json' does not describe a network: an origin is incomplete: .*preprocessing",
    ):
        kerasnets.build("mobilenet_v1", classes=2, weights=run.folder)


def test_habits_of_other_libraries_are_answered():
    with pytest.raises(
        UserError, match="weights must name a source, .* 'imagenet'. Received: True"
    ):
        kerasnets.build("resnet18", weights=True)
    for file in ("./a.safetensors", "/a.h5", "tests/runs-1"):
        with pytest.raises(UserError, match=r"There is no weight file '[^']*'\.$"):
            kerasnets.build("resnet18", weights=file)
    with pytest.raises(UserError, match="a1_in1k'. A repository .* is 'hf:timm/resnet18.a1_in1k'"):
        kerasnets.build("resnet18", weights="timm/resnet18.a1_in1k")
    with pytest.raises(UserError, match="'me/flowers'. A repository .* is 'hf:me/flowers'"):
        kerasnets.build("resnet18", weights="me/flowers")


def test_a_model_with_a_network_inside_is_sent_to_it():
    network = kerasnets.build("resnet20_cifar")
    whole = kerasnets.with_preprocessing(network, kerasnets.preprocessing(network))
    with pytest.raises(UserError, match=r"preprocessing\(model\.get_layer\('resnet20_cifar'\)\)"):
        kerasnets.preprocessing(whole)
    inside = whole.get_layer("resnet20_cifar")
    assert kerasnets.preprocessing(inside) == kerasnets.preprocessing(network)
