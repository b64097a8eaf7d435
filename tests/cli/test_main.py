import csv
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kerasnets import Run, TrainConfig, UserError, list_models
from kerasnets.cli import main as command_line
from kerasnets.cli.commands import COMMANDS, load
from kerasnets.cli.flags import one_line
from kerasnets.cli.main import parse
from kerasnets.config import recipe
from kerasnets.config.training import from_json, to_json
from kerasnets.runs.folder import in_use
from kerasnets.weights import read_tensors, save_tensors

ROOT = pathlib.Path(__file__).parent.parent.parent
MODERN = ("train", "--model", "lenet5_modern")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "Unknown command 'trian'. The closest: train"),
        (["train", "--model", "lenet6"], "Unknown network 'lenet6'. The closest: lenet5"),
        (["train", "--recipe", "fast"], "Unknown recipe 'fast'"),
        (["train", "--epochs", "many"], "--epochs: .*'many'"),
        (["train", "--epoch", "3"], "Unrecognized options: --epoch"),
        (["train", "--epochs", "0"], "^kerasnets: epochs must be at least 1. Received: 0"),
        (["train", "--options", "pool"], "--options: expected pairs, NAME VALUE"),
        (["train", "--log-to", "paper"], "invalid choice 'paper' for argument '--log-to'"),
        (["train", "--recipe", "none.toml"], "'none.toml' cannot be read: No such file"),
        (["train", "--data", "folder:none"], "There is no folder 'none'"),
        (["train", "--weights", "none.h5"], "There is no weight file 'none.h5'"),
        ([*MODERN, "--options", "poool", "max"], "takes no option 'poool'. The closest: pool"),
        ([*MODERN, "--options", "pool", "sum"], "pool must be 'max' or 'average'. Received: 'sum'"),
        (["train", "--model"], "Missing value for argument '--model'"),
        (["train", "--out", "/none", "--resume"], "'/none' is no run folder"),
        (["predict"], "Missing from kerasnets predict: STR"),
        (["evaluate", "lenet5", "--batch-size", "0"], "--batch-size must be at least 1"),
        (["evaluate", "runs/none"], "'runs/none' is no run folder: there is no config.json"),
        (["evaluate", "."], "'.' is no run folder: there is no config.json"),
        (["evaluate", "lenet5"], "give --weights SOURCE and --data DATA"),
        (["evaluate", "lenet5", "--weights", "x.h5", "--data", "digits"], "no weight file 'x.h5'"),
        (["evaluate", "lenet5", "--weights", "x.h5", "--data", "folder:x"], "no folder 'x'"),
        (["evaluate", "lenet5", "--labels", "x.csv"], "There is no file 'x.csv'"),
        (["export", "lenet5"], "give --weights SOURCE"),
        (["export", "lenet7"], "Unknown network 'lenet7'"),
        (["export", "lenet5", "--weights", "x.h5"], "There is no weight file 'x.h5'"),
        (["convert", "x.h5", "y.h5"], "There is no file 'x.h5'"),
        (["data", "check", "folder:none"], "There is no folder 'none'"),
        (["export", "lenet5", "--calibration", "digits"], "goes with --quantize int8"),
        (["predict", "/none", "a.png", "--top", "9"], "--top must be 1 to 5. Received: 9"),
        (["predict", "/none"], "Give one image file at least"),
        (["predict", "/none", "a.png", "--all"], "--all goes with --out FILE"),
        (["predict", "/none", "a.png", "--shard", "1/2"], "--shard goes with --out FILE"),
        (["predict", "/none", "a.png", "--out", "a.txt"], "--out must end in .csv or .jsonl or"),
        (["predict", "/none", "a.png", "--out", "no/a.csv"], "There is no folder 'no' for --out"),
        (["predict", "/none", "a.png", "--out", "a.csv", "--shard", "3/2"], "--shard must be I/N"),
        (["predict", "/none", "a.png", "--out", "a.csv", "--json"], "--json prints; --out FILE.js"),
        (
            ["predict", "http://x", "--grpc", "x:1", "--name", "y", "--out", "a.csv"],
            "not for --grpc",
        ),
        (
            ["predict", "a.png", "--grpc", "x:1", "--name", "y", "--bad-files", "skip"],
            "--bad-files skip is not for --grpc",
        ),
        (
            ["serve", "--config", "m", "--versions", "2"],
            "--versions is for a folder of SavedModels",
        ),
        (["tune", "--folds", "5"], "Unrecognized options: --folds"),
        (["train", "--folds", "5", "--find-learning-rate", "a.png"], "for one training, not for"),
        (["merge", "none/a.csv"], "There is no folder 'none'"),
        (["evaluate", "none.tflite"], "There is no SavedModel or run folder 'none.tflite'"),
        (["list", "vit*"], "No network's name matches 'vit"),
        (["list", "--family", "vit"], "Unknown family 'vit'"),
        (["list", "--max-params", "3kg"], "--max-params must be a number above 0 with a unit"),
        (["list", "--max-params", "3"], "No network is left; give larger limits"),
        (["list", "--sort", "beauty"], "invalid choice 'beauty' for argument '--sort'"),
        (["advise", "--latency", "50"], "--latency must be a number above 0 with a unit"),
        (["tune", "--trials", "0"], "--trials must be at least 1. Received: 0"),
        (["tune", "--timeout", "-1"], "--timeout must be more than 0 seconds. Received: -1"),
        (["tune", "--space", "rates"], "Unknown space \\(a preset, or a file .* 'rates'"),
        (["tune", "--space", "none.toml"], "'none.toml' cannot be read: No such file"),
        (["tune", "--data", "folder:none"], "There is no folder 'none'"),
        (["tune", "--out", "run"], "Unrecognized options: --out"),
        (["train", "--find-learning-rate", "a.gif"], "--find-learning-rate must end in .png, "),
        (["publish", "none", "hf:me/mine", "--licence", "mit"], "'none' is no run folder"),
        (["info", "vit"], "Unknown network 'vit'"),
        (["recipes", "slow"], "Unknown recipe 'slow'"),
        (["summary", "lenet5", "--input-shape", "9", "9", "1"], "smallest that works is 32x32"),
        (["summary", "lenet5", "--options", "wdith", "2"], "takes no option 'wdith'"),
        (["info", "runs/none"], "'runs/none' is no run folder: there is no config.json in it."),
        (["benchmark", "vit"], "Unknown network 'vit'"),
        (
            ["benchmark", "lenet5", "--what", "speed"],
            "Unknown thing to measure \\(--what\\) 'speed'",
        ),
        (["benchmark", "lenet5", "--precisions", "int8"], "int8"),
        (
            ["benchmark", "lenet5", "--out", "results"],
            "--out must end in .json, .png, .svg, .pdf. Received: 'results'",
        ),
    ],
)
def test_errors_are_one_line_and_exit_with_two(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        command_line.main(arguments)
    shown = capsys.readouterr()
    assert stop.value.code == 2
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("kerasnets: ")
    assert re.search(message, shown.err)


REFUSED = [
    ["trian"],
    ["train", "--epoch", "3"],
    ["train", "--model", "lenet6"],
    ["train", "--recipe", "none.toml"],
    ["train", "--data", "folder:none"],
    ["train", "--weights", "none.h5"],
    ["train", "--out", "README.md"],
    ["train", "--options", "poool", "max"],
    ["train", "--options", "input_shape", "[[["],
    ["evaluate", "none/run"],
    ["evaluate", "lenet5", "--weights", "none.h5", "--data", "digits"],
    ["predict", ".", "none.png"],
    ["predict", "none", "none.png"],
    ["export", "lenet5", "--weights", "none.h5"],
    ["summary", "lenet5", "--options", "wdith", "2"],
    ["convert", "none.h5", "none.th"],
    ["tune", "--space", "none"],
    ["publish", "none", "hf:me/mine", "--licence", "mit"],
    ["advise", "--latency", "fast"],
    ["data", "check", "folder:none"],
]


# HERE stands for a folder with the files of the test.
REFUSED_WITH_FILES = [
    ("predict HERE/run HERE/empty", "'HERE/empty' holds no images (JPEG, PNG, GIF, BMP or WebP)."),
    ("predict HERE/run HERE/*.gif", "'HERE/*.gif' holds no images (JPEG, PNG, GIF, BMP or WebP)."),
    ("predict HERE/run HERE/one.png --out HERE/a.csv", "'HERE/a.csv' is there already; --overwri"),
    ("predict HERE/notes.txt HERE/one.png", "A model's file ends in .tflite or .onnx. Received: "),
    ("evaluate HERE/a.onnx --weights x", "--weights is for runs and networks; 'HERE/a.onnx' is an"),
    ("merge HERE/a.csv", "Expected the files a-1-of-N.csv to a-N-of-N.csv in 'HERE'. Found: no "),
    ("predict HERE/run HERE/none", "There is no image file 'HERE/none'."),
    (
        "predict HERE/run HERE/notes.txt",
        "'HERE/notes.txt' cannot be read as an image: no JPEG, PNG, GIF, BMP or WebP: it begins "
        "with the bytes 61 20 6e 6f 74 65.",
    ),
    ("predict HERE/empty HERE/one.png", "'HERE/empty' is neither a SavedModel"),
    ("predict HERE/run HERE/one.png", "The run in 'HERE/run' has not finished; go on with: "),
    ("predict HERE --grpc localhost:1 --name x", "'HERE' is a folder; give the image files in it."),
    ("evaluate HERE/run", "The run in 'HERE/run' has not finished; go on with: "),
    ("export HERE/run", "The run in 'HERE/run' has not finished; go on with: "),
    ("evaluate lenet5 --weights HERE/notes.txt --data digits", "'HERE/notes.txt' is no weight"),
    ("evaluate lenet5 --weights HERE/one.h5 --data foldr:x", "Unknown data set 'foldr:x'."),
    ("export lenet5 --weights HERE/notes.txt", "'HERE/notes.txt' is no weight file"),
    ("export lenet5 --weights HERE/run", "The run in 'HERE/run' has not finished: it has no"),
    ("export lenet5 --weights HERE/one.h5 --to HERE/one.h5", "The folder 'HERE/one.h5' cannot be"),
    (
        "export lenet5 --weights HERE/one.h5 --to HERE/onnx --format litert",
        "'HERE/onnx' holds versions of the format onnx",
    ),
    ("train --data photos/flowers", "Unknown data set 'photos/flowers'."),
    ("train --weights HERE/notes.txt", "'HERE/notes.txt' is no weight file"),
    ("train --out HERE/run", "'HERE/run' holds this run already; add --resume to go on"),
    ("train --out HERE/run --seed 3", "'HERE/run' holds a run with seed 0, not 3. Choose another"),
    ("train --out HERE/run --resume --seed 3", "The run in 'HERE/run' has seed 0, not 3, and goes"),
    ("train --out HERE/empty/none --resume", "'HERE/empty/none' is no run folder"),
    ("convert HERE/notes.txt HERE/a.h5", "The format is told by the file's ending: .weights.h5"),
    ("convert HERE/notes.txt HERE/a.pth", "'HERE/notes.txt' is no weight file"),
    ("convert HERE/one.h5 HERE/no/a.pth", "'HERE/no/a.pth' cannot be written: there is no folder"),
    ("convert HERE/one.h5 HERE/a.pth --model lenet6", "Unknown network 'lenet6'."),
    ("convert HERE/one.h5 HERE/a.pth --model lenet5 --layout x", "Unknown layout of lenet5 'x'."),
]


def test_what_is_wrong_with_files_is_told_before_a_framework_loads(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "onnx" / "1").mkdir(parents=True)
    (tmp_path / "onnx" / "1" / "model.onnx").touch()
    (tmp_path / "a.csv").touch()
    (tmp_path / "a.onnx").touch()
    (tmp_path / "notes.txt").write_bytes(b"a note")
    (tmp_path / "one.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "one.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    config = TrainConfig(out=tmp_path / "run").resolved()
    Run.create(tmp_path / "run", config, tuple("0123456789"))
    code = (
        "import sys\n"
        "from kerasnets.cli.main import main\n"
        "sys.stderr = sys.stdout\n"
        "for line in sys.argv[2:]:\n"
        "    try:\n"
        "        main(line.replace('HERE', sys.argv[1]).split())\n"
        "    except SystemExit as stop:\n"
        "        assert stop.code == 2, line\n"
        "    else:\n"
        "        raise AssertionError(line)\n"
        "    assert not {'keras', 'tensorflow'} & set(sys.modules), line\n"
    )
    lines, expected = zip(*REFUSED_WITH_FILES, strict=True)
    arguments = [sys.executable, "-c", code, str(tmp_path), *lines]
    result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-500:] + result.stderr[-1500:]
    said = result.stdout.replace(str(tmp_path), "HERE").splitlines()
    for line, message, found in zip(lines, expected, said, strict=True):
        assert found.startswith(f"kerasnets: {message}"), line


def test_what_needs_no_framework_is_refused_before_it_loads():
    code = (
        "import json, sys\n"
        "from kerasnets.cli.main import main\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    try:\n"
        "        main(arguments)\n"
        "    except SystemExit as stop:\n"
        "        assert stop.code == 2, arguments\n"
        "    else:\n"
        "        raise AssertionError(arguments)\n"
        "    assert not {'keras', 'tensorflow'} & set(sys.modules), arguments\n"
    )
    subprocess.run([sys.executable, "-c", code, json.dumps(REFUSED)], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["trian"], ["list"], ["info", "resnet50"], ["train", "--help"], ["list", "--x"]],
)
def test_commands_start_without_what_takes_long_to_load(arguments):
    code = (
        "import sys\n"
        "from kerasnets.cli.main import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    pass\n"
        "print('loaded', *sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    loaded = set(result.stdout.rpartition("loaded ")[2].split())
    assert "kerasnets.registry" in loaded
    slow = {"asyncio", "keras", "numpy", "rich", "tensorflow", "typeguard"}
    if arguments[0] not in COMMANDS:
        slow.add("tyro")
    assert not loaded & slow
    own = {COMMANDS[arguments[0]][0]} if arguments[0] in COMMANDS else set()
    prefix = "kerasnets.cli.commands."
    assert {name.removeprefix(prefix) for name in loaded if name.startswith(prefix)} == own


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name):
    assert COMMANDS[name][1] == load(name).__doc__.partition("\n")[0]


