"""What int8 takes its scales from."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets import UserError
from kerasnets.config import TrainConfig, recipe
from kerasnets.data import load
from kerasnets.data.bad_images import BAD_IMAGES, find_bad_images, write_list
from kerasnets.export import Form, export_run, sources
from kerasnets.inputs import Preprocessing
from kerasnets.runs.run import Run

INT8 = Form(format="litert", quantize="int8")


@pytest.fixture
def loaded(monkeypatch):
    """The data that exports load, and how they are split; nothing is exported."""

    class Loaded(Exception):  # noqa: N818, nothing is wrong
        pass

    def load(data, **where):
        raise Loaded(data, where)

    def of(run, **other):
        with pytest.raises(Loaded) as found:
            export_run(run, run.folder / "out", form=INT8, **other)
        return found.value.args

    monkeypatch.setattr("kerasnets.data.load", load)
    monkeypatch.setattr(Run, "network", lambda _: None)
    return of


def test_the_images_that_a_run_held_out_give_no_scale(loaded, tmp_path):
    values = recipe("digits", validation_fraction=0.25)
    config = TrainConfig(data="digits", test_fraction=0.3, recipe=values, folds=5, fold=2)
    run = Run(tmp_path, config, ())
    data, where = loaded(run)
    assert data == "digits"
    split = {"test_fraction": 0.3, "validation_fraction": 0.25, "fold": (2, 5)}
    assert where == {"data_dir": None, "task": "classification", **split}
    data, where = loaded(run, calibration="mnist", data_dir=tmp_path)
    assert (data, where["data_dir"], where["fold"]) == ("mnist", tmp_path, None)


def test_images_that_a_run_was_trained_without_give_no_scale(tmp_path, monkeypatch):
    for label in ("ant", "bee"):
        (tmp_path / "data" / "train" / label).mkdir(parents=True)
        for number in range(100):
            pixels = np.full((8, 8, 1), number, "uint8")
            path = tmp_path / "data" / "train" / label / f"{number:02d}.png"
            path.write_bytes(tf.io.encode_png(pixels).numpy())
    torn = tmp_path / "data" / "train" / "ant" / "00.png"
    torn.write_bytes(b"\x89PNG\r\n\x1a\n torn")
    config = TrainConfig(model="lenet5_modern", data=f"folder:{tmp_path / 'data'}")
    run = Run(tmp_path / "run", config, ("ant", "bee"))
    run.folder.mkdir()
    monkeypatch.setattr(Run, "network", lambda _: None)
    seen = []

    def calibration_pixels(form, images, network, before):
        seen.append(images())
        raise UserError("that is enough")

    def taken():
        with pytest.raises(UserError, match="enough"):
            export_run(run, tmp_path / "out", form=INT8)
        return seen[-1]

    monkeypatch.setattr(sources, "calibration_pixels", calibration_pixels)
    bad = find_bad_images(taken(), 1)
    assert [each.name for each in bad] == [str(torn)]
    write_list(run.folder / BAD_IMAGES, bad)
    assert find_bad_images(taken(), 1) == []
    assert seen[-1].size == seen[0].size - 1


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    for label in ("ant", "bee"):
        (tmp_path / "train" / label).mkdir(parents=True)
        (tmp_path / "train" / label / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    before = Preprocessing(size=(8, 8), mean=(0.5,), std=(0.25,))
    with pytest.raises(UserError, match="torn.png' cannot be read as an image"):
        sources.calibration_pixels(
            INT8, lambda: load(f"folder:{tmp_path}").split("train"), network, before
        )
