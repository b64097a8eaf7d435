"""``kerasnets draw``."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from kerasnets.cli import main as command_line

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("lenet6", "Unknown network 'lenet6'. The closest: lenet5"),
        ("lenet5 --out net.gif", "--out must end in .png, .svg, .pdf. Received: 'net.gif'"),
        ("lenet5 --out none/net.svg", "There is no folder 'none' for --out"),
        ("lenet5 --level blocks", "invalid choice 'blocks' for argument '--level'"),
        ("resnet18 --level stage --block stage1", "at level block or layer. Received: 'stage'"),
        ("lenet5 --options wdith 2", "takes no option 'wdith'"),
        (". ", "'.' is no run folder"),
        ("RUN --classes 3", "--classes is for a network's name"),
    ],
)
def test_it_is_refused_before_tensorflow_loads(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "kerasnets.cli.commands.networks.load_tensorflow", lambda *_: pytest.fail("TensorFlow")
    )
    (tmp_path / "RUN").mkdir()
    (tmp_path / "RUN" / "config.json").touch()
    with pytest.raises(SystemExit) as stop:
        command_line.main(["draw", *words.split()])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "drawing.svg").exists()


def test_the_command_loads_no_matplotlib_to_refuse():
    code = (
        "import sys; from kerasnets.cli.main import main\n"
        "try: main(['draw', 'lenet5', '--out', 'net.gif'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_an_unknown_block_has_its_closest(tmp_path, capsys):
    out = tmp_path / "net.svg"
    with pytest.raises(SystemExit):
        command_line.main(["draw", "resnet20_cifar", "--block", "stage2_blok1", "--out", str(out)])
    message = capsys.readouterr().err.splitlines()[-1]
    assert "Unknown block 'stage2_blok1'. The closest: stage2_block1" in message
    assert not out.exists()


def test_a_block_and_options(tmp_path, capsys):
    out = tmp_path / "block.svg"
    words = ["--block", "stage2_block1", "--options", "shortcut", "projection"]
    command_line.main(["draw", "resnet20_cifar", *words, "--out", str(out)])
    assert capsys.readouterr().out == f"Written to {out}.\n"
    assert out.read_text().startswith("<?xml")


def test_a_run_is_drawn(short_run, tmp_path, capsys):
    out = tmp_path / "run.pdf"
    command_line.main(["draw", str(short_run.folder), "--level", "network", "--out", str(out)])
    assert out.read_bytes().startswith(b"%PDF-")
    capsys.readouterr()
