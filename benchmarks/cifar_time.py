"""Time of an epoch of ResNet-20 on CIFAR-10: kerasnets' trainer, plain Keras and plain PyTorch.

All train the network of He et al. 2015, arXiv 1512.03385, section 4.2 (269,722 weights), by SGD
with momentum 0.9 and L2 decay 1e-4 in batches of 128, with the paper's augmentation: pad 4, crop,
mirror half. Each runs in a process of its own, in turn in every round. kerasnets reads TFDS,
follows its recipe `resnet_cifar` and writes its run folder; the others take arrays in memory, write
nothing, do not load kerasnets, and keep the defaults of their libraries. `torch_nhwc` is `torch`
with maps in the order NHWC. Epochs count from the second on, since the first holds the compilation.

    python benchmarks/cifar_time.py --data-dir PATH [--images 12800]
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import tempfile
import time

import numpy as np
from timing import epoch_clock, trainers_in_turn

BATCH, PADDING = 128, 4
LEARNING_RATE, MOMENTUM, DECAY = 0.1, 0.9, 1e-4
STAGES, BLOCKS = (16, 32, 64), 3
# Of the training images.
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=50_000, help="training images of an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="the first of which does not count")
    found = trainers_in_turn(parser, TRAINERS, "cifar10")
    seconds = {name: [each for epochs in found[name] for each in epochs[1:]] for name in found}
    ours = statistics.median(seconds["kerasnets"])
    print(f"{'':12}{'s/epoch':>9}{'spread':>16}{'kerasnets / it':>16}")
    for name, epochs in seconds.items():
        median, spread = statistics.median(epochs), f"{min(epochs):.1f}..{max(epochs):.1f}"
        print(f"{name:12}{median:9.1f}{spread:>16}{ours / median:16.2f}")


def kerasnets(arguments: argparse.Namespace) -> list[float]:
    """`kerasnets.train` by the paper's recipe, without held-out images."""
    import dataclasses

    from kerasnets.config import TrainConfig, recipe
    from kerasnets.runs import run
    from kerasnets.training import train, trainer

    def load_data(config: TrainConfig) -> object:
        dataset = run.load_data(config)
        some = dataset.splits["train"].take(np.arange(arguments.images))
        # What is answered after the last epoch is not timed.
        test = dataset.splits["test"].take(np.arange(BATCH))
        return dataclasses.replace(dataset, splits={"train": some, "test": test})

    trainer.load_data = load_data
    plan = recipe("resnet_cifar", validation_fraction=0, epochs=arguments.epochs)
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(
            model="resnet20_cifar",
            data="cifar10",
            data_dir=arguments.data_dir,
            recipe=plan,
            out=pathlib.Path(folder, "run"),
        )
        return [float(each) for each in train(config).history()["seconds"]]


def keras(arguments: argparse.Namespace) -> list[float]:
    """`compile` and `fit` with Keras' defaults, augmented by `tf.data` image by image."""
    import keras
    import tensorflow as tf

    def augmented(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        around = [[PADDING, PADDING], [PADDING, PADDING], [0, 0]]
        image = tf.image.random_crop(tf.pad(image, around), image.shape)
        return tf.image.random_flip_left_right(image), label

    x, y = _floats(arguments.arrays, arguments.images)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x))
    batches = batches.map(augmented, tf.data.AUTOTUNE).batch(BATCH, drop_remainder=True)
    model = _keras_network(keras)
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    times: list[float] = []
    model.fit(
        batches.prefetch(tf.data.AUTOTUNE),
        epochs=arguments.epochs,
        callbacks=[epoch_clock(keras, times)],
        verbose=0,
    )
    return times


def _keras_network(keras):
    """The network in Keras' own layers. Half of the papers' decay is the same penalty in Keras."""
    layers = keras.layers

    def convolution(x, filters: int, strides: int = 1):
        penalty = keras.regularizers.L2(DECAY / 2)
        x = layers.Conv2D(
            filters,
            3,
            strides,
            "same",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=penalty,
        )(x)
        return layers.BatchNormalization()(x)

    images = keras.Input((32, 32, 3))
    x = layers.ReLU()(convolution(images, STAGES[0]))
    for filters in STAGES:
        for _ in range(BLOCKS):
            strides = filters // x.shape[-1]
            y = layers.ReLU()(convolution(x, filters, strides))
            y = convolution(y, filters)
            if strides > 1:
                more = (filters - x.shape[-1]) // 2
                x = keras.ops.pad(x[:, ::2, ::2], [[0, 0], [0, 0], [0, 0], [more, more]])
            x = layers.ReLU()(layers.add([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(10)(x))


def torch(arguments: argparse.Namespace, nhwc: bool = False) -> list[float]:
    """A loop over shuffled tensors in memory, augmented batch by batch."""
    import torch

    x, y = map(torch.from_numpy, _floats(arguments.arrays, arguments.images))
    y = y.long()
    network = _torch_network()
    if nhwc:
        network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=DECAY
    )
    side = torch.arange(x.shape[1])
    images = torch.arange(BATCH)[:, None, None]

    def augmented(x):
        """(N, H, W, C) to (N, C, H, W)."""
        x = torch.nn.functional.pad(x, (0, 0, PADDING, PADDING, PADDING, PADDING))
        down, right = torch.randint(2 * PADDING + 1, (2, BATCH, 1))
        mirrored = torch.rand(BATCH, 1) < 0.5
        rows, columns = down + side, right + torch.where(mirrored, side.flip(0), side)
        x = x[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        return x if nhwc else x.contiguous()

    seconds = []
    for _ in range(arguments.epochs):
        started = time.perf_counter()
        for indices in torch.randperm(len(x)).split(BATCH):
            if len(indices) == BATCH:
                optimizer.zero_grad()
                logits = network(augmented(x[indices]))
                torch.nn.functional.cross_entropy(logits, y[indices]).backward()
                optimizer.step()
        seconds.append(time.perf_counter() - started)
    return seconds


def torch_nhwc(arguments: argparse.Namespace) -> list[float]:
    """`torch` with channels last, which its guide of performance advises."""
    return torch(arguments, nhwc=True)


def _torch_network():
    """The network in PyTorch's own modules."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, channels: int, filters: int) -> None:
            super().__init__()
            self.strides = filters // channels
            self.more = (filters - channels) // 2
            self.conv1 = nn.Conv2d(channels, filters, 3, self.strides, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(filters)
            self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(filters)

        def forward(self, x):
            y = nn.functional.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            if self.strides > 1:
                sides = (0, 0, 0, 0, self.more, self.more)
                x = nn.functional.pad(x[:, :, ::2, ::2], sides)
            return nn.functional.relu(x + y)

    parts = [nn.Conv2d(3, STAGES[0], 3, 1, 1, bias=False), nn.BatchNorm2d(STAGES[0]), nn.ReLU()]
    channels = STAGES[0]
    for filters in STAGES:
        for _ in range(BLOCKS):
            parts.append(Block(channels, filters))
            channels = filters
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def _floats(path: pathlib.Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """So many training images, each channel of mean 0 and deviation 1, with labels."""
    with np.load(path) as found:
        x = found["train_x"][:count].astype(np.float32) / 255
        return (x - np.float32(MEAN)) / np.float32(DEVIATION), found["train_y"][:count]


TRAINERS = {"kerasnets": kerasnets, "keras": keras, "torch": torch, "torch_nhwc": torch_nhwc}


if __name__ == "__main__":
    main()
