import numpy as np
import pytest

import kerasnets
from kerasnets import UserError
from kerasnets.models.lenet import C3_CONNECTIONS, digit_codes


def outputs(model) -> dict[str, tuple]:
    return {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}


def test_lenet5_has_the_papers_maps_and_counts():
    model = kerasnets.build("lenet5")
    found = {
        layer.name: (tuple(layer.output.shape[1:]), layer.count_params()) for layer in model.layers
    }
    # Section II.B; the RBF's 840 codes are fixed.
    expected = {
        "c1": ((28, 28, 6), 156),
        "s2": ((14, 14, 6), 12),
        "c3": ((10, 10, 16), 1_516),
        "s4": ((5, 5, 16), 32),
        "c5": ((1, 1, 120), 48_120),
        "f6": ((84,), 10_164),
        "rbf": ((10,), 840),
    }
    assert {name: found[name] for name in expected} == expected


def test_lenet5_has_the_papers_connections():
    """Section II.B gives each layer's connections; with biases they add to 340,908."""
    maps = {"c1": 28 * 28 * 6 * 26, "s2": 14 * 14 * 6 * 5, "s4": 5 * 5 * 16 * 5, "c5": 48_120}
    c3 = sum(10 * 10 * (25 * len(inputs) + 1) for inputs in C3_CONNECTIONS)
    assert (maps["c1"], maps["s2"], c3, maps["s4"]) == (122_304, 5_880, 151_600, 2_000)
    assert sum(maps.values()) + c3 + 10_164 + 840 == 340_908
    model = kerasnets.build("lenet5")
    biased = [model.get_layer(name) for name in ("c1", "c3", "c5", "f6")]
    from kerasnets.inspection.table import layer_multiply_adds

    positions = [np.prod(layer.output.shape[1:]) for layer in biased]
    connections = sum(map(layer_multiply_adds, biased)) + sum(positions)
    assert connections == 122_304 + 151_600 + 48_120 + 10_164


def test_lenet5_answers_with_the_smallest_distance(rng):
    images = rng.standard_normal((4, 32, 32, 1)).astype(np.float32)
    model = kerasnets.build("lenet5", classifier_activation=None)
    import keras

    distances = keras.Model(model.input, model.get_layer("rbf").output)(images)
    np.testing.assert_allclose(model(images), -np.array(distances), rtol=1e-6)
    assert (np.array(distances) >= 0).all()


def test_codes_are_the_digits_drawn_on_seven_by_twelve():
    codes = np.array(digit_codes(12))
    assert codes.shape == (12, 84)
    assert set(np.unique(codes)) == {-1, 1}
    one = codes[1].reshape(12, 7)
    assert (one[1:11, 3] == 1).all()
    distances = ((codes[:, np.newaxis] - codes) ** 2).sum(-1) + 1_000 * np.eye(12)
    # The MAP criterion's constant, 12, lies inside the smallest spacing.
    assert distances.min() >= 24
    assert digit_codes(12)[11] == digit_codes(40)[11]


def test_initial_weights_are_the_papers():
    """Appendix A: uniform in ±2.4 / fan-in."""
    model = kerasnets.build("lenet5")
    for name, fan_in in (("c1", 25), ("c5", 400), ("f6", 120)):
        kernel = np.abs(model.get_layer(name).kernel.numpy())
        assert 0.8 * 2.4 / fan_in < kernel.max() <= 2.4 / fan_in
    c3 = np.abs(np.array(model.get_layer("c3").dense_kernel))
    for target, fan_in in ((0, 75), (15, 150)):
        assert 0.8 * 2.4 / fan_in < c3[..., target].max() <= 2.4 / fan_in
    drawn = [np.abs(model.get_layer(name).coefficient.numpy()) for name in ("s2", "s4")]
    # A window of 4 pixels; the largest of 22 draws.
    assert 0.4 < np.concatenate(drawn).max() <= 2.4 / 4


def test_modern_form_and_the_lecture_notes_form():
    model = kerasnets.build("lenet5_modern")
    shapes = outputs(model)
    assert shapes["conv1"] == (28, 28, 6)
    assert shapes["pool1"] == (14, 14, 6)
    assert shapes["conv2"] == (10, 10, 16)
    assert shapes["pool2"] == (5, 5, 16)
    lecture = kerasnets.build("lenet5_modern", activation="sigmoid", pool="average")
    assert lecture.count_params() == 61_706
    assert type(lecture.get_layer("pool1")).__name__ == "AveragePooling2D"
    assert lecture.get_layer("conv1_act").activation.__name__ == "sigmoid"


def test_dropout_of_the_modern_form_follows_the_hidden_layers(rng):
    model = kerasnets.build("lenet5_modern", dropout=0.4)
    assert model.count_params() == 61_706
    for layer in ("fc1", "fc2"):
        dropout = model.get_layer(f"{layer}_dropout")
        assert dropout.rate == 0.4
        assert dropout.input is model.get_layer(f"{layer}_act").output
    images = rng.standard_normal((2, 28, 28, 1)).astype(np.float32)
    plain = kerasnets.build("lenet5_modern")
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(model(images), plain(images))
    with pytest.raises(UserError, match=r"dropout must be in \[0, 1\). Received: 1.0"):
        kerasnets.build("lenet5_modern", dropout=1.0)
