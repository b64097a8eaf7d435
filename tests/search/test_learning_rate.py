import re
import types

import keras
import numpy as np
import pytest

from kerasnets import TrainConfig, UserError, recipe, train
from kerasnets.cli.main import parse
from kerasnets.search.learning_rate import RangeTest, _RisingRate, find_learning_rate

CONFIG = TrainConfig(model="lenet5_modern", recipe=recipe("digits", epochs=2))


def test_a_rate_between_the_fastest_fall_and_the_lowest_is_suggested(rng):
    """A fall around 0.01, a rise from 1 on, and noise."""
    rates = np.geomspace(1e-6, 10, 200)
    falling = 2.3 - 2 / (1 + (0.01 / rates) ** 2) + np.maximum(0, np.log(rates)) ** 2
    test = RangeTest(rates, falling + rng.normal(0, 0.03, 200))
    assert test.steepest == pytest.approx(0.01, rel=0.5)
    assert test.suggested == pytest.approx((test.steepest * test.lowest) ** 0.5)
    assert 0.05 < test.lowest < 2
    twice = RangeTest(test.rates, test.losses, scale=2.0)
    assert twice.suggested == pytest.approx(2 * test.suggested)


def test_a_loss_that_falls_nowhere_suggests_nothing(rng):
    flat = RangeTest(np.geomspace(1e-6, 1, 100), 2.3 + rng.normal(0, 0.001, 100))
    with pytest.raises(UserError, match="The loss falls at no rate of the test"):
        _ = flat.suggested


def test_a_training_by_the_suggested_rate_learns(tmp_path):
    found = find_learning_rate(CONFIG)
    assert found.losses[:20].mean() == pytest.approx(np.log(10), rel=0.1)
    found.save(tmp_path / "rates.svg")
    assert "falls fastest" in (tmp_path / "rates.svg").read_text()
    values = recipe("digits", epochs=2, learning_rate=found.suggested)
    run = train(TrainConfig(model="lenet5_modern", recipe=values, out=tmp_path / "run"))
    assert run.metrics()["top1"] > 0.6


def test_the_rate_is_that_of_the_base_batch_size():
    """The recipe's rate is for 256 images, the steps have 32."""
    values = recipe("digits", base_batch_size=256, batch_size=32, learning_rate=0.02)
    found = find_learning_rate(TrainConfig(model="lenet5_modern", recipe=values), steps=5)
    assert found.scale == pytest.approx(8)
    assert found.rates[0] == pytest.approx(0.02 / 8 * 1e-4)


def test_numbers_are_learned_in_units_of_their_deviation_as_by_a_training(tmp_path, rng):
    lines = ["path,label,split"]
    for number in range(48):
        keras.utils.save_img(tmp_path / f"{number}.png", rng.integers(0, 256, (28, 28, 1)))
        lines.append(f"{number}.png,{1000 + number},{('train', 'test')[number % 2]}")
    (tmp_path / "ages.csv").write_text("\n".join(lines))
    found = find_learning_rate(
        TrainConfig(
            model="lenet5_modern", task="regression", data=f"manifest:{tmp_path / 'ages.csv'}",
            recipe=recipe("digits", batch_size=8, augment="none", loss="squared_error"),
        ), steps=3,
    )  # fmt: skip
    assert 0 < found.losses[0] < 10


def test_the_command_draws_and_writes_no_run(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO", logger="kerasnets")
    parse(["train", "--model", "lenet5_modern", "--find-learning-rate", "rates.png"]).run()
    (rate,) = re.findall(r"--learning-rate (\S+)", caplog.text)
    assert 1e-4 < float(rate) < 1e-1
    assert [path.name for path in tmp_path.iterdir()] == ["rates.png"]


def test_it_ends_where_the_loss_has_left_its_lowest_far_behind():
    rising = _RisingRate(np.ones(40))
    model = types.SimpleNamespace(stop_training=False)
    rising.set_model(model)
    # Single steps jump.
    for batch, loss in enumerate([2.0] * 12 + [8.1] * 2):
        rising.on_train_batch_end(batch, {"loss": loss})
        assert not model.stop_training
    rising.on_train_batch_end(14, {"loss": 8.1})
    assert model.stop_training
