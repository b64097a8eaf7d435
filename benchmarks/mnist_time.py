"""Time of LeNet-5 on MNIST: kerasnets' trainer, plain Keras and plain PyTorch, one after the other.

All train the same network (61,706 weights, ReLU, max pooling) with Adam and cosine decay, batches
of 128, no augmentation, and test after each epoch; `lenet_fast` is kerasnets' trainer once more, by
its own recipe of that name. Each runs in a process of its own, in turn in every round. kerasnets
reads TFDS and writes its run folder; the others take arrays in memory, write nothing, do not load
kerasnets, and keep the defaults of their libraries, TensorFlow's choice for or against oneDNN among
them. A time is that of whole epochs, tests and the compilation in the first one included.

    python benchmarks/mnist_time.py --data-dir PATH
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import tempfile
import time

import numpy as np
from timing import epoch_clock, trainers_in_turn

BATCH = 128
LEARNING_RATE = 3e-3
TARGETS = (0.98, 0.99, 0.992)

# (seconds, test accuracy) of each epoch.
Epochs = list[tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=8)
    _report(trainers_in_turn(parser, TRAINERS, "mnist"))


def _report(rows: dict[str, list[Epochs]]) -> None:
    """Prints the table and the ratios: medians over the rounds."""
    columns = "".join(f"{f'to {target:.1%}':>11}" for target in TARGETS)
    print(f"{'':12}{'s/epoch':>9}{'spread':>14}{'first':>8}{columns}{'best':>9}")
    times = {}
    for name, rounds in rows.items():
        later = [seconds for epochs in rounds for seconds, _ in epochs[1:]]
        per_epoch = statistics.median(later)
        first = statistics.median(epochs[0][0] for epochs in rounds)
        reached = [_median([_time_to(epochs, target) for epochs in rounds]) for target in TARGETS]
        times[name] = (per_epoch, reached[1])
        spread = f"{min(later):.2f}..{max(later):.2f}"
        shown = "".join(f"{'-' if each is None else f'{each:.1f} s':>11}" for each in reached)
        best = max(accuracy for epochs in rounds for _, accuracy in epochs)
        print(f"{name:12}{per_epoch:9.2f}{spread:>14}{first:8.2f}{shown}{best:9.2%}")
    (ours, our_time), (_, fast_time) = times.pop("kerasnets"), times.pop("lenet_fast")
    for name, (per_epoch, reached) in times.items():
        same, fast = (_share(each, reached) for each in (our_time, fast_time))
        print(f"kerasnets / {name}: {ours / per_epoch:.2f} an epoch")
        print(f"    to 99 %: {same} by the same recipe, {fast} by lenet_fast")


def _share(ours: float | None, theirs: float | None) -> str:
    if ours is None:
        return "not reached"
    return "reached by us alone" if theirs is None else f"{ours / theirs:.2f}"


def _median(times: list[float | None]) -> float | None:
    return None if None in times else statistics.median(times)


def _time_to(epochs: Epochs, accuracy: float) -> float | None:
    total = 0.0
    for seconds, reached in epochs:
        total += seconds
        if reached >= accuracy:
            return total
    return None


def kerasnets(arguments: argparse.Namespace) -> Epochs:
    """`kerasnets.train` by what the others do."""
    return _kerasnets(
        arguments,
        "lenet_modern",
        epochs=arguments.epochs,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        warmup_epochs=0,
        augment="none",
    )


def lenet_fast(arguments: argparse.Namespace) -> Epochs:
    """`kerasnets train --model lenet5_modern --data mnist --recipe lenet_fast`."""
    return _kerasnets(arguments, "lenet_fast")


def _kerasnets(arguments: argparse.Namespace, recipe_name: str, **changes) -> Epochs:
    """`kerasnets.train`, told to take the test images for validation."""
    import dataclasses

    from kerasnets.config import TrainConfig, recipe
    from kerasnets.runs import run
    from kerasnets.training import train, trainer

    def load_data(config: TrainConfig) -> object:
        dataset = run.load_data(config)
        splits = {**dataset.splits, "validation": dataset.splits["test"]}
        return dataclasses.replace(dataset, splits=splits)

    trainer.load_data = load_data
    plan = recipe(recipe_name, validation_fraction=0, **changes)
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "run")
        config = TrainConfig(
            model="lenet5_modern", data="mnist", data_dir=arguments.data_dir, recipe=plan, out=out
        )
        rows = trainer.read_history(train(config).folder / "history.csv")
    return [(row["seconds"], row["val_accuracy"]) for row in rows]


def keras(arguments: argparse.Namespace) -> Epochs:
    """`compile` and `fit` with Keras' defaults."""
    import keras

    (x, y), test = _floats(arguments.arrays)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(10),
        ]
    )
    steps = arguments.epochs * -(-len(x) // BATCH)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    times = []
    history = model.fit(
        x,
        y,
        batch_size=BATCH,
        epochs=arguments.epochs,
        validation_data=test,
        callbacks=[epoch_clock(keras, times)],
        verbose=0,
    )
    return list(zip(times, map(float, history.history["val_accuracy"]), strict=True))


def torch(arguments: argparse.Namespace) -> Epochs:
    """A loop over shuffled tensors in memory."""
    import torch
    from torch import nn

    (x, y), (test_x, test_y) = (
        (torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels))
        for images, labels in _floats(arguments.arrays)
    )
    y, test_y = y.long(), test_y.long()
    features = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    dense = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    model = nn.Sequential(*features, *dense)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    steps = arguments.epochs * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rows = []
    for _ in range(arguments.epochs):
        started = time.perf_counter()
        for indices in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[indices]), y[indices]).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            answers = torch.cat([model(part).argmax(1) for part in test_x.split(1000)])
        accuracy = (answers == test_y).float().mean().item()
        rows.append((time.perf_counter() - started, accuracy))
    return rows


def _floats(arrays: pathlib.Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and test images as floats in [0, 1], with labels."""
    with np.load(arrays) as found:
        return [
            (found[f"{split}_x"].astype(np.float32) / 255, found[f"{split}_y"])
            for split in ("train", "test")
        ]


TRAINERS = {"kerasnets": kerasnets, "lenet_fast": lenet_fast, "keras": keras, "torch": torch}


if __name__ == "__main__":
    main()
