"""One network's first steps: what they are, when they count as learning, what they found."""

from __future__ import annotations

import math
import pathlib
import shlex
import statistics
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata

import keras
import numpy as np

from benchmarks.records import append, commit, read, today
from kerasnets.cli.main import parse
from kerasnets.config.training import TrainConfig
from kerasnets.data import Dataset
from kerasnets.data.pipeline import evaluation_batches
from kerasnets.errors import UserError
from kerasnets.inputs import with_preprocessing
from kerasnets.registry import info
from kerasnets.runs.environment import machine
from kerasnets.runs.run import Run, chosen_recipe, load_data
from kerasnets.training.callbacks import Logs
from kerasnets.training.networks import starting_network
from kerasnets.training.process import seeded
from kerasnets.training.steps import StepLosses, train_steps

RESULTS = pathlib.Path(__file__).parent / "results.jsonl"

PACKAGES = ("kerasnets", "keras", "tensorflow", "numpy")

BATCH = 16
# A network that has learned after the first number of steps ends there, any other after the second.
STEPS = 100, 200
FIRST, LAST = 5, 20
# A network that answers the same for every image has the logarithm of the classes at best, of the
# loss and on average. Over 20 batches of 16 that average strays by some 0.02, where its answers
# favour some classes by a third: so far below, several times that, it has told images apart.
BELOW_CHANCE = 0.1

# Training images and classes.
PHOTOGRAPHS = 1200, 5

# Side of the images of networks for ImageNet, where 64 will not do: the smallest that works, and
# 32 for VGG, which starts with stride 1 and costs as much there as others at 64.
SIDES = {
    "alexnet": 67,
    "inception_v3": 75,
    "inception_v4": 75,
    "inception_resnet": 75,
    "vgg": 32,
}
# Of networks for small images, those with more multiply-adds get images of half the side.
DEAR = 10**9


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the first steps of a network found.

    Attributes:
        network: Its name.
        changes: What was not the network's own: options of the network, then flags of training.
        data: Data set.
        side: Of the images, in pixels.
        recipe: Name of the recipe.
        batch_size: Images in a step.
        rate: Learning rate of every step, for this batch.
        steps: Steps that were made.
        finite: Whether the loss was a number to the end.
        chance: The logarithm of the classes.
        apart: Of the logits before the first step; see `Start`.
        shared: Of the features before the first step; see `Start`.
        initial: Loss before the first step; see `Start`.
        first: Mean loss of the first steps.
        last: Mean loss of the last steps.
        seconds: Processor time, with the building of the network.
        machine: Model and number of cores of the processor.
        versions: Of kerasnets, Keras, TensorFlow and NumPy.
        commit: The commit of kerasnets.
        day: When it ended.
    """

    network: str
    changes: str
    data: str
    side: int
    recipe: str
    batch_size: int
    rate: float
    steps: int
    finite: bool
    chance: float
    apart: float
    shared: float | None
    initial: float
    first: float | None
    last: float | None
    seconds: float
    machine: str
    versions: dict[str, str]
    commit: str
    day: str

    @property
    def learns(self) -> bool:
        """Whether the loss was clearly below that of chance."""
        return self.finite and (self.last or 0.0) <= self.chance - BELOW_CHANCE

    def append(self) -> None:
        """Adds it to the file."""
        append(RESULTS, self)


def known() -> tuple[Outcome, ...]:
    """What was found, by network, each one's own recipe first: of each training the last."""
    found = {(each.network, each.changes): each for each in read(RESULTS, Outcome)}
    return tuple(found[key] for key in sorted(found))


def side(network: str) -> int:
    """The side of the images that a network is shown."""
    facts = info(network)
    own = facts.input_shape[0]
    if own > 32:
        return SIDES.get(facts.family, 64)
    return own // 2 if facts.multiply_adds > DEAR else own


def cost(network: str) -> float:
    """Multiply-adds of an image of this side."""
    facts = info(network)
    return facts.multiply_adds * (side(network) / facts.input_shape[0]) ** 2


def words(network: str, flowers: str, changes: str = "") -> list[str]:
    """What `kerasnets` is told: the network's own recipe, at its first rate, for a small batch.

    Networks of grey images are shown scikit-learn's digits, all others the flowers. Auxiliary
    classifiers are left out, whose maps are too small at these sides, and averages of the weights,
    which do not change the loss. LeNet-5's own loss has another value by chance.

    Args:
        network: Its name.
        flowers: The data set of photographs.
        changes: Options of the network, NAME VALUE, then flags.
    """
    pixels, channels = side(network), info(network).input_shape[-1]
    data = "digits" if channels == 1 else flowers
    told = f"train --model {network} --batch-size {BATCH} --schedule constant --warmup-epochs 0"
    told += " --loss cross_entropy --auxiliary-loss 0 --ema 0"
    told += f" --options input_shape [{pixels},{pixels},{channels}]"
    return [*told.split(), *shlex.split(changes), "--data", data]


