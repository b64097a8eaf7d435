"""SavedModels in an environment where nothing but TensorFlow is installed; for `make trials`."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import venv
from importlib import metadata

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kerasnets
from kerasnets.export import classifier, export
from kerasnets.export.signatures import decoded
from kerasnets.inputs import with_preprocessing
from tests.conftest import ROOT
from tests.fast.test_folding import randomize

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ALONE = ROOT / "tests" / "export" / "answer_alone.py"


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> pathlib.Path:
    """The Python of an environment with TensorFlow alone."""
    folder = tmp_path_factory.mktemp("tensorflow")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = f"tensorflow=={metadata.version('tensorflow')}"
    install = [python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wanted]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot install TensorFlow: {done.stderr[-300:]}")
    missing = "import importlib.util as u; print([u.find_spec(n) for n in ('kerasnets', 'PIL')])"
    found = subprocess.run(
        [python, "-I", "-c", missing], capture_output=True, text=True, check=True
    )
    assert found.stdout == "[None, None]\n"
    return python


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[pathlib.Path]:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(7)
    paths = []
    for number, size in enumerate([(300, 260), (224, 224), (90, 400)]):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        paths.append(folder / f"{number}.jpg")
        coarse.resize(size, Image.Resampling.BICUBIC).save(paths[-1])
    return paths


@pytest.mark.parametrize("name", ["lenet5", "alexnet", "googlenet", "resnet50_v1_5", "densenet121"])
def test_answers_as_the_network_does(alone, photos, tmp_path, rng, name):
    network = kerasnets.build(name, classifier_activation=None)
    randomize(network, rng)
    preprocessing = kerasnets.info(name).preprocessing
    class_names = tuple(f"class {label}" for label in range(network.output_shape[-1]))
    files = tf.constant([path.read_bytes() for path in photos])
    pixels, _ = decoded(files, network.input_shape[-1], preprocessing)
    _make_certain(network, with_preprocessing(network, preprocessing)(pixels).numpy())
    expected = classifier(network, preprocessing, class_names)(files)["probabilities"].numpy()
    # Else any answer at all would be near enough.
    assert expected.max() > 0.1

    version = export(network, preprocessing, class_names, tmp_path / name)
    command = [alone, ALONE, version, *photos]
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=clean, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-4)
    best = [class_names[label] for label in expected.argmax(axis=1)]
    assert [names[0] for names in answer["top_classes"]] == best


def _make_certain(network, logits) -> None:
    """Spreads the logits as a training does: neither are all alike nor is one alone possible."""
    spread = np.ptp(logits, axis=1).min()
    head = network.get_layer("logits")
    head.set_weights([weight * 20 / spread for weight in head.get_weights()])
