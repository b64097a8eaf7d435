"""Loading VGG-16 from a file: seconds, and memory above the empty process.

Ours reads safetensors, in our own layout and in torchvision's; keras.applications its ``.h5``.
Every trial is a process of its own, which reads the file once before, so that the disk does not
count. The weights take 553 MB.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

TRIALS = 5
GOALS = {"time": 0.8, "memory": 1.3}

WRITE = """
import sys
import keras, kerasnets
from kerasnets.registry import registration
from kerasnets.weights import save_tensors, save_weights
from kerasnets.pretrained.convert import project_tensors
folder = sys.argv[1]
network = kerasnets.build("vgg16")
peer = keras.applications.VGG16(weights=None)
peer.set_weights(network.get_weights())
peer.save_weights(f"{folder}/keras.weights.h5")
save_weights(network, f"{folder}/own.safetensors")
tensors = project_tensors(network, registration("vgg16"), "torchvision")
save_tensors(f"{folder}/torchvision.safetensors", tensors)
"""

LOAD = """
import pathlib, re, sys, time
import keras, kerasnets, kerasnets.weights, tensorflow
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
path = sys.argv[2]
with open(path, "rb") as file:
    while file.read(1 << 22): pass
keras.layers.Dense(1)(keras.Input((1,)))
before, start = peak(), time.perf_counter()
if sys.argv[1] == "keras":
    keras.applications.VGG16(weights=path)
else:
    kerasnets.build("vgg16", weights=path)
print(time.perf_counter() - start, (peak() - before) * 1024)
"""


def run(code: str, *arguments: str) -> str:
    """The output of Python code in a process of its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return done.stdout


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        run(WRITE, folder)
        size = pathlib.Path(folder, "own.safetensors").stat().st_size
        contestants = {
            "keras.applications": ("keras", f"{folder}/keras.weights.h5"),
            "kerasnets, own layout": ("kerasnets", f"{folder}/own.safetensors"),
            "kerasnets, torchvision's": ("kerasnets", f"{folder}/torchvision.safetensors"),
        }
        measured = {name: [] for name in contestants}
        for _ in range(TRIALS):
            for name, (which, path) in contestants.items():
                measured[name].append(tuple(map(float, run(LOAD, which, path).split())))
    base = statistics.median(seconds for seconds, _ in measured["keras.applications"])
    print(f"vgg16, {size / 1e6:,.0f} MB of weights; median of {TRIALS}")
    print(f"{'':26}{'seconds':>9}{'ratio':>7}{'memory / weights':>18}")
    for name, results in measured.items():
        seconds = statistics.median(seconds for seconds, _ in results)
        memory = statistics.median(used for _, used in results) / size
        print(f"{name:26}{seconds:9.2f}{seconds / base:7.2f}{memory:18.2f}")
    print(f"goals: time <= {GOALS['time']}, memory <= {GOALS['memory']}")


if __name__ == "__main__":
    main()
