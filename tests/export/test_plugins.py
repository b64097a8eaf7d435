"""Formats that other packages add; the one of docs/export.md."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.export import Form, form, register_exporter
from kerasnets.export.savedmodel import SavedModel

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package outside of ours with the documented exporter; gives its folder."""
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(\"\"\"Exports.*?)```", page, re.DOTALL)
    (tmp_path / "npz_export.py").write_text(example, encoding="utf-8")
    metadata = tmp_path / "npz_export-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: npz-export\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[kerasnets.plugins]\nnpz = npz_export\n")
    return tmp_path


def command(plugin, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "kerasnets.cli.main", "export", *map(str, arguments)],
        cwd=plugin,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, plugin)))},
    )


def test_the_command_line_takes_the_format_of_a_plug_in(installed, short_run):
    run = short_run.folder.resolve()
    done = command(installed, run, "--format", "npz", "--precision", "fp16")
    assert done.returncode == 0, done.stderr
    version = installed / "npz" / "lenet5_modern" / "1"
    assert str(version.relative_to(installed)) in done.stdout
    arrays = np.load(version / "weights.npz")
    assert sum(array.size for array in arrays.values()) == 61_706
    assert {str(array.dtype) for array in arrays.values()} == {"float16", "float32"}
    described = json.loads((version / "model.json").read_text())
    assert described["format"] == "npz"
    assert described["check"] == "none: these are the weights alone"

    other = command(installed, run, "--to", version.parent)
    assert "holds versions of the format npz; a server would stumble" in other.stderr


def test_a_format_that_nobody_registered_is_told():
    with pytest.raises(UserError, match="Unknown format 'tflite'. .*litert"):
        Form(format="tflite")
    with pytest.raises(UserError, match="The name 'savedmodel' is taken by another format"):
        register_exporter("savedmodel", SavedModel())
    assert {"savedmodel", "litert", "onnx"} <= set(form.exporters().all())
