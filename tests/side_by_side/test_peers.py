import keras
import numpy as np
import pytest

from benchmarks.side_by_side.runner import PEERS_FOLDER
from kerasnets.benchmark.network import Setting


@pytest.fixture
def small_peer(monkeypatch):
    """A peer with a small network of Keras, in this process."""
    monkeypatch.syspath_prepend(str(PEERS_FOLDER))
    from keras_peers import Applications

    class Small(Applications):
        def make(self) -> keras.Model:
            x = inputs = keras.Input(self.setting.input_shape)
            x = keras.layers.Conv2D(4, 3, activation="relu")(x)
            return keras.Model(inputs, keras.layers.Dense(1000)(keras.layers.Flatten()(x)))

    def make(precision: str) -> Small:
        peer = Small(
            Setting(
                network="small", input_shape=(8, 8, 3), batch=2, precision=precision, device="cpu"
            )
        )
        peer.build()
        return peer

    yield make
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_network_computes_in_the_precision_that_was_asked_for(small_peer, precision):
    peer = small_peer(precision)
    peer.prepare("build")(1)  # a network that is built again is no other
    assert {layer.compute_dtype for layer in peer.model.layers} == {precision}
    product = peer.product(4)
    product()


def test_a_round_of_training_makes_its_steps(small_peer):
    peer = small_peer("float32")
    before = [np.array(weight) for weight in peer.model.get_weights()]
    peer.prepare("train")(3)
    assert int(peer.model.optimizer.iterations.numpy()) == 3
    assert any((a != b).any() for a, b in zip(before, peer.model.get_weights(), strict=True))
