"""Times how long building a network takes, against keras.applications.

    python benchmarks/build_time.py [--networks densenet121 resnet152] [--repeats 10]

Both build in turn within one process; what one built is cleared before the other starts.
"""

from __future__ import annotations

import argparse
import functools
import gc
import os
import time
from collections.abc import Callable
from importlib import metadata

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
from timing import compare, in_turn

import kerasnets

PEERS = {
    "densenet121": "DenseNet121",
    "densenet201": "DenseNet201",
    "inception_resnet_v2": "InceptionResNetV2",
    "inception_v3": "InceptionV3",
    "resnet50": "ResNet50",
    "resnet152": "ResNet152",
    "resnet152_v2": "ResNet152V2",
    "vgg16": "VGG16",
}


def seconds(build: Callable) -> float:
    """Of one call, in a process without other networks."""
    keras.backend.clear_session()
    gc.collect()
    start = time.perf_counter()
    build(weights=None)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--networks", nargs="+", choices=PEERS, default=["densenet121", "resnet152"]
    )
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--kernel-initializer", help="ours, in place of the network's own")
    arguments = parser.parse_args()
    drawn = arguments.kernel_initializer
    options = {"kernel_initializer": drawn} if drawn else {}
    print(f"TensorFlow {metadata.version('tensorflow')}, CPU, {os.cpu_count()} cores")
    for network in arguments.networks:
        builders = {
            "kerasnets": functools.partial(kerasnets.build, network, **options),
            "keras.applications": getattr(keras.applications, PEERS[network]),
        }
        timers = {name: functools.partial(seconds, build) for name, build in builders.items()}
        print(network)
        compare(in_turn(timers, arguments.repeats))


if __name__ == "__main__":
    main()
