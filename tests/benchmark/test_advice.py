"""Which networks are measured, with times that are made up, and one that is real."""

import pytest

from kerasnets import info
from kerasnets.benchmark.advice import advise, candidates, exported, size_of
from kerasnets.benchmark.measure import Measurement


def timed(seconds_of, asked: list[str]):
    """A measurement whose time is made up, and notes who was measured."""

    def measured(network: str, device: str) -> Measurement:
        asked.append(network)
        seconds = seconds_of(info(network))
        return Measurement(
            network=network, what="exported", size=224, batch=1, precision="float32",
            device=device, seconds=(seconds,) if seconds else (),
            error=None if seconds else "out of memory",
        )  # fmt: skip

    return measured


def test_candidates_are_small_enough_and_the_most_accurate_first():
    found = candidates(50e6)
    assert all(size_of(facts) <= 50e6 for facts, _ in found)
    assert [row.top1 for _, row in found] == sorted((row.top1 for _, row in found), reverse=True)
    assert {facts.name for facts, _ in found} >= {"mobilenet_v1", "resnet18", "densenet121"}
    assert len(candidates()) > len(found)
    assert all(row.data.endswith("ImageNet-1k") for _, row in candidates())


def test_the_three_most_accurate_that_are_fast_enough_are_found():
    asked: list[str] = []
    by_count = timed(lambda facts: facts.multiply_adds / 1e11, asked)
    found = list(advise(0.03, measured=by_count))
    fitting = [each.info.name for each in found if each.fits]
    fast = [facts.name for facts, _ in candidates() if facts.multiply_adds / 1e11 <= 0.03]
    assert fitting == fast[:3]
    assert [each.info.name for each in found] == asked
    # Most of the others did not need to be measured.
    slower = [facts.name for facts, _ in candidates() if facts.multiply_adds / 1e11 > 0.03]
    assert len(asked) - 3 < len(slower) / 2


def test_where_none_is_fast_enough_all_that_could_be_are_measured():
    asked: list[str] = []
    found = list(advise(1e-6, measured=timed(lambda _: 1.0, asked)))
    assert found
    assert not any(each.fits for each in found)


def test_a_network_that_cannot_be_measured_does_not_stop_the_others():
    asked: list[str] = []
    best = candidates()[0][0].name
    found = list(advise(1.0, measured=timed(lambda facts: facts.name != best and 0.01, asked)))
    assert (found[0].info.name, found[0].seconds, found[0].error) == (best, None, "out of memory")
    assert sum(each.fits for each in found) == 3


@pytest.mark.slow
def test_a_real_measurement_is_of_one_image():
    row = exported("mobilenet_v1", "cpu")
    assert row.error is None
    assert (row.what, row.batch, row.size) == ("exported", 1, 224)
    assert 1e-4 < row.median < 10


def test_the_command_names_what_it_measured(monkeypatch, capsys, caplog):
    from kerasnets.benchmark import advice
    from kerasnets.cli.main import parse

    asked: list[str] = []
    by_count = timed(lambda facts: facts.multiply_adds / 1e11, asked)
    monkeypatch.setattr(advice, "exported", by_count)
    caplog.set_level("INFO", logger="kerasnets")
    parse(["advise", "--latency", "20ms", "--size", "50MB", "--device", "cpu"]).run()
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 7
    fast = [pair for pair in candidates(50e6) if pair[0].multiply_adds / 1e11 <= 0.02]
    assert shown[3].split()[:2] == [fast[0][0].name, f"{fast[0][1].top1:.2f}"]
    assert "one image at a time, on " in caplog.text
    assert f"kerasnets export {shown[3].split()[0]} --weights " in caplog.text


def test_a_machine_that_can_measure_none_is_told_after_three(monkeypatch):
    from kerasnets import UserError
    from kerasnets.benchmark import advice
    from kerasnets.cli.main import parse

    asked: list[str] = []
    monkeypatch.setattr(advice, "exported", timed(lambda facts: False, asked))
    with pytest.raises(UserError, match=r"could not be measured: out of memory\."):
        parse(["advise", "--latency", "20ms", "--device", "gpu"]).run()
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--latency", "fast"], "--latency must be a number above 0 with a unit"),
        (["--latency", "5ms", "--size", "1kB"], "No network with published weights of ImageNet ha"),
    ],
)
def test_what_cannot_be_is_refused_before_measuring(flags, message):
    from kerasnets import UserError
    from kerasnets.cli.main import parse

    with pytest.raises(UserError, match=message):
        parse(["advise", *flags]).run()
