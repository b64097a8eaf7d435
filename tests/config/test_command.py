"""The command line of a configuration, read again as a shell and the command would read it."""

import shlex

import pytest

from kerasnets import TrainConfig, recipe
from kerasnets.cli.main import parse
from kerasnets.config.command import train_command


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(
            model="resnet18",
            data="folder:my photos",
            recipe=recipe(
                "cosine_adamw", learning_rate=3.7e-4, clip_norm=None, milestones=(0.1, 1)
            ),
            options={"stem": "small", "input_shape": "[64,64,3]"},
            weights="timm",
            seed=3,
            fast=("none",),
            sync_batch_norm=True,
        ),
    ],
)
def test_the_command_gives_the_configuration(config):
    program, *words = shlex.split(train_command(config))
    assert program == "kerasnets"
    assert parse(words).config.resolved() == config.resolved()


def test_what_no_flag_can_say_is_left_to_a_file():
    config = TrainConfig(folds=3, fold=2, task="multilabel", class_weights={"a b": 2.0})
    words = shlex.split(train_command(config))
    assert words[words.index("--class-weights") + 1] == "CLASS_WEIGHTS.json"
    assert "--fold" not in words
    assert "--loss" not in words  # the task's own
    again = parse([word for word in words[1:] if "lass" not in word and "LASS" not in word]).config
    assert (again.folds, again.task, again.recipe.loss) == (3, "multilabel", "binary_cross_entropy")


def test_a_recipe_of_a_file_is_written_as_its_values(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "digits"\nlearning_rate = 0.02\n')
    command = train_command(TrainConfig(model="lenet5_modern", recipe=recipe(str(path))))
    again = parse(shlex.split(command)[1:]).config.recipe
    assert (again.name, again.learning_rate) == ("digits", 0.02)