def test_errors_of_a_real_process(kerasnets_command, tmp_path):
    result = kerasnets_command("predict", "nowhere", "image.png", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "kerasnets: There is no image file 'image.png'.\n"


def test_list_prints_every_network(capsys):
    command_line.main(["list"])
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert names[0] == "network"
    assert names[2:] == list_models()


def test_info_prints_what_is_known(capsys):
    command_line.main(["info", "lenet5"])
    shown = capsys.readouterr().out
    assert "LeCun" in shown
    assert "60,000" in shown
    command_line.main(["info", "resnet20_cifar"])
    shown = capsys.readouterr().out
    assert re.search(r"akamaster +91\.73 +CIFAR-10 .*BSD-2-Clause", shown)


def test_info_lists_the_options_with_their_values(capsys):
    command_line.main(["info", "densenet121"])
    shown = capsys.readouterr().out
    assert re.search(r"growth_rate +a whole number or None +None\n", shown)
    assert re.search(r"stem +'imagenet' or 'small' +imagenet\n", shown)
    # The depth is what the name says, and there are no residuals to drop.
    assert not re.search(r"^(depth|drop_path_rate) ", shown, re.MULTILINE)
    assert "mean 124 116 104, std 58.4 57.1 57.4" in shown


def test_recipes_prints_short_numbers(capsys):
    command_line.main(["recipes", "alexnet_owt2014"])
    shown = capsys.readouterr().out
    assert re.search(r"\nmilestones +0\.2222 0\.4444 0\.6667 0\.8889\ndecay rate +0\.1\n", shown)
    assert re.search(r"\nepochs +90\n(.*\n)+epsilon +1e-07\n(.*\n)+dropout +–\n", shown)


def test_the_help_of_options_says_where_they_are_listed(capsys):
    for name in ("train", "evaluate", "export", "convert", "summary"):
        with pytest.raises(SystemExit):
            command_line.main([name, "--help"])
        shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert "`kerasnets info NETWORK` lists them" in shown


def test_info_and_summary_take_a_run(capsys, short_run):
    command_line.main(["info", str(short_run.folder)])
    shown = capsys.readouterr().out
    assert re.search(r"network +lenet5_modern\n(.*\n)+recipe +digits\nepochs +3\n", shown)
    assert re.search(r"top1 +0\.\d+\n", shown)
    command_line.main(["summary", str(short_run.folder)])
    assert "61,706 trainable parameters" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        command_line.main(["summary", str(short_run.folder), "--classes", "9"])
    assert "--classes is for a network's name" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(name, capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.main([name, "--help"])
    assert stop.value.code == 0
    assert f"usage: kerasnets {name}" in capsys.readouterr().out


def test_help_and_version(capsys):
    for arguments in ([], ["--help"], ["-h"]):
        with pytest.raises(SystemExit) as stop:
            command_line.main(arguments)
        assert stop.value.code == 0
        shown = capsys.readouterr().out
        assert all(f"\n  {name} " in shown for name in COMMANDS)
    with pytest.raises(SystemExit):
        command_line.main(["--version"])
    assert capsys.readouterr().out == "0.2.0\n"


def test_train_flags_start_from_the_recipe():
    command = parse(["train", "--model", "resnet20_cifar", "--data", "cifar10", "--epochs", "3"])
    chosen = command.config.recipe
    assert (chosen.name, chosen.epochs, chosen.learning_rate) == ("resnet_cifar", 3, 0.1)
    other = parse(["train", "--recipe", "lenet_modern", "--options", "pool", "max"])
    assert other.config.recipe.name == "lenet_modern"
    assert other.config.options == {"pool": "max"}
    assert parse(["train", "--recipe", "one_cycle", "--base-batch-size", "None"]).config.recipe == (
        recipe("one_cycle", base_batch_size=None)
    )
    plain = parse(["train"])
    assert (plain.config.model, plain.config.data) == ("lenet5", "digits")


def test_the_recipe_of_a_run_may_be_a_file(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text('base = "resnet_cifar"\nepochs = 3\nlearning_rate = 0.05')
    command = parse(["train", "--recipe", str(path), "--epochs", "2"])
    expected = recipe("resnet_cifar", epochs=2, learning_rate=0.05, name="short", source=str(path))
    assert command.config.recipe == dataclasses.replace(expected, reported="")
    assert from_json(to_json(command.config), "config.json") == command.config


def test_resuming_starts_from_the_runs_own_values(short_run):
    command = parse(["train", "--out", str(short_run.folder), "--resume"])
    assert command.config == short_run.config
    longer = parse(["train", "--out", str(short_run.folder), "--resume", "--epochs", "4"])
    assert longer.config == dataclasses.replace(
        short_run.config, recipe=dataclasses.replace(short_run.recipe, epochs=4)
    )
    with pytest.raises(UserError, match="has trained 3 epochs; .* at least 4. Received: 3"):
        parse(["train", "--out", str(short_run.folder), "--resume", "--epochs", "3"])
    with pytest.raises(UserError, match="no run folder"):
        parse(["train", "--out", "elsewhere", "--resume"])


def test_summary_holds_the_papers_totals(capsys):
    command_line.main(["summary", "lenet5"])
    shown = capsys.readouterr().out
    assert "60,000 trainable parameters" in shown
    total = next(line for line in shown.splitlines() if line.strip().startswith("total"))
    assert total.split() == ["total", "59,752", "248", "840", "325,680", "69,368"]


def test_summary_has_forms_for_papers_pages_and_spreadsheets(capsys, tmp_path):
    command_line.main(["summary", "lenet5", "--format", "csv", "--out", str(tmp_path / "t.csv")])
    assert capsys.readouterr().out.strip() == f"Written to {tmp_path / 't.csv'}."
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (rows[1]["layer"], rows[1]["kernel/stride"]) == ("c1", "5x5/1")
    assert (rows[1]["weights"], rows[1]["biases"]) == ("150", "6")
    assert rows[1]["activation bytes"] == str(28 * 28 * 6 * 4)
    assert sum(int(row["weights"] or 0) + int(row["biases"] or 0) for row in rows) == 60_000

    command_line.main(["summary", "lenet5", "--format", "markdown"])
    lines = capsys.readouterr().out.splitlines()
    assert {line.count("|") for line in lines} == {11}
    assert lines[1].startswith("| :-- | :-- | --: |")
    assert lines[-1].startswith("| total |")

    command_line.main(["summary", "lenet5", "--format", "latex"])
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1]) == (r"\begin{tabular}{llrrrrrrrr}", r"\end{tabular}")
    inner = [line for line in lines[1:-1] if line != r"\hline"]
    assert {(line.count(" & "), line.endswith(r" \\")) for line in inner} == {(9, True)}
    assert any(line.startswith(r"c1\_act & ") for line in inner)


def test_summary_takes_options(capsys):
    command_line.main(["summary", "resnet20_cifar", "--options", "shortcut", "projection"])
    assert "272,474 trainable parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--out", "file"],
        ["train", "--out", "file/run"],
        ["train", "--savedmodels", "file"],
        ["evaluate", "RUN", "--out", "file/figures"],
        ["data", "check", "digits", "--out", "file"],
    ],
)
def test_folders_are_looked_at_before_the_work(arguments, short_run, capsys, tmp_path, monkeypatch):
    def read(*_, **__):
        pytest.fail("the data are read")

    monkeypatch.setattr("kerasnets.data.load", read)
    monkeypatch.setattr("kerasnets.training.trainer.load_data", read)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stop:
        command_line.main([str(short_run.folder) if each == "RUN" else each for each in arguments])
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert re.fullmatch(
        r"kerasnets: The folder 'file.*' cannot be made: 'file' is a file.\n", shown
    )


