"""Times Grad-CAM of images against predicting them, and prints the peak of memory.

    python benchmarks/explanations.py [--network resnet50] [--images 100] [--repeats 5]

Both run in turn within one process, on noise of the network's size and with fresh weights, which
cost what photographs and trained weights do. The peak of memory is that of the process.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np
from timing import compare, in_turn

import kerasnets
from kerasnets.inspection.memory import batch_within


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", default="resnet50")
    parser.add_argument("--method", default="grad_cam")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    network = kerasnets.build(options.network)
    shape = (options.images, *network.input_shape[1:])
    images = np.random.default_rng(0).standard_normal(shape, np.float32)
    batch = batch_within(network)
    timers = {
        options.method: lambda: seconds(
            lambda: kerasnets.explain(network, images, method=options.method)
        ),
        "predict": lambda: seconds(lambda: network.predict(images, batch_size=batch, verbose=0)),
    }
    print(f"{options.network}, {options.images} images, predicted {batch} at a time")
    compare(in_turn(timers, options.repeats))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak of memory {peak / 1024:,.0f} MiB, the images {images.nbytes / 2**20:,.0f} MiB")


if __name__ == "__main__":
    main()
