import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from kerasnets import UserError, info, list_models
from kerasnets.config import TrainConfig, recipe
from kerasnets.config.recipes import RECIPES, register_recipe
from kerasnets.training.model import TrainingModel
from kerasnets.training.networks import starting_network

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1. Received: 0"),
        ({"epochs": 1.5}, "epochs must be a whole number. Received: 1.5"),
        ({"batch_size": "128"}, "batch_size must be a whole number. Received: '128'"),
        ({"batch_size": True}, "batch_size must be a whole number. Received: True"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\). Received: 1.0"),
        ({"learning_rate": -0.1}, "learning_rate must be at least 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be at least 0. Received: nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be at least 0. Received: inf"),
        ({"clip_norm": 0.0}, "clip_norm must be more than 0. Received: 0.0"),
        ({"schedule": "stairs"}, "schedule must be 'constant', 'step', .* or 'one_cycle'"),
        ({"augment": "blurr"}, "Unknown augmentation 'blurr'"),
        ({"augment": "keras:RandomHue(0.2"}, "'keras:RandomHue\\(0.2' is no augmentation"),
        ({"milestones": (0.75, 0.5)}, r"milestones must be fractions in \[0, 1\], rising"),
        ({"milestones": (0.5, "x")}, "milestones must be"),
        ({"milestones": (0.5, float("nan"))}, "milestones must be"),
        ({"accumulate": 3}, "accumulate must divide batch_size. Received: batch_size=32"),
        ({"warmup_epochs": 61}, "warmup_epochs must be at most epochs"),
        ({"schedule": "plateau"}, "The schedule plateau has no warm-up"),
        ({"loss": "map", "label_smoothing": 0.1}, "go with the loss cross_entropy"),
        ({"loss": "map", "mixup": 0.2}, "go with the loss cross_entropy"),
        ({"mixup": 0.2, "cutmix": 1}, "mixup or cutmix, not both"),
        ({"stage_decay": 0.0}, r"stage_decay must be in \(0, 1\]"),
        ({"randaugment_magnitude": 11}, r"randaugment_magnitude must be in \[0, 10\]"),
        ({"lr": 0.1}, "Unknown value of a recipe 'lr'"),
    ],
)
def test_recipes_refuse_what_does_not_work(changes, message):
    with pytest.raises(UserError, match=message):
        recipe("digits", **changes)


TOML = """
base = "resnet2015"
source = "Ours: shorter, with a cosine"
epochs = 30
schedule = "cosine"
milestones = [0.25, 0.75]
clip_norm = 1
"""