def with_nan(path):
    tensors = read_tensors(path)
    save_tensors(path, {**tensors, "conv1/bias": np.full(6, np.nan, "float32")})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "config.json").write_text("[" * 100_000), "config.json' is no config"),
        (lambda run: (run / "classes.json").write_text("[" * 100_000), "classes.json' is damaged"),
        (lambda run: (run / "network.json").write_text("[" * 100_000), "network.json' does not"),
        (
            lambda run: with_nan(run / "weights.safetensors"),
            "conv1/bias .* holds NaN, expected finite",
        ),
        (lambda run: os.truncate(run / "weights.safetensors", 900), "safetensors' is damaged: "),
    ],
)
def test_damaged_files_of_a_run_are_told(damage, message, short_run, capsys, tmp_path):
    run = shutil.copytree(short_run.folder, tmp_path / "run")
    damage(run)
    with pytest.raises(SystemExit) as stop:
        command_line.main(["evaluate", str(run)])
    shown = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2
    assert re.search(message, shown[-1])
    assert not any("Traceback" in line for line in shown)


def test_a_run_in_use_is_told_before_anything_loads(short_run, capsys, monkeypatch):
    monkeypatch.setattr(
        "kerasnets.cli.commands.train.load_tensorflow", lambda: pytest.fail("loaded")
    )
    with in_use(short_run.folder), pytest.raises(SystemExit) as stop:
        command_line.main(["train", "--out", str(short_run.folder), "--resume"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        f"kerasnets: The run in {str(short_run.folder)!r} is in use: another training is writing "
        "it. Wait for its end, or choose another --out."
    ]


def test_a_network_is_found_though_a_folder_has_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet5").mkdir()
    with pytest.raises(UserError, match="To evaluate the network lenet5 give --weights"):
        parse(["evaluate", "lenet5"]).run()


def test_what_to_type_next_can_be_typed(short_run, tmp_path):
    run = dataclasses.replace(short_run, folder=tmp_path / "my run")
    with pytest.raises(UserError, match=r"kerasnets train --out '/.*/my run' --resume"):
        run.network()


def test_evaluate_and_predict_a_run(short_run, capsys, tmp_path):
    command_line.main(["evaluate", str(short_run.folder), "--out", str(tmp_path / "figures")])
    shown = capsys.readouterr().out
    assert f"top-1 {short_run.metrics()['top1']:.2%}" in shown
    assert (tmp_path / "figures" / "confusion.png").exists()
    command_line.main(["evaluate", str(short_run.folder), "--split", "validation"])
    assert "on 135 images" in capsys.readouterr().out
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "black.png")
    command_line.main(["predict", str(short_run.folder), str(tmp_path / "black.png"), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert len(answer["top"]) == 3
    assert answer["image"].endswith("black.png")


def test_evaluate_refuses_other_classes(short_run, image_folder, capsys):
    with pytest.raises(SystemExit):
        command_line.main(["evaluate", str(short_run.folder), "--data", f"folder:{image_folder}"])
    assert "was trained on the classes 10: 0, 1, 2, 3, ...;" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [("--weights", "imagenet"), ("--options", "pool", "average")])
def test_evaluate_refuses_what_a_run_has_in_itself(flags, tmp_path, capsys):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SystemExit):
        command_line.main(["evaluate", str(tmp_path), *flags])
    assert f"{flags[0]} is for a network's name; " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), ("digits", "own")),
        (("--data-dir", "other"), ("digits", "other")),
        (("--data", "mnist"), ("mnist", "own")),
    ],
)
def test_evaluate_a_run_on_its_own_data_but_for_what_is_given(
    flags, expected, monkeypatch, tmp_path
):
    from kerasnets.runs import run

    class Loaded(Exception):  # noqa: N818, nothing is wrong
        pass

    def load_data(config):
        raise Loaded(config.data, str(config.data_dir))

    own = Run.create(tmp_path, TrainConfig(data_dir=pathlib.Path("own")).resolved(), ("a", "b"))
    own.weights_path.write_bytes(bytes(8) + b"{")
    monkeypatch.setattr(run, "load_data", load_data)
    with pytest.raises(Loaded) as found:
        parse(["evaluate", str(tmp_path), *flags]).run()
    assert found.value.args == expected


