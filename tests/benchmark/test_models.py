"""What models cost by their answers; tests/prediction/test_devices.py measures real files."""

import io
import os
import time

import numpy as np
import pytest
from PIL import Image

from kerasnets import UserError
from kerasnets.benchmark import models
from kerasnets.benchmark.config import BenchmarkConfig
from kerasnets.cli.main import parse
from kerasnets.prediction.models import Found
from tests.prediction.made import Brightness, busy_server


class Slow(Brightness):
    """Takes 1 ms for an image by itself, and 4 ms for a batch of four."""

    def answer(self, images):
        time.sleep(0.001 * len(images))
        return super().answer(images)


def test_latency_and_throughput_are_those_of_the_model():
    image = models.photograph()
    times = models.latencies(Slow(), image, 0)
    assert len(times) == models.LEAST
    assert min(times) >= 0.001
    # Three batches sleep at the same time.
    assert 0 < models.throughput(Slow(), image, 0.1) <= 3000


def test_the_photograph_is_an_image_of_its_size():
    with Image.open(io.BytesIO(models.photograph())) as opened:
        assert (opened.format, opened.size) == ("JPEG", models.SIDES[::-1])
        assert 1_000 < np.asarray(opened).var() < 10_000


def test_a_server_has_neither_size_nor_memory_of_ours():
    with busy_server(refusals=0) as running:
        url = f"http://127.0.0.1:{running.server_port}/v1/models/a"
        found = models.measure_model(Found("server", url), 0)
    assert found["megabytes"] is found["memory_mib"] is None
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["images_per_s"] > 0
    found = models.measure_model(Found("server", url), 0)
    assert found["error"].startswith(f"{url} does not answer: ")


def _dies(found, seconds) -> None:
    os._exit(9)  # as when the system's memory is full


def test_a_process_that_dies_is_told(monkeypatch):
    monkeypatch.setattr(models, "measure_model", _dies)
    (row,) = models.measure_models(["http://h/v1/models/a"], BenchmarkConfig())
    assert (row.kind, row.p50_ms) == ("server", None)
    assert "terminated abruptly" in row.error
    with pytest.raises(UserError, match="terminated abruptly"):
        parse(["benchmark", "http://h/v1/models/a"]).run()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model.tflite lenet5", "Received: the model 'model.tflite', the network 'lenet5'"),
        ("none.tflite", "There is no SavedModel or run folder 'none.tflite'"),
        ("folder/none", "'folder/none' is no run folder"),
        ("model.tflite --batch-sizes 3", "--batch-sizes is for networks; a model is measured"),
        ("model.tflite --what build", "--what is for networks"),
        ("model.tflite --rounds 0", "--rounds must be at least 1"),
        ("model.tflite --out a.png", "--out must end in .json. Received: 'a.png'"),
    ],
)
def test_what_cannot_be_measured_is_told(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").touch()
    monkeypatch.setattr(models, "alone", lambda *_: pytest.fail("too late"))
    with pytest.raises(UserError, match=message):
        parse(["benchmark", *words.split()]).run()