def measure(network: str, flowers: str, changes: str = "") -> Outcome:
    """Trains the first steps of a network; see `words`."""
    config = parse(words(network, flowers, changes)).config.resolved()
    recipe, began, made_of = chosen_recipe(config), time.process_time(), commit()
    dataset = load_data(config)
    _check(dataset)
    chance = math.log(len(dataset.class_names))
    watch = _Watch(chance - BELOW_CHANCE)
    train_steps(config, STEPS[1], watch)
    losses, before = watch.losses, start(config)
    return Outcome(
        network=network,
        changes=changes,
        data="digits" if config.data == "digits" else "flowers",
        side=side(network),
        recipe=recipe.name,
        batch_size=recipe.batch_size,
        rate=recipe.peak_learning_rate,
        steps=len(losses),
        finite=watch.finite,
        chance=round(chance, 3),
        apart=before.apart,
        shared=before.shared,
        initial=before.initial,
        first=round(statistics.fmean(losses[:FIRST]), 3) if losses else None,
        last=round(statistics.fmean(losses[-LAST:]), 3) if losses else None,
        seconds=round(time.process_time() - began),
        machine=machine(),
        versions={name: metadata.version(name) for name in PACKAGES},
        commit=made_of,
        day=today(),
    )


def _check(dataset: Dataset) -> None:
    """Losses are compared, so all are of the same photographs, or of the digits.

    Raises:
        UserError: When these are others.
    """
    images, classes = dataset.splits["train"].size, len(dataset.class_names)
    if dataset.name != "digits" and (images, classes) != PHOTOGRAPHS:
        raise UserError(
            f"{dataset.name} has {images} training images of {classes} classes; the results are of "
            f"{PHOTOGRAPHS[0]} photographs of {PHOTOGRAPHS[1]} flowers."
        )


@dataclass(frozen=True)
class Start:
    """What a network makes of a batch of training images before the first step.

    Attributes:
        apart: How far apart its answers are: the standard deviation of a logit over the images,
            the mean of all classes.
        shared: How long the features are that all images share: the mean square of what the
            classifier is given, in the direction where that is largest; ``None`` where the
            classifier is no dense layer.
        initial: The mean loss.
    """

    apart: float
    shared: float | None
    initial: float


def start(config: TrainConfig) -> Start:
    """What comes before the first step.

    Args:
        config: Whose network is asked, as it is trained but for dropout, which tells images apart
            that are the same.
    """
    with tempfile.TemporaryDirectory() as scratch, seeded(config.seed):
        dataset = load_data(config)
        network = starting_network(config, len(dataset.class_names))
        preprocessing = Run(pathlib.Path(scratch), config, dataset.class_names).preprocessing
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    classifier = [layer for layer in network.layers if layer.weights][-1]
    both = keras.Model(network.input, [classifier.input, network.output])
    train = dataset.splits["train"]
    some = train.take(np.linspace(0, train.size - 1, BATCH, dtype=int))
    batches = evaluation_batches(some, preprocessing, network.input_shape[-1], batch_size=BATCH)
    images, labels = next(iter(batches))
    features, logits = with_preprocessing(both, preprocessing)(images, training=True)
    dense = isinstance(classifier, keras.layers.Dense)
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return Start(
        apart=_short(np.std(logits, axis=0).mean()),
        shared=_short(shared(np.asarray(features))) if dense else None,
        initial=round(float(np.mean(losses)), 3),
    )


def shared(features: np.ndarray) -> float:
    """The mean square of features, (N, C), in the direction where it is largest."""
    return np.linalg.eigvalsh(features @ features.T)[-1] / len(features)


def _short(value: float) -> float:
    return float(f"{value:.2g}")


class _Watch(StepLosses):
    """Ends the training at the first number of steps where the network has learned by then."""

    def __init__(self, enough: float) -> None:
        super().__init__()
        self.enough = enough

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        super().on_train_batch_end(batch, logs)
        if len(self.losses) == STEPS[0] and statistics.fmean(self.losses[-LAST:]) <= self.enough:
            self.model.stop_training = True