def test_a_recipe_comes_from_a_file(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(TOML)
    short, base = recipe(str(path)), recipe("resnet2015")
    assert (short.name, short.epochs, short.milestones) == ("short", 30, (0.25, 0.75))
    assert (short.learning_rate, short.augment) == (base.learning_rate, base.augment)
    assert short.source == "Ours: shorter, with a cosine"
    assert short.reported == ""
    assert recipe(str(path), epochs=5).epochs == 5


def test_a_recipe_without_a_base_has_the_defaults(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"name": "own", "epochs": 3}')
    own = recipe(str(path))
    assert (own.name, own.epochs, own.batch_size) == ("own", 3, 128)
    assert own.source == str(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.toml",
            "epoch = 3",
            "a.toml' is no recipe: Unknown value of a recipe 'epoch'. .*epochs",
        ),
        (
            "a.toml",
            'base = "resnet2016"',
            "is no recipe: Unknown recipe 'resnet2016'. .*resnet2015",
        ),
        ("a.toml", "base = 3", "is no recipe: base must be a string"),
        ("a.toml", "epochs = 0", "is no recipe: epochs must be at least 1. Received: 0"),
        ("a.toml", 'epochs = "3"', "is no recipe: epochs must be a whole number"),
        ("a.toml", "warmup_epochs = 99", "is no recipe: warmup_epochs must be at most epochs"),
        ("a.toml", "epochs 3", "is no recipe: .*line 1"),
        ("a.json", "[]", r"is no recipe: it must be an object"),
        ("a.json", "{", "is no recipe: "),
        ("a.json", "[" * 100_000, "is no recipe: it is nested too deeply"),
        ("a.toml", "a = " + "[" * 100_000, "is no recipe: "),
        ("b.toml", None, "b.toml' cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_recipe_is_told(name, text, message, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        recipe(str(tmp_path / name))


def test_names_of_recipes_are_taken_once():
    with pytest.raises(UserError, match="There is a recipe 'digits' already"):
        register_recipe(recipe("digits"))


def test_a_package_outside_adds_the_recipe_of_the_page(tmp_path):
    (tmp_path / "own_recipes.py").write_text(example("python", "register_recipe"))
    information = tmp_path / "own-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: own\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[kerasnets.plugins]\nown = own_recipes\n")
    for arguments in (["resnet_short"], []):
        result = subprocess.run(
            [sys.executable, "-m", "kerasnets.cli.main", "recipes", *arguments],
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        assert re.search(r"resnet_short +40 |epochs +40\n", result.stdout)


def example(language: str, word: str) -> str:
    """The example of docs/recipes.md that has a word in it."""
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    found = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return next(each for each in found if word in each)


def test_every_recipe_has_a_source_and_its_name():
    for name, each in RECIPES.items():
        assert each.name == name
        assert each.source
        assert each.reported or each.source.startswith(("No paper", "As ", "Smith"))


def test_every_network_has_its_recipe():
    missing = {info(name).recipe for name in list_models()} - set(RECIPES)
    assert not missing


def test_the_parts_of_an_augmentation_come_together():
    chosen = recipe("cosine_cifar", randaugment=3, random_erasing=0.25, cutmix=0.5)
    names = [type(each).__name__ for each in chosen.augmentation.transforms]
    assert names == ["PadCropFlip", "RandAugment", "RandomErasing"]
    assert chosen.augmentation.transforms[1].layers == 3
    assert chosen.augmentation.transforms[2].probability == 0.25
    assert chosen.augmentation.mix.alpha == 0.5


def test_the_papers_values():
    """What differs from paper to paper, read off them once more."""
    v3 = recipe("inception_v3_2015")
    assert (v3.optimizer, v3.epsilon, v3.rho, v3.clip_norm) == ("rmsprop", 1.0, 0.9, 2.0)
    assert (v3.learning_rate, v3.decay_rate, v3.decay_epochs) == (0.045, 0.94, 2)
    assert (v3.label_smoothing, v3.auxiliary_loss) == (0.1, 0.4)
    assert recipe("googlenet2014").auxiliary_loss == 0.3
    assert recipe("alexnet2012").weight_decay == recipe("vgg2014").weight_decay == 5e-4
    assert recipe("mobilenet2017").decay_on == "not_depthwise"
    assert recipe("densenet2016").decay_on == recipe("stochastic_depth").decay_on == "all"
    steps = {"resnet_cifar": (45_000, 64_000), "shufflenet2017": (1_281_167, 300_000),
             "vgg2014": (1_281_167, 370_000), "nin2013": (45_000, 120_000),
             "googlenet_quick2014": (1_281_167, 2_400_000)}  # fmt: skip
    for name, (images, expected) in steps.items():
        chosen = recipe(name)
        assert chosen.epochs * images / chosen.batch_size == pytest.approx(expected, rel=0.005)


def step(rng, name: str, model: str, **options) -> TrainingModel:
    """A network after one step by a recipe."""
    chosen = recipe(name, batch_size=4, epochs=10, warmup_epochs=0)
    config = TrainConfig(model=model, recipe=chosen, options=options)
    network = starting_network(config, 5)
    trainee = TrainingModel(network, info(model).preprocessing, chosen, 10)
    # Tracing the graph takes longer than one step without it.
    trainee.run_eagerly = True
    before = [weight.numpy() for weight in trainee.trainable_weights]
    images = rng.integers(0, 256, (4, *network.input_shape[1:])).astype(np.uint8)
    loss, _ = trainee.train_on_batch(images, np.array([0, 1, 2, 4], np.int32))
    assert np.isfinite(loss)
    assert all(np.isfinite(weight.numpy()).all() for weight in trainee.trainable_weights)
    moved = [
        not np.array_equal(old, new.numpy())
        for old, new in zip(before, trainee.trainable_weights, strict=True)
    ]
    # Blocks that stochastic depth drops do not move, and neither does a gamma whose scale the next
    # batch normalisation takes out, as long as its beta is zero (ShuffleNet's conv1_bn).
    assert np.mean(moved) > 0.85
    return trainee


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_makes_a_step(rng, name):
    step(rng, name, "lenet5_modern")


@pytest.mark.parametrize(
    ("name", "model", "outputs"),
    [
        ("googlenet2014", "googlenet", 3),
        ("resnet_cifar", "resnet20_cifar", 1),
        ("mobilenet2017", "mobilenet_v1", 1),
    ],
)
def test_a_recipe_trains_its_network(rng, name, model, outputs):
    trainee = step(rng, name, model, width="0.1")
    assert len(trainee.outputs) == outputs


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({info(model).recipe for model in list_models()}))
def test_each_recipe_trains_the_smallest_of_its_networks(rng, name):
    own = [model for model in list_models() if info(model).recipe == name]
    model = min(own, key=lambda each: info(each).multiply_adds)
    # TensorFlow 2.21 writes beyond its memory in the gradient of a 1x1 convolution of stride 2 that
    # has fewer than 16 channels.
    step(rng, name, model, **({} if model.startswith("lenet") else {"width": "0.25"}))


def test_the_recipe_file_of_the_page_works(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(example("toml", "base"))
    short = recipe(str(path))
    assert (short.epochs, short.schedule, short.patience) == (40, "cosine", 5)
