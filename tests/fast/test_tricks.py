import keras
import pytest
import tensorflow as tf

from kerasnets import TrainConfig, UserError
from kerasnets.config.training import from_json, to_json
from kerasnets.fast.tricks import chosen


def test_a_choice_of_tricks():
    everything = {"batch_norm", "optimizer", "winograd"}
    assert chosen(("auto",), "training", "cpu") == everything
    for fast in (("none",), ("xla",)):
        assert not chosen(fast, "training", "cpu")
    for fast in (("auto",), ("winograd",)):
        assert not chosen(fast, "training", "any")
    assert chosen(("winograd", "optimizer"), "training", "cpu") == {"winograd", "optimizer"}
    assert chosen(("auto",), "inference", "any") == {"folding", "pixels"}


@pytest.mark.parametrize("fast", [(), ("none", "winograd"), ("xla", "auto"), ("folding",)])
def test_a_choice_that_cannot_be_read_is_refused(fast):
    with pytest.raises(
        UserError, match=f"fast must be .*Received: .*{' '.join(fast) or 'nothing'}"
    ):
        TrainConfig(fast=fast)


@pytest.mark.parametrize(("xla", "fast"), [("false", ("auto",)), ("true", ("xla",))])
def test_runs_of_earlier_versions_say_whether_xla_compiled_them(xla, fast):
    text = to_json(TrainConfig().resolved())
    earlier = text.replace('"fast": [\n    "auto"\n  ]', f'"xla": {xla}')
    assert earlier != text
    assert from_json(earlier, "config.json").fast == fast


def kinds(layer: keras.layers.Layer, training: bool = False) -> set[str]:
    """The operations of a layer of Keras on (N, H, W, C)."""
    layer.build((None, 8, 8, 4))
    call = {"training": training} if isinstance(layer, keras.layers.BatchNormalization) else {}
    traced = tf.function(lambda x: layer(x, **call))
    graph = traced.get_concrete_function(tf.TensorSpec((2, 8, 8, 4))).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("training", [True, False])
def test_keras_still_computes_batch_norm_in_simple_operations(training):
    """Where this fails, `batch_norm` is no longer needed, or, in inference, `ChannelAffine`."""
    found = kinds(keras.layers.BatchNormalization(), training)
    assert "Rsqrt" in found
    assert not any(kind.startswith("FusedBatchNorm") for kind in found)


def test_keras_adds_the_bias_of_a_convolution_by_one_operation():
    """Where this fails, convolutions need a layer for inference that adds it so.

    TensorFlow joins a convolution with ``BiasAdd`` and a ReLU behind it, but not with a plain sum.
    """
    found = kinds(keras.layers.Conv2D(3, 3))
    assert "BiasAdd" in found
    assert "AddV2" not in found
