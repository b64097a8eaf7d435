"""The estimate of a batch's memory against what processes need."""

import pathlib
import subprocess
import sys

import keras
import pytest

import kerasnets
from kerasnets.inspection.memory import MOST_IMAGES, activation_bytes, batch_within

ROOT = pathlib.Path(__file__).parent.parent.parent
MIB = 2**20
# Prints the estimate and the growth of the peak memory of a second, larger batch.
PROGRAM = """
import ctypes, gc, json, pathlib, re, sys
import numpy as np
import kerasnets
from kerasnets.inspection.memory import activation_bytes

name, options, budget = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
network = kerasnets.build(name, **options)
estimate = activation_bytes(network)
count = budget // estimate
images = np.zeros((count, *network.input_shape[1:]), "float32")

def resident(key):
    found = re.search(key + r":\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())
    return 1024 * int(found[1])

network.predict(images[:2], batch_size=count, verbose=0)
gc.collect()
ctypes.CDLL("libc.so.6").malloc_trim(0)
pathlib.Path("/proc/self/clear_refs").write_text("5")
before = resident("VmRSS")
network.predict(images, batch_size=count, verbose=0)
print(estimate * count, resident("VmHWM") - before)
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/clear_refs").exists(), reason="Linux alone tells")
@pytest.mark.parametrize(
    ("name", "options", "mib"),
    [
        ("resnet20_cifar", "{}", 150),
        pytest.param(
            *("vgg11", '{"width": 0.25, "input_shape": [96, 96, 3]}', 150), marks=pytest.mark.slow
        ),
        # What does not grow with the batch, some 100 MiB, weighs little beside these.
        pytest.param("densenet121", '{"input_shape": [128, 128, 3]}', 600, marks=pytest.mark.slow),
        pytest.param("googlenet", "{}", 600, marks=pytest.mark.slow),
    ],
)
def test_the_estimate_is_right_within_a_factor_of_two(name, options, mib):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, options, str(mib * MIB)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    estimate, measured = map(int, result.stdout.split())
    assert estimate / 2 < measured < estimate * 2


def test_the_largest_sum_of_tensors_needed_at_once_counts():
    images = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(16, 1)(images)
    y = keras.layers.Conv2D(16, 1)(x)
    network = keras.Model(images, keras.layers.Add()([x, y]))
    # Both branches and their sum: 3 tensors of 8 x 8 x 16 float32.
    assert activation_bytes(network) == 3 * 8 * 8 * 16 * 4
    # Gradients need the images too.
    assert activation_bytes(network, kept=True) == (3 * 16 + 4) * 8 * 8 * 4
    outer = keras.Input((8, 8, 4))
    nested = keras.Model(outer, network(outer))
    assert activation_bytes(nested) >= activation_bytes(network)
    assert activation_bytes(nested, kept=True) >= activation_bytes(network, kept=True)
    with_half = keras.Sequential([images, keras.layers.Conv2D(16, 1, dtype="mixed_bfloat16")])
    assert activation_bytes(with_half) == 8 * 8 * (4 * 4 + 16 * 2)


def test_a_network_of_any_size_is_judged_by_the_images():
    fixed = kerasnets.build("resnet20_cifar")
    free = kerasnets.build("resnet20_cifar", input_shape=(None, None, 3))
    assert activation_bytes(free, (32, 32)) == activation_bytes(fixed)
    assert activation_bytes(free, (64, 64)) == pytest.approx(4 * activation_bytes(fixed), rel=0.01)


def test_the_batch_divides_among_devices_and_has_an_image_at_least():
    network = kerasnets.build("resnet20_cifar")
    need = activation_bytes(network)
    assert batch_within(network) == MOST_IMAGES
    assert batch_within(network, budget=7 * need) == 7
    assert batch_within(network, budget=7 * need, replicas=4) == 28
    assert batch_within(network, replicas=4) == 252
    assert batch_within(network, budget=need // 2) == 1
