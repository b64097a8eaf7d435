"""What int8 takes its scales from."""

import keras
import pytest

from kerasnets import UserError
from kerasnets.config import TrainConfig, recipe
from kerasnets.export import Form, export_run, sources
from kerasnets.inputs import Preprocessing
from kerasnets.runs.run import Run

INT8 = Form(format="litert", quantize="int8")


def test_the_images_that_a_run_held_out_give_no_scale(monkeypatch, tmp_path):
    class Loaded(Exception):  # noqa: N818, nothing is wrong
        pass

    def load(data, **where):
        raise Loaded(data, where)

    monkeypatch.setattr(sources, "load", load)
    monkeypatch.setattr(Run, "network", lambda _: None)
    values = recipe("digits", validation_fraction=0.25)
    run = Run(tmp_path, TrainConfig(data="digits", test_fraction=0.3, recipe=values), ())
    with pytest.raises(Loaded) as found:
        export_run(run, tmp_path / "out", form=INT8)
    data, where = found.value.args
    assert data == "digits"
    fractions = {"test_fraction": 0.3, "validation_fraction": 0.25}
    assert where == {"data_dir": None, "task": "classification", **fractions}


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    for label in ("ant", "bee"):
        (tmp_path / "train" / label).mkdir(parents=True)
        (tmp_path / "train" / label / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    before = Preprocessing(size=(8, 8), mean=(0.5,), std=(0.25,))
    with pytest.raises(UserError, match="torn.png' cannot be read as an image"):
        sources.calibration_pixels(INT8, f"folder:{tmp_path}", network, before, data_dir=None)
