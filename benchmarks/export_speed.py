"""Images a second of an exported network, against keras.applications and torchvision.

    python benchmarks/export_speed.py [--networks resnet50 densenet121] [--rounds 7]

Each of these has a process of its own, and they run in turn, a batch of float images each time:

- the SavedModel as `kerasnets export` writes it, loaded by TensorFlow alone, signature ``tensor``
- the same with ``--fast none``
- `predict_on_batch` of keras.applications' model
- torchvision's model, channels last, in inference mode, where torchvision is installed

All threads and all of TensorFlow's options are as they are by default.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata, util
from multiprocessing.connection import Connection

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Names in keras.applications and in torchvision.
PEERS = {"resnet50": ("ResNet50", "resnet50"), "densenet121": ("DenseNet121", "densenet121")}
Step = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224, help="height and width, pixels")
    parser.add_argument("--rounds", type=int, default=7, help="timed, after two to warm up")
    parser.add_argument("--folder", type=pathlib.Path, help="keeps the SavedModels, or has them")
    arguments = parser.parse_args()
    versions = {package: metadata.version(package) for package in ("keras", "tensorflow")}
    print(json.dumps({"machine": platform.machine(), "cpus": os.cpu_count(), **versions}))
    print(f"{'':14}{'':20}{'images/s':>9}{'middle half':>16}{'exported / it':>15}{'rounds':>14}")
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            folder = (arguments.folder or pathlib.Path(folder)) / name
            _report(name, _times(name, folder, arguments), arguments.batch)


def _report(name: str, times: dict[str, list[float]], batch: int) -> None:
    ours = times["exported"]
    for kind, seconds in times.items():
        low, median, high = (batch / cut for cut in reversed(statistics.quantiles(seconds, n=4)))
        pairs = sorted(other / our for our, other in zip(ours, seconds, strict=True))
        print(
            f"{name:14}{kind:20}{median:9.1f}{f'{low:.1f}..{high:.1f}':>16}"
            f"{statistics.median(pairs):15.2f}{f'{pairs[0]:.2f}..{pairs[-1]:.2f}':>14}",
            flush=True,
        )


def _times(
    name: str, folder: pathlib.Path, arguments: argparse.Namespace
) -> dict[str, list[float]]:
    """Seconds of each round, by what ran."""
    spawn = multiprocessing.get_context("spawn")
    if not folder.exists():
        with spawn.Pool(1) as pool:  # what exports is gone when the timing starts
            pool.apply(export_both, (name, folder, arguments.size))
    kinds = [kind for kind in STEPS if kind != "torchvision" or util.find_spec("torchvision")]
    pipes = {}
    for kind in kinds:
        pipes[kind], other = spawn.Pipe()
        work = (kind, name, folder, arguments, other)
        spawn.Process(target=_work, args=work, daemon=True).start()
        # Else its end would not be seen.
        other.close()
        try:
            pipes[kind].recv()  # loaded
        except EOFError:
            sys.exit(f"the process of {kind} ended")
    times = {kind: [] for kind in kinds}
    for number in range(2 + arguments.rounds):
        for kind, pipe in pipes.items():
            pipe.send("run")
            seconds = pipe.recv()
            if number >= 2:
                times[kind].append(seconds)
    for pipe in pipes.values():
        pipe.close()
    return times


def _work(
    kind: str, name: str, folder: pathlib.Path, arguments: argparse.Namespace, pipe: Connection
) -> None:
    """Runs a batch, and sends how long it took, whenever it is told to."""
    step = STEPS[kind](name, folder, arguments.batch, arguments.size)
    pipe.send("loaded")
    try:
        while pipe.recv():
            start = time.perf_counter()
            step()
            pipe.send(time.perf_counter() - start)
    except EOFError:
        return


def export_both(name: str, folder: pathlib.Path, size: int) -> None:
    """SavedModels of a network with random weights."""
    import keras
    import numpy as np

    import kerasnets
    from kerasnets.export import Form, export

    network = kerasnets.build(name, input_shape=(size, size, 3), classifier_activation=None)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        # As first initialised they do nothing.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    names = tuple(str(label) for label in range(network.output_shape[-1]))
    preprocessing = kerasnets.Preprocessing(size=(size, size))
    for kind, fast in (("exported", "auto"), ("unfolded", "none")):
        export(network, preprocessing, names, folder / kind, form=Form(fast=(fast,)))


def images(batch: int, size: int):
    """Random float images, (batch, size, size, 3)."""
    import numpy as np

    return np.random.default_rng(0).standard_normal((batch, size, size, 3), dtype="float32")


def saved_model(folder: pathlib.Path, batch: int, size: int) -> Step:
    import tensorflow as tf

    loaded = tf.saved_model.load(folder / "1")
    logits, pixels = loaded.signatures["tensor"], tf.constant(images(batch, size))
    return lambda: logits(tensor=pixels)["logits"].numpy()


def keras_applications(name: str, folder: pathlib.Path, batch: int, size: int) -> Step:
    import keras

    model = getattr(keras.applications, PEERS[name][0])(
        weights=None, input_shape=(size, size, 3), classifier_activation=None
    )
    pixels = images(batch, size)
    return lambda: model.predict_on_batch(pixels)


def torchvision(name: str, folder: pathlib.Path, batch: int, size: int) -> Step:
    import torch
    import torchvision

    model = getattr(torchvision.models, PEERS[name][1])(weights=None)
    model = model.eval().to(memory_format=torch.channels_last)
    # NHWC in memory already: this is what channels_last means.
    pixels = torch.from_numpy(images(batch, size)).permute(0, 3, 1, 2)

    def step() -> object:
        with torch.inference_mode():
            return model(pixels).numpy()

    return step


STEPS: dict[str, Callable[..., Step]] = {
    "exported": lambda name, folder, *of: saved_model(folder / "exported", *of),
    "unfolded": lambda name, folder, *of: saved_model(folder / "unfolded", *of),
    "keras.applications": keras_applications,
    "torchvision": torchvision,
}


if __name__ == "__main__":
    main()
