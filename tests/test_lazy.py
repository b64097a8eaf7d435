"""Keras and TensorFlow at first use, and what they are told of kerasnets then."""

from __future__ import annotations

import ast
import contextlib
import os
import pathlib
import subprocess
import sys

import pytest

import kerasnets
from kerasnets.lazy import check_backend, installed, notes_withheld

ROOT = pathlib.Path(__file__).parent.parent


def run(code: str, *arguments: object, **environment: str | None) -> str:
    """What a process of its own prints."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={name: value for name, value in variables.items() if value is not None},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout.strip()


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> list[pathlib.Path]:
    """Layers of ours, kernels for inference, and a network with an origin."""
    folder = tmp_path_factory.mktemp("saved")
    lenet = kerasnets.build("lenet5")
    models = {
        "lenet": lenet,
        "resnet": kerasnets.build("resnet20_cifar"),
        "fast": kerasnets.for_inference(kerasnets.build("resnet20_cifar", width=4.0), device="cpu"),
        "on_images": kerasnets.with_preprocessing(lenet, kerasnets.preprocessing(lenet)),
    }
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    return sorted(folder.glob("*.keras"))


LOAD = """
import sys
for path in sys.argv[1:]:
    model = keras.saving.load_model(path)
    if "on_images" not in path:
        kerasnets.preprocessing(model)
