"""Times local response normalisation, forward and backward, against TensorFlow's own.

    python benchmarks/lrn.py [--jit-compile] [--shape 64 27 27 256] [--repeats 20]

Both run in turn within one process, so that whatever else the machine does meets both. With
``--jit-compile`` XLA compiles both, as ``model.fit`` does on GPUs.
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "tensorflow"

import tensorflow as tf
from timing import compare, in_turn

from kerasnets.layers import LocalResponseNormalization


def peer(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.local_response_normalization(x, depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75)


def forward_and_backward(layer: Callable, jit_compile: bool) -> Callable:
    @tf.function(jit_compile=jit_compile)
    def step(x: tf.Tensor, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return y, tape.gradient(y, x, gradient)

    return step


def seconds(step: Callable, *arguments: tf.Tensor) -> float:
    start = time.perf_counter()
    for result in step(*arguments):
        result.numpy()  # waits until it is computed
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jit-compile", action="store_true")
    parser.add_argument("--shape", type=int, nargs=4, default=(64, 27, 27, 256))
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()

    x = 10 * tf.random.stateless_normal(options.shape, seed=(0, 0))
    gradient = tf.random.stateless_normal(options.shape, seed=(0, 1))
    layers = {"kerasnets": LocalResponseNormalization(), "tf.nn": peer}
    steps = {
        name: forward_and_backward(layer, options.jit_compile) for name, layer in layers.items()
    }
    outputs = [step(x, gradient) for step in steps.values()]
    for ours, theirs in zip(*outputs, strict=True):
        tf.debugging.assert_near(ours, theirs, rtol=1e-5, atol=1e-5)

    device = "GPU" if tf.config.list_physical_devices("GPU") else f"CPU, {os.cpu_count()} cores"
    mode = "XLA" if options.jit_compile else "tf.function"
    shape = "x".join(map(str, options.shape))
    print(f"{shape} float32, forward + backward, {mode}, {device}, TensorFlow {tf.__version__}")
    timers = {name: functools.partial(seconds, step, x, gradient) for name, step in steps.items()}
    compare(in_turn(timers, options.repeats))


if __name__ == "__main__":
    main()
