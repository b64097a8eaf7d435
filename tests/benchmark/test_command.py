import json

import pytest

from kerasnets.benchmark.results import load


def test_our_own_network_is_measured_and_reported(kerasnets_command, tmp_path):
    result = kerasnets_command(
        *("benchmark", "--networks", "lenet5_modern", "--peers", "kerasnets", "--rounds", "2"),
        *("--what", "graph,train", "--batch-sizes", "2", "--round-seconds", "0"),
        *("--out", "here.json", "--report", "here.md"),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    rows = {row.what: row for row in load(tmp_path / "here.json").rows}
    assert set(rows) == {"graph", "train"}
    for row in rows.values():
        assert row.error is None
        assert len(row.seconds) == 2
        assert row.memory_mib > 100
        assert row.flops > 0
    assert (tmp_path / "here.png").exists()
    assert "| lenet5_modern | train |" in (tmp_path / "here.md").read_text()
    assert json.loads((tmp_path / "here.json").read_text())["peaks"]["kerasnets float32 auto"] > 1e8


@pytest.mark.slow
def test_smoke(kerasnets_command, tmp_path):
    result = kerasnets_command("benchmark", "--smoke", "--out", "here.json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    rows = load(tmp_path / "here.json").rows
    ours = {row.what: row.error for row in rows if row.peer == "kerasnets"}
    assert ours == dict.fromkeys(("build", "eager", "graph", "xla", "exported", "train"))
    assert {row.what for row in rows if row.peer == "keras.applications" and not row.error} == set(
        ours
    )
