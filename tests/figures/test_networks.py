"""Filters, maps, activations, gradients, embeddings and reuse, against what they are by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnets
from kerasnets import UserError, figures
from kerasnets.layers import scaled_tanh
from tests.models.test_registered import images, small


def network(*layers, size=(8, 8, 3)) -> keras.Model:
    x = inputs = keras.Input(size)
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x, name="small")


def convolutions() -> keras.Model:
    return network(
        keras.layers.Conv2D(4, 3, activation="relu", name="one"),
        keras.layers.Conv2D(6, 3, name="two"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, name="logits"),
    )


def test_tiles_are_the_kernel():
    model = convolutions()
    found = figures.filters(model).arrays
    kernel = model.get_layer("one").kernel.numpy()
    np.testing.assert_array_equal(found["kernel"], kernel)
    for unit in range(4):
        own = kernel[..., unit]
        expected = 0.5 + own / (2 * np.abs(own).max())
        np.testing.assert_allclose(found["tiles"][unit], expected, rtol=1e-6)
    assert figures.filters(model, units=[2]).arrays["kernel"].shape == (3, 3, 3, 1)


def test_ascent_raises_the_activation():
    found = figures.filters(convolutions(), "two", [1, 4], steps=30).arrays
    assert found["images"].shape == (2, 5, 5, 3)  # what a unit of two 3x3 kernels sees
    assert (found["after"] > 10 * np.abs(found["before"])).all()


def test_a_unit_whose_relu_is_closed_is_raised_too():
    model = network(
        keras.layers.Conv2D(2, 3, bias_initializer=keras.initializers.Constant(-1.0)),
        keras.layers.Activation("relu", name="act"),
        keras.layers.Conv2D(2, 3),
    )
    found = figures.filters(model, "act", steps=20).arrays
    assert (found["before"] < 0).all()
    assert (found["after"] > 0).all()


def test_maps_are_what_the_layer_gives(rng):
    model, image = convolutions(), rng.normal(size=(8, 8, 3)).astype(np.float32)
    found = figures.maps(model, image, "two").arrays["maps"]
    inner = keras.Model(model.input, model.get_layer("two").output)
    np.testing.assert_allclose(found, inner(image[None])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "bias", "share"),
    [
        ("sigmoid", 50.0, 1),
        ("sigmoid", -50.0, 1),
        ("sigmoid", 0.0, 0),
        ("tanh", -9.0, 1),
        (scaled_tanh, -9.0, 1),
        ("relu6", 50.0, 1),
        ("relu6", -50.0, 0),
        ("relu", 50.0, 0),
    ],
)
def test_units_near_a_bound_are_saturated(function, bias, share):
    biases = keras.initializers.Constant(bias)
    dense = keras.layers.Dense(2, function, kernel_initializer="zeros", bias_initializer=biases)
    model = network(keras.layers.Flatten(), dense, size=(2, 2, 1))
    found = figures.activations(model, [np.ones((7, 2, 2, 1))]).arrays
    assert found["saturated"].tolist() == [share]


def test_maps_are_of_the_first_stage_that_the_model_has():
    resnet = small("resnet50")
    found = figures.maps(resnet, images(resnet)[0])
    assert " maps of stage1_block3_" in found.figure.get_suptitle()
    # Another's model may have the name of a network, and none of its layers.
    inputs = keras.Input((8, 8, 3))
    other = keras.Model(inputs, keras.layers.Conv2D(2, 3, name="own")(inputs), name="resnet50")
    found = figures.maps(other, np.ones((8, 8, 3), np.float32))
    assert " maps of own, 6 x 6" in found.figure.get_suptitle()


def test_stages_have_names():
    model = small("resnet20_cifar")
    found = figures.maps(model, images(model)[0], "stage2")
    assert found.arrays["maps"].shape[-1] == model.get_layer("stage2_block3_act").output.shape[-1]
    assert found.figure.get_suptitle().startswith("resnet20_cifar: ")


def test_dead_and_saturated_units_are_counted(rng):
    biases = keras.initializers.Constant
    model = network(
        keras.layers.Flatten(),
        keras.layers.Dense(5, "relu", kernel_initializer="zeros", name="dead"),
        keras.layers.Dense(4, "tanh", bias_initializer=biases(9.0), name="saturated"),
        keras.layers.Dense(2, name="logits"),
        size=(2, 2, 1),
    )
    model.get_layer("dead").bias.assign([-1, 0.5, -1, 2, 300])
    pixels = rng.normal(size=(7, 2, 2, 1))
    view = figures.activations(model, [pixels[:4], pixels[4:]])
    assert view.table["layer"] == ["dead", "saturated"]
    assert view.table["units"] == [5, 4]
    np.testing.assert_allclose(view.arrays["dead"], [0.4, 0])
    np.testing.assert_allclose(view.arrays["zeros"], [0.4, 0])
    np.testing.assert_allclose(view.arrays["mean"][0], (0.5 + 2 + 300) / 5)
    # Of 300 the range was doubled; no value was lost.
    assert view.arrays["limits"].tolist() == [512, 1]
    assert view.arrays["counts"].sum(axis=1).tolist() == [35, 28]


def test_sigmoids_of_large_inputs_are_saturated(rng):
    model = network(
        keras.layers.Flatten(),
        keras.layers.Dense(2, "sigmoid", bias_initializer=keras.initializers.Constant(50.0)),
        size=(2, 2, 1),
    )
    found = figures.activations(model, [rng.normal(size=(7, 2, 2, 1))]).arrays
    assert found["saturated"].tolist() == [1]


@pytest.mark.slow
@pytest.mark.parametrize("name", kerasnets.list_models())
def test_every_network_has_activations(name):
    model = small(name)
    if name == "resnet1202_cifar":
        # 600 sums without trained statistics double beyond float32.
        with pytest.raises(UserError, match="gives values that are not finite"):
            figures.activations(model, [images(model)])
        return
    found = figures.activations(model, [images(model)]).arrays
    assert ((found["dead"] >= 0) & (found["dead"] <= 1)).all()


def test_gradients_are_those_of_a_tape(rng):
    model = network(
        keras.layers.Conv2D(4, 3, name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, name="logits"),
    )
    pixels, labels = rng.normal(size=(6, 8, 8, 3)).astype(np.float32), np.arange(6) % 3
    before = model.get_weights()
    view = figures.gradients(model, pixels, labels)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    with tf.GradientTape() as tape:
        logits = model(pixels, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    for place, name in enumerate(view.table["layer"]):
        own = model.get_layer(name).trainable_variables
        assert view.arrays["weight"][place] == pytest.approx(
            np.sqrt(sum((v.numpy() ** 2).sum() for v in own)), rel=1e-5
        )
    found = tape.gradient(loss, [v.value for v in model.trainable_variables])
    norms = [np.sqrt(sum((g.numpy() ** 2).sum() for g in found[at : at + 2])) for at in (0, 2, 4)]
    np.testing.assert_allclose(view.arrays["gradient"], norms, rtol=1e-4, atol=1e-7)


def test_gradients_are_each_layers_own(rng):
    """Also of two models inside one whose weights have the same paths, and behind an operation."""
    pixels, labels = rng.normal(size=(6, 4, 4, 3)).astype(np.float32), np.arange(6) % 3
    inputs = keras.Input((4, 4, 3))
    outputs = []
    for number in (1, 2):
        layers = [keras.layers.Flatten(), keras.layers.Dense(3, name="dense")]
        inner = keras.Sequential([keras.Input((4, 4, 3)), *layers], name="inner")
        inner.name = f"inner{number}"
        outputs.append(inner(keras.ops.flip(inputs, axis=-1)))
    # Only the first counts, so the second's gradient is zero.
    first, second = outputs
    view = figures.gradients(keras.Model(inputs, first + 0 * second), pixels, labels)
    assert view.table["layer"] == ["dense", "dense"]
    least, most = sorted(view.arrays["gradient"])
    assert least == 0
    assert most > 0


def test_components_are_those_of_scikit_learn(rng):
    from sklearn.decomposition import PCA

    model, pixels = convolutions(), rng.normal(size=(12, 8, 8, 3)).astype(np.float32)
    view = figures.embeddings(model, [pixels[:5], pixels[5:]], np.arange(12) % 3, list("abc"))
    inner = keras.Model(model.input, model.get_layer("logits").input)
    np.testing.assert_allclose(view.arrays["features"], inner(pixels), rtol=1e-5, atol=1e-6)
    expected = PCA(2, random_state=0).fit_transform(view.arrays["features"])
    np.testing.assert_allclose(view.arrays["pca"], expected, rtol=1e-5)
    assert view.arrays["tsne"].shape == (12, 2)
    assert view.table["class"][:4] == ["a", "b", "c", "a"]


def test_the_projector_reads_its_files(tmp_path, rng):
    from google.protobuf import text_format
    from tensorboard.plugins.projector import ProjectorConfig

    features = rng.normal(size=(5, 4)).astype(np.float32)
    pixels = rng.integers(0, 256, (5, 6, 7, 1), np.uint8)
    folder = figures.save_projector(tmp_path / "p", features, pixels, ["a\tb", "c", "", "d", "e"])
    config = text_format.Parse(
        (folder / "projector_config.pbtxt").read_text(), ProjectorConfig()
    ).embeddings[0]
    np.testing.assert_allclose(np.loadtxt(folder / config.tensor_path), features, rtol=1e-6)
    assert (folder / config.metadata_path).read_text().splitlines() == ["a b", "c", "-", "d", "e"]
    assert (folder / config.sprite.image_path).is_file()


@pytest.mark.parametrize("options", [{}, {"remat": True}, {"activation": "rrelu"}])
def test_reuse_is_the_mean_of_each_source(options):
    model = kerasnets.build("densenet_bc100_k12_cifar", input_shape=(8, 8, 3), width=0.2, **options)
    view = figures.reuse(model)
    assert list(view.arrays) == ["block1", "block2", "block3"]
    first = model.get_layer("stem_conv").output.shape[-1]
    growth = model.get_layer("stage1_layer1_conv2").output.shape[-1]
    for target in (1, 2, 5, 16):
        kernel = np.abs(model.get_layer(f"stage1_layer{target}_conv1").kernel.numpy())
        ends = [0, *(first + growth * source for source in range(target))]
        for source in range(target):
            part = kernel[:, :, ends[source] : ends[source + 1]]
            found = view.arrays["block1"][source, target - 1]
            assert found == pytest.approx(part.mean(), rel=1e-5)
        assert np.isnan(view.arrays["block1"][target:, target - 1]).all()
    # The last column is of what follows: the transition, and the classifier.
    assert view.arrays["block1"].shape == (17, 17)
    logits = np.abs(model.get_layer("logits").kernel.numpy())
    assert view.arrays["block3"][-1, -1] == pytest.approx(logits[-growth:].mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: figures.reuse(model), "small has no dense blocks. Networks that have some"),
        (lambda model: figures.filters(model, units=[9]), "one has the units 0 to 3. Received: 9"),
        (lambda model: figures.maps(model, np.zeros((8, 8, 3)), "logits"), "has no maps"),
        (lambda model: figures.activations(model, []), "Give one image at least"),
        (lambda model: figures.gradients(model, np.zeros((2, 8, 8, 3)), [1]), "as many labels"),
        (lambda model: figures.embeddings(model, [np.zeros((2, 8, 8, 3))]), "three images at"),
    ],
)
def test_what_cannot_be_drawn_is_told(call, message):
    with pytest.raises(UserError, match=message):
        call(convolutions())


def test_pictures_and_tables_are_written(tmp_path):
    view = figures.gradients(convolutions(), np.ones((2, 8, 8, 3), np.float32), [0, 1])
    for ending, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        view.save(tmp_path / f"a{ending}")
        assert (tmp_path / f"a{ending}").read_bytes().startswith(start)
    view.save_csv(tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "layer,gradient,weight,ratio"
    assert len(lines) == 4
