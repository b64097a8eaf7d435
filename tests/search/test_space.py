import re

import pytest

from kerasnets import TrainConfig, UserError, recipe
from kerasnets.search.space import PRESETS, Space, space

CONFIG = TrainConfig(model="lenet5_modern", recipe=recipe("digits"))

FILE = """
learning_rate = {low = 1e-4, high = 1e-1, log = true}
batch_size = {low = 16, high = 64, step = 16}
dropout = {low = 0, high = 0.5}
optimizer = {choices = ["sgd", "adamw"]}
milestones = {choices = [[0.5], [0.3, 0.6]]}

[options]
pool = {choices = ["max", "average"]}
"""


def written(tmp_path, text: str) -> str:
    (tmp_path / "space.toml").write_text(text)
    return str(tmp_path / "space.toml")


def test_a_file_says_what_varies(tmp_path):
    found = space(written(tmp_path, FILE), CONFIG)
    kinds = {name: type(each).__name__ for name, each in found.distributions().items()}
    assert kinds == {
        "learning_rate": "FloatDistribution",
        "batch_size": "IntDistribution",
        "dropout": "FloatDistribution",
        "optimizer": "CategoricalDistribution",
        "milestones": "CategoricalDistribution",
        "options.pool": "CategoricalDistribution",
    }
    assert found.distributions()["learning_rate"].log
    assert found.distributions()["batch_size"].step == 16


def test_values_go_into_the_recipe_and_the_options(tmp_path):
    found = space(written(tmp_path, FILE), CONFIG)
    drawn = {
        "learning_rate": 0.02,
        "batch_size": 48,
        "milestones": "[0.3, 0.6]",
        "options.pool": "average",
    }
    applied = found.applied(CONFIG, drawn)
    expected = recipe("digits", learning_rate=0.02, batch_size=48, milestones=(0.3, 0.6))
    assert applied.recipe == expected
    assert applied.options == {"pool": "average"}


def test_what_is_drawn_is_what_a_recipe_takes(tmp_path):
    import optuna

    found = space(written(tmp_path, FILE), CONFIG)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(20):
        found.applied(CONFIG, study.ask(found.distributions()).params)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("base", ["digits", "cosine_adamw", "lenet1998", "resnet2015"])
def test_presets_fit_every_recipe(name, base):
    import optuna

    config = TrainConfig(model="lenet5_modern", recipe=recipe(base))
    found = space(name, config)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(5):
        drawn = study.ask(found.distributions()).params
        assert found.applied(config, drawn) != config


def test_the_rates_of_the_preset_lie_around_that_of_the_recipe():
    found = space("optimization", CONFIG).parameters["learning_rate"]
    assert found.low < CONFIG.recipe.learning_rate < found.high


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat = {low = 1, high = 2}", "vary 'learning_rat'. The closest: learning_rate"),
        ("name = {choices = ['a']}", "Unknown value of a recipe to vary 'name'"),
        ("validation_fraction = {low = 0.1, high = 0.2}", "Unknown value of a recipe to vary"),
        ("learning_rate = 3", "learning_rate: it must be an object. Received: 3"),
        ("learning_rate = {low = 1e-3}", "learning_rate: it must have low and high, or choices"),
        ("learning_rate = {low = 1, high = 1}", "low must be below high. Received: low=1, high=1"),
        ("learning_rate = {low = 0, high = 1, log = true}", "log goes with a low above 0"),
        ("learning_rate = {low = 1, high = nan}", "low must be below high"),
        ("learning_rate = {low = -1, high = 1}", "learning_rate must be at least 0. Received: -1"),
        (
            "learning_rate = {lo = 1, high = 1}",
            "Unknown value of a range 'lo'. The closest: log, low",
        ),
        ("learning_rate = {low = 'a', high = 1}", "learning_rate: low must be a number or None"),
        ("batch_size = {low = 1.5, high = 4}", "batch_size must be a whole number. Received: 1.5"),
        ("batch_size = {low = 1, high = 4, step = 9}", "step must be within the range"),
        ("batch_size = {low = 16, high = 64, step = 0.5}", "step must be a whole number"),
        ("optimizer = {choices = ['adamm']}", "optimizer must be 'sgd', .* Received: 'adamm'"),
        ("optimizer = {low = 1, high = 2}", "optimizer must be 'sgd'"),
        ("seed = {low = 1, high = 2}", "Unknown value of a recipe to vary 'seed'"),
        ("[options]\nwdith = {low = 1, high = 2}", "takes no option 'wdith'"),
        ("[options]\npool = {choices = ['sum']}", "pool must be 'max' or 'average'"),
        ("epochs = {low = 1, high = 2, choices = [1]}", "a range or have choices, not both"),
        ("", "is no space: it varies nothing"),
        ("learning_rate = ", "is no TOML"),
    ],
)
def test_what_cannot_be_varied_is_refused_by_name(tmp_path, text, message):
    with pytest.raises(UserError) as failure:
        space(written(tmp_path, text), CONFIG)
    assert re.search(message, str(failure.value)), failure.value
    assert "\n" not in str(failure.value)


def test_an_unknown_space_is_told_with_those_that_there_are(tmp_path):
    with pytest.raises(UserError, match="'optimisation'. The closest: optimization"):
        space("optimisation", CONFIG)
    with pytest.raises(UserError, match=r"none.toml' cannot be read"):
        space(str(tmp_path / "none.toml"), CONFIG)


def test_values_that_do_not_go_together_are_refused(tmp_path):
    both = "mixup = {choices = [0.2]}\ncutmix = {choices = [0.2]}"
    found = space(written(tmp_path, both), CONFIG)
    assert isinstance(found, Space)
    with pytest.raises(UserError, match="takes mixup or cutmix, not both"):
        found.applied(CONFIG, {"mixup": 0.2, "cutmix": 0.2})