print("loaded", len(sys.argv) - 1)
assert not any(type(finder).__name__ == "_KerasWatch" for finder in sys.meta_path)
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import kerasnets\nimport keras",
        "import keras\nimport kerasnets",
        # A class that another of ours derives from is what loads Keras.
        pytest.param(
            "import kerasnets\nimport kerasnets.layers.inception_concat\nimport keras",
            marks=pytest.mark.slow,
        ),
        "from kerasnets.fast.winograd import WinogradConv2D\nimport kerasnets, keras",
        pytest.param(
            "import kerasnets\nfrom kerasnets.lazy import keras\nkeras.layers",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_keras_loads_our_models_after_importing_kerasnets(imports, saved):
    assert run(f"{imports}\n{LOAD}", *saved) == "loaded 4"


# The classes and functions that a file of one of our networks may hold.
REGISTERED = {
    node.name
    for package in ("layers", "models", "fast")
    for path in (ROOT / "kerasnets" / package).glob("*.py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    and any("register_keras_serializable" in ast.unparse(each) for each in node.decorator_list)
}
KNOWN = """
import keras
known = keras.saving.get_custom_objects()
print(*sorted(name.removeprefix("kerasnets>") for name in known if name.startswith("kerasnets>")))
"""


def test_keras_knows_all_classes_of_ours():
    assert {"ResidualAdd", "Network", "WinogradConv2D", "scaled_tanh"} <= REGISTERED
    assert set(run(f"import kerasnets\n{KNOWN}").split()) == REGISTERED


def test_threads_that_load_keras_at_once_leave_out_no_class():
    code = """
import threading
import kerasnets
names = ["keras", "kerasnets.layers.inception_concat", "kerasnets.layers.dense_concat",
         "kerasnets.models.network", "kerasnets.fast.winograd"]
threads = [threading.Thread(target=__import__, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    assert set(run(f"{code}\n{KNOWN}").split()) == REGISTERED


@pytest.mark.needs("jax")
def test_other_backends_load_no_tensorflow():
    code = """
import sys
import kerasnets, keras
assert "kerasnets>Network" in keras.saving.get_custom_objects()
kerasnets.build("resnet20_cifar")
print("tensorflow" in sys.modules)
"""
    assert run(code, KERAS_BACKEND="jax") == "False"


@pytest.mark.parametrize(
    ("environment", "config", "message"),
    [
        ("torch", None, "KERAS_BACKEND is 'torch', and torch is not installed: pip install torch"),
        ("jax", None, "KERAS_BACKEND is 'jax', and jax is not installed: .* KERAS_BACKEND=tensorf"),
        ("jax", '{"backend": "tensorflow"}', "KERAS_BACKEND is 'jax', and jax is not installed"),
        ("Tensorflow", None, "KERAS_BACKEND is 'Tensorflow', which is no backend of Keras"),
        ("", '{"backend": "torch"}', "backend in '.*keras.json' is 'torch', and torch is not inst"),
        (None, '{"backend": "theano"}', "keras.json' is 'theano', which is no backend of Keras"),
        (None, '{"backend": ["jax"]}', r"keras.json' is \['jax'\], which is no backend of Keras"),
        (None, "[]", "keras.json' must hold an object"),
        (None, "[" * 100_000, "keras.json' must hold an object"),
        (None, '{"floatx": "float8"}', "floatx in '.*keras.json' must be float16 or .*'float8'"),
        ("tensorflow", '{"image_data_format": "th"}', "image_data_format in .* Received: 'th'"),
    ],
)
def test_a_backend_that_is_not_there_is_told(environment, config, message, tmp_path, monkeypatch):
    choose(monkeypatch, environment, config, tmp_path)
    with pytest.raises(kerasnets.UserError, match=message) as caught:
        check_backend()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "config", "backend"),
    [
        (None, None, "tensorflow"),
        ("", None, "tensorflow"),
        (None, "no JSON", "tensorflow"),
        (None, '{"backend": "numpy", "floatx": "float32"}', "numpy"),
        ("tensorflow", '{"backend": "torch"}', "tensorflow"),
    ],
)
def test_a_backend_that_is_there_will_do(environment, config, backend, tmp_path, monkeypatch):
    choose(monkeypatch, environment, config, tmp_path)
    check_backend()
    check_backend(backend)
    with pytest.raises(kerasnets.UserError, match=f"is '{backend}'; this needs jax: set KERAS"):
        check_backend("jax")


def choose(monkeypatch, environment: str | None, config: str | None, home: pathlib.Path) -> None:
    """A backend in the environment and in keras.json, where only some are installed."""
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(
        "kerasnets.lazy.installed", lambda name: name in ("tensorflow", "numpy", "keras")
    )
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if environment is not None:
        monkeypatch.setenv("KERAS_BACKEND", environment)
    if config is not None:
        (home / "keras.json").write_text(config)


@pytest.mark.skipif(installed("openvino"), reason="stands for a backend that is not installed")
@pytest.mark.parametrize(
    "code",
    [
        "kerasnets.build('lenet5')",
        "kerasnets.train",
        "from kerasnets.fast.winograd import WinogradConv2D",
        "from kerasnets.lazy import keras; keras.layers",
        "import kerasnets.weights.load",
    ],
)
def test_whatever_loads_keras_tells_of_the_backend(code):
    code = f"""
import kerasnets
try:
    {code}
except kerasnets.UserError as error:
    print(error)
"""
    assert run(code, KERAS_BACKEND="openvino").startswith(
        "KERAS_BACKEND is 'openvino', and openvino is not installed: pip install openvino, or set"
    )


@pytest.mark.skipif(installed("openvino"), reason="stands for a backend that is not installed")
def test_every_command_tells_of_the_backend_before_anything_loads(tmp_path):
    files = {
        "model/1/saved_model.pb": b"",
        "image.png": b"\x89PNG\r\n\x1a\n",
        "weights.h5": b"\x89HDF\r\n\x1a\n",
    }
    for name, start in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(start)
    code = """
import sys
from kerasnets.cli.main import main
for line in sys.argv[2:]:
    sys.stderr = sys.stdout
    try:
        main([word.replace("HERE", sys.argv[1]) for word in line.split()])
    except SystemExit as stop:
        assert stop.code == 2
    assert not {"tensorflow", "keras"} & set(sys.modules)
"""
    lines = [
        "train --out HERE/run",
        "summary lenet5",
        "predict HERE/model HERE/image.png",
        "convert HERE/weights.h5 HERE/out.safetensors",
        "evaluate lenet5 --weights HERE/weights.h5 --data digits",
        "export lenet5 --weights HERE/weights.h5",
    ]
    said = run(code, tmp_path, *lines, KERAS_BACKEND="openvino").splitlines()
    assert len(said) == len(lines)
    assert {line.partition(": pip")[0] for line in said} == {
        "kerasnets: KERAS_BACKEND is 'openvino', and openvino is not installed"
    }


def test_a_module_of_ours_runs_as_a_program():
    """`python -m` reads its code through the loader."""
    code = """
import runpy, sys
sys.argv = ["kerasnets", "--version"]
try:
    runpy.run_module("kerasnets.cli.main", run_name="__main__")
except SystemExit as error:
    assert not error.code
"""
    assert kerasnets.__version__ in run(code)


SHOW = "import os; print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'))"


@pytest.mark.parametrize(
    ("code", "given", "expected"),
    [
        ("import kerasnets", None, "None"),
        pytest.param(
            *("import kerasnets; import tensorflow", None, "None"), marks=pytest.mark.slow
        ),
        ("import kerasnets; import keras", None, "None"),
        ("import kerasnets; kerasnets.build('lenet5_modern')", None, "1"),
        ("import kerasnets; kerasnets.build('lenet5_modern')", "0", "0"),
        pytest.param("import kerasnets.data.images", None, "1", marks=pytest.mark.slow),
    ],
)
def test_onednn_is_asked_for_where_kerasnets_loads_tensorflow(code, given, expected):
    assert run(f"{code}\n{SHOW}", TF_ENABLE_ONEDNN_OPTS=given) == expected


@pytest.mark.parametrize(
    ("raised", "shown"),
    [(None, ""), (kerasnets.UserError("why"), ""), (ValueError("why"), "a note")],
)
def test_notes_of_compiled_code_are_shown_where_it_fails(raised, shown, capfd):
    with contextlib.suppress(ValueError), notes_withheld():
        os.write(2, b"a note")
        if raised:
            raise raised
    os.write(2, b".")
    assert capfd.readouterr() == ("", f"{shown}.")


def test_public_names_are_listed():
    public = {"build", "train", "Run", "TrainConfig", "recipe", "for_inference", "features"}
    assert public <= set(dir(kerasnets))
    assert all(getattr(kerasnets, name) is not None for name in dir(kerasnets))
