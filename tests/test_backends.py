"""Layers and models give the same numbers on Keras' JAX and PyTorch backends as on TensorFlow's."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.weights import save_weights
from tests.models.test_registered import images, small

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = pathlib.Path(__file__).parent.parent

# Builds each network on the backend of the environment, with the weights and images of a folder.
OTHER = """
import json, pathlib, sys
import numpy as np
import kerasnets
from kerasnets.pretrained import load_weights

assert "tensorflow" not in sys.modules
folder = pathlib.Path(sys.argv[1])
answers = []
for path in sorted(folder.glob("*.json")):
    name, arguments = json.loads(path.read_text())
    model = kerasnets.build(name, **arguments)
    load_weights(model, path.with_suffix(".safetensors"))
    images = np.load(path.with_suffix(".npy"))
    result = model.predict(images, verbose=0)
    np.save(path.with_suffix(".out.npy"), result)
    answers.append((name, model, images, result))
assert "tensorflow" not in sys.modules
# Where TensorFlow is installed, Keras itself loads it to write a layer's configuration.
for name, model, images, result in answers:
    fast = kerasnets.for_inference(model).predict(images, verbose=0)
    np.testing.assert_allclose(fast, result, atol=1e-4 * np.abs(result).max(), err_msg=name)
"""


def randomise_norms(model: keras.Model) -> None:
    """Draws what batch norms learn, small enough that a thousand residual layers stay finite."""
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.beta.shape
            layer.beta.assign(0.1 * rng.standard_normal(shape))
            layer.moving_mean.assign(0.1 * rng.standard_normal(shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2.0, shape))
            if layer.scale:
                layer.gamma.assign(rng.uniform(0.1, 0.3, shape))


@pytest.mark.parametrize(
    "backend", [pytest.param(each, marks=pytest.mark.needs(each)) for each in ("jax", "torch")]
)
def test_every_network_agrees_with_tensorflow(backend, tmp_path):
    expected = {}
    for name in kerasnets.list_models():
        model = small(name)
        randomise_norms(model)
        x = images(model)
        arguments = {
            "input_shape": model.input_shape[1:],
            "classes": 3,
            "classifier_activation": None,
            "kernel_initializer": "zeros",  # loaded weights take their place
        }
        if "width" not in kerasnets.registry.registration(name).fixed:
            arguments["width"] = 0.25
        (tmp_path / f"{name}.json").write_text(json.dumps([name, arguments]))
        save_weights(model, tmp_path / f"{name}.safetensors")
        np.save(tmp_path / f"{name}.npy", x)
        expected[name] = np.array(model(x, training=False))
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling takes longer than the one run
        "PYTHONPATH": str(ROOT),
    }
    subprocess.run([sys.executable, "-c", OTHER, str(tmp_path)], env=environment, check=True)
    for name, values in expected.items():
        found = np.load(tmp_path / f"{name}.out.npy")
        # Both compute in float32 and sum in other orders.
        scale = np.abs(values).max()
        assert np.isfinite(scale), name
        np.testing.assert_allclose(found, values, atol=1e-4 * scale, err_msg=name)
