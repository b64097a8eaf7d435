"""Memory and time of a DenseNet's training step, with and without rematerialisation.

Each form is measured in a process of its own. The memory is the peak of the steps above what the
process takes after a step with one image, that is, above the model, its optimiser and its compiled
step; the time is that of the fastest step, and the CPU time tells where other work disturbed it.

    python benchmarks/remat.py --network densenet121 --batch 32 --size 224
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING

os.environ["KERAS_BACKEND"] = "tensorflow"

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", default="densenet121")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224, help="height and width, pixels")
    parser.add_argument("--steps", type=int, default=3, help="timed steps, after a first one")
    parser.add_argument("--form", choices=("plain", "remat"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.form:
        print(json.dumps(measure(arguments)))
        return
    plain, remat = (in_own_process(form) for form in ("plain", "remat"))
    versions = {package: metadata.version(package) for package in ("keras", "tensorflow")}
    setting = {"machine": platform.platform(), "cpus": os.cpu_count(), **versions}
    print(json.dumps({"plain": plain, "remat": remat, **setting}, indent=2))
    for quantity in ("memory_mib", "step_s", "step_cpu_s"):
        print(f"{quantity}: remat / plain = {remat[quantity] / plain[quantity]:.2f}")


def in_own_process(form: str) -> dict[str, float]:
    """What `measure` returns for this form."""
    command = [sys.executable, __file__, *sys.argv[1:], "--form", form]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Peak memory and seconds of a training step on random images."""
    import keras

    import kerasnets

    keras.utils.set_random_seed(0)
    model = kerasnets.build(
        arguments.network,
        input_shape=(arguments.size, arguments.size, 3),
        remat=arguments.form == "remat",
    )
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    sizes = [1] + [arguments.batch] * (1 + arguments.steps)
    before, started, seconds, cpu_seconds = None, None, [], []

    def start(step: int, logs: dict | None = None) -> None:
        nonlocal before, started
        if step == 1:
            before = status_mib("VmRSS")
            pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak until here
        started = time.perf_counter(), time.process_time()

    def end(step: int, logs: dict | None = None) -> None:
        seconds.append(time.perf_counter() - started[0])
        cpu_seconds.append(time.process_time() - started[1])

    timer = keras.callbacks.LambdaCallback(on_train_batch_begin=start, on_train_batch_end=end)
    model.fit(random_batches(model, sizes), callbacks=[timer], verbose=0)
    return {
        "memory_mib": status_mib("VmHWM") - before,
        "step_s": min(seconds[2:]),
        "step_cpu_s": min(cpu_seconds[2:]),
        "first_step_s": seconds[0],
        "loss": model.history.history["loss"][-1],
    }


def random_batches(model: keras.Model, sizes: list[int]) -> tf.data.Dataset:
    """Batches of these sizes, of a shape that leaves the size open: one compiled step fits all."""
    import numpy as np
    import tensorflow as tf

    draw = np.random.default_rng(0)
    shape, classes = model.input_shape[1:], model.output_shape[-1]

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for size in sizes:
            images = draw.standard_normal((size, *shape), dtype="float32")
            yield images, draw.integers(0, classes, size)

    signature = (tf.TensorSpec((None, *shape)), tf.TensorSpec((None,), "int64"))
    return tf.data.Dataset.from_generator(batches, output_signature=signature)


def status_mib(entry: str) -> float:
    """A size of this process: ``VmRSS`` is now, ``VmHWM`` the peak."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{entry}:\s+(\d+)", status)[1]) / 1024


if __name__ == "__main__":
    main()
