import json

import pytest

from kerasnets import Run, UserError
from kerasnets.runs.run import load_data


def test_a_damaged_run_folder_is_told(tmp_path, short_run):
    with pytest.raises(UserError, match="is no run folder: it has no config.json"):
        Run.load(tmp_path)
    (tmp_path / "config.json").write_text((short_run.folder / "config.json").read_text())
    with pytest.raises(UserError, match=r"classes.json' cannot be read: No such file"):
        Run.load(tmp_path)
    (tmp_path / "classes.json").write_text(json.dumps(["a", "b"]))
    with pytest.raises(UserError, match="has not finished; go on with: kerasnets train --out"):
        Run.load(tmp_path).network()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b'{"recipe": null}', "no configuration of a run: recipe must be an object"),
        ("config.json", b'{"recipe": "digits"}', "recipe must be an object. Received: 'digits'"),
        ("config.json", b'{"recipe": []}', "recipe must be an object"),
        ("config.json", b"[1]", "a configuration must be an object"),
        ("config.json", b"\xff", "config.json' cannot be read: 'utf-8' codec"),
        ("classes.json", b'{"a": 1}', "classes.json' is damaged: it must hold a list"),
        ("classes.json", b'["a", 1]', "classes.json' is damaged: it must hold a list"),
        ("metrics.json", b'{"top1": 0.', "metrics.json' is damaged: it must hold figures by name"),
        ("metrics.json", b"null", "metrics.json' is damaged: it must hold figures by name"),
        ("network.json", b"null", "network.json' does not describe a network"),
        ("splits.json", b'{"train": "many"}', "splits.json' is damaged: it must hold the number"),
    ],
)
def test_damaged_files_of_a_run_are_named(short_run, tmp_path, name, content, message):
    for other in ("config.json", "classes.json"):
        (tmp_path / other).write_bytes((short_run.folder / other).read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        look_at_all(tmp_path)


def look_at_all(folder):
    run = Run.load(folder)
    return run.metrics(), run.preprocessing, run.check_data(load_data(run.config))
