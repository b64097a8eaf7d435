import os

from kerasnets.benchmark.config import BenchmarkConfig
from kerasnets.benchmark.measure import (
    Measurement,
    Session,
    measure,
    measure_network,
    settings,
    steps_of_round,
)
from kerasnets.benchmark.network import Setting, UnsupportedError

SETTING = Setting(
    network="lenet5", input_shape=(32, 32, 1), batch=2, precision="float32", device="auto"
)
FACTS = {"parameters": 60_000, "multiply_adds": 325_680}


class Fake:
    """A network whose jobs do nothing, or cannot be done."""

    def __init__(self, setting: Setting) -> None:
        if setting.device == "gpu":
            raise UnsupportedError("there is no GPU")
        self.steps = 0

    def build(self) -> None:
        pass

    def facts(self) -> dict:
        return FACTS

    def prepare(self, job: str):
        if job == "xla":
            raise UnsupportedError("no XLA")
        if job == "train":
            raise ValueError("it is\nbroken")
        return lambda steps: None

    def device_memory(self) -> float | None:
        return 7.0

    def finish(self) -> None:
        pass


def test_every_setting_has_the_images_of_its_network():
    config = BenchmarkConfig(batch_sizes=(1, 2), sizes=(48,))
    found = [(each.network, each.batch, each.input_shape) for each in settings(("lenet5",), config)]
    assert found == [("lenet5", 1, (48, 48, 1)), ("lenet5", 2, (48, 48, 1))]
    (own,) = settings(("googlenet",), BenchmarkConfig())
    assert own.input_shape == (224, 224, 3)


def test_a_round_has_the_steps_that_fill_it():
    asked = []

    def timed(steps: int) -> float:
        asked.append(steps)
        return 0.25

    assert steps_of_round(1.0, timed) == 4
    assert asked == [1, 4]
    assert steps_of_round(0.0, timed) == 1


def test_what_fails_is_told_and_what_there_is_not_is_left_out(monkeypatch):
    monkeypatch.setattr("kerasnets.benchmark.measure.Network", Fake)
    config = BenchmarkConfig(what=("graph", "xla", "train"), rounds=3, round_seconds=0)
    graph, train = measure_network(SETTING, config)
    assert (graph.what, graph.size, graph.error, len(graph.seconds)) == ("graph", 32, None, 3)
    assert (graph.memory_mib, graph.memory_of, graph.parameters) == (7.0, "device", 60_000)
    assert (train.what, train.error, train.seconds) == ("train", "ValueError: it is broken", ())


def test_a_network_that_cannot_be_made_is_told(monkeypatch):
    monkeypatch.setattr("kerasnets.benchmark.measure.Network", Fake)
    other = Setting(**{**vars(SETTING), "device": "gpu"})
    (row,) = measure_network(other, BenchmarkConfig(what=("train",)))
    assert row.error == "UnsupportedError: there is no GPU"


def test_a_session_times_the_job_that_is_ready():
    session, done = Session(Fake), []
    assert session.start(SETTING).keys() == {"build_s", *FACTS}
    session.network.prepare = lambda job: done.append
    assert session.prepare("graph")["first_s"] >= 0
    session.round(5)
    session.end()
    session.round(2)  # of no job
    assert done == [1, 5]


def _dies(setting: Setting, config: BenchmarkConfig) -> None:
    os._exit(9)  # as when the system's memory is full


def test_a_process_that_dies_is_told(monkeypatch):
    monkeypatch.setattr("kerasnets.benchmark.measure.measure_network", _dies)
    rows = list(measure(("lenet5",), BenchmarkConfig(what=("build", "graph"))))
    assert [row.what for row in rows] == ["build", "graph"]
    assert all("terminated abruptly" in row.error for row in rows)


def test_times_are_the_median_and_half_the_range():
    row = Measurement(
        network="x", what="graph", size=1, batch=1, precision="float32", device="auto",
        seconds=(0.002, 0.004, 0.003),
    )  # fmt: skip
    assert row.times == "3.0 ± 1.0"
