import json


def test_a_network_is_measured(kerasnets_command, tmp_path):
    result = kerasnets_command(
        *("benchmark", "lenet5_modern", "--what", "build,train,exported"),
        *("--batch-sizes", "2", "--rounds", "2", "--round-seconds", "0", "--out", "here.json"),
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert "lenet5_modern" in result.stdout
    assert "2 of 28 float32" in result.stdout
    rows = {row["what"]: row for row in json.loads((tmp_path / "here.json").read_text())}
    assert set(rows) == {"build", "train", "exported"}
    for row in rows.values():
        assert row["error"] is None
        assert len(row["seconds"]) == 2
        assert row["memory_mib"] > 100
        assert row["parameters"] > 10_000
