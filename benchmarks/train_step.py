"""Time of a training step: kerasnets' trainer against keras.applications compiled by hand.

Each is fitted to random images in a process of its own, by SGD with momentum; keras.applications
with the defaults of `compile`. Where torchvision is installed its networks take the same step.
The time is the median of the steps after the first, which compiles.

    python benchmarks/train_step.py --networks resnet50 vgg16
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib import metadata, util

# Names in keras.applications, where they are there, and in torchvision.
NETWORKS = {
    "resnet50": ("ResNet50", "resnet50"),
    "densenet121": ("DenseNet121", "densenet121"),
    "vgg16": ("VGG16", "vgg16"),
    "inception_v3": ("InceptionV3", "inception_v3"),
    "googlenet": (None, "googlenet"),
    "alexnet": (None, "alexnet"),
}
MOMENTUM = {"learning_rate": 0.01, "momentum": 0.9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224, help="height and width, pixels")
    parser.add_argument("--steps", type=int, default=3, help="timed steps, after a first one")
    parser.add_argument("--only", choices=TRAINERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        (name,) = arguments.networks
        print(json.dumps(TRAINERS[arguments.only](name, arguments)))
        return
    versions = {package: metadata.version(package) for package in ("keras", "tensorflow")}
    print(json.dumps({"machine": platform.platform(), "cpus": os.cpu_count(), **versions}))
    print(f"{'':14}{'kerasnets':>11}{'keras':>11}{'torchvision':>13}  kerasnets / keras")
    for name in arguments.networks:
        _compare(name, arguments)


def _compare(name: str, arguments: argparse.Namespace) -> None:
    application, _ = NETWORKS[name]
    times = {"kerasnets": _in_own_process(name, "kerasnets", arguments)}
    if application:
        times["keras"] = _in_own_process(name, "keras", arguments)
    if util.find_spec("torchvision"):
        times["torchvision"] = _in_own_process(name, "torchvision", arguments)
    cells = [f"{times[key]:.2f} s" if key in times else "-" for key in TRAINERS]
    ratio = f"{times['kerasnets'] / times['keras']:.2f}" if application else "-"
    print(f"{name:14}{cells[0]:>11}{cells[1]:>11}{cells[2]:>13}  {ratio}", flush=True)


def _in_own_process(name: str, trainer: str, arguments: argparse.Namespace) -> float:
    """Median seconds of a step."""
    command = [sys.executable, __file__, "--networks", name, "--only", trainer]
    for option in ("batch", "size", "steps"):
        command += [f"--{option}", str(getattr(arguments, option))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return statistics.median(json.loads(done.stdout.splitlines()[-1])[1:])


def _random(arguments: argparse.Namespace) -> tuple[object, object]:
    """A batch of images, uint8, and their labels."""
    import numpy as np

    draw = np.random.default_rng(0)
    shape = (arguments.batch, arguments.size, arguments.size, 3)
    return draw.integers(0, 256, shape, np.uint8), draw.integers(0, 1000, arguments.batch)


def _fit(model: object, images: object, labels: object, steps: int) -> list[float]:
    """Seconds of each step of `model.fit`."""
    import keras
    import tensorflow as tf

    times = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: times.append(-time.perf_counter()),
        on_train_batch_end=lambda batch, logs: times.append(times.pop() + time.perf_counter()),
    )
    batches = tf.data.Dataset.from_tensors((images, labels)).repeat()
    model.fit(batches, steps_per_epoch=1 + steps, callbacks=[clock], verbose=0)
    return times


def kerasnets(name: str, arguments: argparse.Namespace) -> list[float]:
    """The trainer's model, with preprocessing in it, on uint8 images."""
    import kerasnets
    from kerasnets.training import recipe
    from kerasnets.training.distribution import Place
    from kerasnets.training.trainer import repeatable

    network = kerasnets.build(
        name, input_shape=(arguments.size, arguments.size, 3), classifier_activation=None
    )
    plan = recipe("resnet2015", optimizer="sgd", schedule="constant", weight_decay=0.0, **MOMENTUM)
    preprocessing = kerasnets.Preprocessing(size=(arguments.size, arguments.size))
    model = Place().trainee(network, preprocessing, plan, 1)
    with repeatable():
        return _fit(model, *_random(arguments), arguments.steps)


def keras(name: str, arguments: argparse.Namespace) -> list[float]:
    """keras.applications' model, which leaves the preprocessing to its user, on float images."""
    import keras
    import numpy as np

    make = getattr(keras.applications, NETWORKS[name][0])
    shape = (arguments.size, arguments.size, 3)
    model = make(weights=None, input_shape=shape, classifier_activation=None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(**MOMENTUM), loss, metrics=["accuracy"])
    images, labels = _random(arguments)
    return _fit(model, images.astype(np.float32) / 255, labels, arguments.steps)


def torchvision(name: str, arguments: argparse.Namespace) -> list[float]:
    """torchvision's model, on float images."""
    import torch
    import torchvision

    model = getattr(torchvision.models, NETWORKS[name][1])(weights=None)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), MOMENTUM["learning_rate"], momentum=0.9)
    images, labels = _random(arguments)
    images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float() / 255
    times = []
    for _ in range(1 + arguments.steps):
        started = time.perf_counter()
        optimizer.zero_grad()
        logits = model(images)
        logits = logits.logits if hasattr(logits, "logits") else logits
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).backward()
        optimizer.step()
        times.append(time.perf_counter() - started)
    return times


TRAINERS = {"kerasnets": kerasnets, "keras": keras, "torchvision": torchvision}


if __name__ == "__main__":
    main()