def test_evaluate_a_network_with_weights(short_run, capsys):
    command_line.main(
        ["evaluate", "lenet5_modern", "--weights", str(short_run.weights_path), "--data", "digits"]
    )
    assert f"top-1 {short_run.metrics()['top1']:.2%}" in capsys.readouterr().out


def test_train_exports_and_says_what_to_type_next(tmp_path, kerasnets_command):
    result = kerasnets_command("train", "--epochs", "1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "epoch 1/1" in result.stderr
    assert "kerasnets predict savedmodels/lenet5 IMAGE" in result.stderr
    assert (tmp_path / "savedmodels" / "lenet5" / "1" / "saved_model.pb").is_file()
    assert (tmp_path / "runs" / "lenet5-digits-1" / "curves.png").is_file()
    assert "port.cc" not in result.stderr
    assert result.stderr.startswith("Loading TensorFlow ...\n")
    assert result.stdout == ""


def test_a_full_disk_is_told_in_one_line(tmp_path):
    """The largest file that this process may write is 100 kB."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "from kerasnets.cli.main import main;"
        "main(['train', '--epochs', '1', '--out', sys.argv[1]])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith("kerasnets: ")
    assert "was not written" in last
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob(".partial*"))


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "export"])
def test_scripts_are_the_commands(name):
    result = subprocess.run(
        [sys.executable, f"scripts/{name}.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"usage: kerasnets {name}" in result.stdout


def test_a_framed_message_becomes_one_line():
    frame = (
        "╭─ Error ─╮\n│ Error parsing --x: not   │\n│ a number │\n│ ───── │\n│ hints │\n╰────╯\n"
    )
    plain = " Error \n ------ \n  Error parsing --x: not   \n  a number \n  ---- \n  hints \n"
    assert one_line(frame) == one_line(plain) == "Error parsing --x: not a number"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "runs/x"), "runs/x: Permission denied"),
        (OSError(30, "Read-only file system", b"runs"), "runs: Read-only file system"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_what_the_system_refuses_is_told(error, message, capsys, monkeypatch):
    def refused(self):
        raise error

    monkeypatch.setattr(load("list"), "run", refused)
    with pytest.raises(SystemExit) as stop:
        command_line.main(["list"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"kerasnets: {message}\n"


@pytest.mark.parametrize("argument", ["list", "--version"])
def test_a_full_standard_output_is_told(argument, capsys, monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(SystemExit) as stop:
            command_line.main([argument])
    assert stop.value.code == 2
    assert capsys.readouterr().err == "kerasnets: standard output: No space left on device\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--options", "classes", "3"],
        ["train", "--options", "weights", "imagenet"],
        ["summary", "lenet5", "--options", "classes", "3"],
        ["evaluate", "lenet5", "--weights", "x", "--data", "digits", "--options", "weights", "y"],
        ["export", "lenet5", "--weights", "x", "--options", "labels", "y"],
        ["convert", "x.th", "y.th", "--options", "network", "y"],
    ],
)
def test_options_that_a_command_sets_itself_are_refused(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        command_line.main(arguments)
    assert stop.value.code == 2
    assert (
        f"kerasnets: --options takes no {arguments[-2]!r}; the command" in capsys.readouterr().err
    )
