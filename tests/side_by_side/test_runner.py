import os
import subprocess
import sys
import textwrap

import pytest

from benchmarks.side_by_side import runner
from benchmarks.side_by_side.config import SideBySideConfig
from benchmarks.side_by_side.results import Results

# A peer without a framework, which tells how often it was asked for a step.
PEER = """
    import json, sys
    steps = 0
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        if do == "start" and "{broken}" == "start":
            sys.exit("no such library")
        if do == "round":
            steps += request["steps"]
        answer = dict(
            start=dict(build_s=1.0, backend="none", versions={{}}, multiply_adds=7),
            peak=dict(flops=1e9),
            prepare=dict(first_s=2.0),
            round=dict(seconds=0.25),
            end=dict(memory_mib=steps, memory_of="process"),
        )[do]
        if do == "prepare" and request["job"] == "{broken}":
            answer = dict(error="it is broken", unsupported=False)
        if do == "round" and "{broken}" == "round" and steps > 1:
            answer = dict(error=f"asked for round {{steps}}", unsupported=False)
        if do == "end":
            steps = 0
        if do == "prepare" and request["job"] == "xla":
            answer = dict(error="no XLA", unsupported=True)
        print(json.dumps(answer), flush=True)
"""


def measured(tmp_path, monkeypatch, broken: str, what: str) -> Results:
    (tmp_path / "__main__.py").write_text(textwrap.dedent(PEER.format(broken=broken)))
    monkeypatch.setattr(runner, "PEERS_FOLDER", tmp_path)
    results, kept = Results({}), []
    config = SideBySideConfig(
        networks=("vgg16",), what=(what,), peers=("kerasnets",), rounds=3, round_seconds=1.0
    )
    runner.measure(config.resolved(), results, kept.append)
    assert kept == [results]
    return results


def test_a_round_is_as_long_as_asked_for(tmp_path, monkeypatch):
    results = measured(tmp_path, monkeypatch, broken="", what="train,xla")
    (row,) = results.rows  # XLA is no failure, there is just none
    assert row.seconds == (0.25,) * 3
    assert row.memory_mib == 1 + 4 + 3 * 4  # a step, then rounds of 1 s: one to tell, 3 to keep
    assert (row.first_s, row.multiply_adds, row.size) == (2.0, 7, 224)
    assert results.peaks == {"kerasnets float32 auto": 1e9}


def test_what_fails_is_kept_with_its_reason(tmp_path, monkeypatch):
    rows = measured(tmp_path, monkeypatch, broken="train", what="graph,train").rows
    assert [(row.what, row.error) for row in rows] == [("graph", None), ("train", "it is broken")]


def test_a_peer_that_failed_in_a_round_is_not_asked_again(tmp_path, monkeypatch):
    (row,) = measured(tmp_path, monkeypatch, broken="round", what="train").rows
    assert row.error == "asked for round 5"  # the one after a step that was all right
    assert row.seconds == ()
    assert row.memory_mib == 5


def test_what_a_failed_peer_has_prepared_is_ended(tmp_path, monkeypatch):
    results = measured(tmp_path, monkeypatch, broken="graph", what="graph,train")
    assert [(row.what, row.memory_mib) for row in results.rows] == [("graph", 0), ("train", 17)]


def test_a_worker_that_is_closed_leaves_nothing_open(tmp_path, monkeypatch):
    (tmp_path / "__main__.py").write_text(textwrap.dedent(PEER.format(broken="")))
    monkeypatch.setattr(runner, "PEERS_FOLDER", tmp_path)
    worker = runner.Worker("kerasnets", "cpu")
    worker.close()
    streams = (worker.process.stdin, worker.process.stdout, worker.errors)
    assert all(stream.closed for stream in streams)


def test_a_process_that_ends_is_told_with_its_last_words(tmp_path, monkeypatch):
    (row,) = measured(tmp_path, monkeypatch, broken="start", what="train").rows
    assert row.error == "its process ended with code 1: no such library"


@pytest.mark.parametrize("peer", ["kerasnets", "keras.applications"])
def test_another_librarys_process_is_as_its_users_have_it(peer):
    """It begins without a framework, and without what kerasnets asks of TensorFlow on loading it."""
    code = (
        "import os, runpy, sys\n"
        f"sys.argv = ['', {peer!r}]\n"
        f"runpy.run_path({str(runner.PEERS_FOLDER)!r}, run_name='__main__')\n"
        "print('TF_ENABLE_ONEDNN_OPTS' in os.environ, file=sys.stderr)\n"
        "print('keras' in sys.modules or 'tensorflow' in sys.modules, file=sys.stderr)\n"
    )
    environment = runner._environment("cpu")
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.split() == ["False", "False"]


def test_a_process_for_the_cpu_sees_no_gpu():
    assert runner._environment("cpu")["CUDA_VISIBLE_DEVICES"] == "-1"
    assert "JAX_PLATFORMS" not in runner._environment("gpu").keys() - os.environ.keys()
