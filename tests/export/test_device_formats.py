import json

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.data import evaluation_batches, load
from kerasnets.export import Form, export_network, export_run
from kerasnets.inputs import with_preprocessing

# What these formats give is taken by name, so another program finds it too.
OUTPUTS = {"logits", "probabilities"}


@pytest.fixture(scope="module")
def pixels(short_run):
    split = load("digits").split("test").take(np.arange(40))
    return next(iter(evaluation_batches(split, short_run.preprocessing, 1, batch_size=40)))[0]


@pytest.fixture(scope="module")
def expected(short_run, pixels):
    logits = with_preprocessing(short_run.network(), short_run.preprocessing)(pixels).numpy()
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def described(version):
    return json.loads((version / "model.json").read_text())


def litert(version, pixels):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(
        str(version / "model.tflite")
    )
    run = interpreter.get_signature_runner("serving_default")
    dtype = run.get_input_details()["images"]["dtype"]
    answers = [run(images=image.numpy()[None].astype(dtype)) for image in pixels]
    assert set(answers[0]) == OUTPUTS
    return dtype, np.concatenate([answer["probabilities"] for answer in answers])


def test_litert_answers_as_the_run(exported_run, pixels, expected, capfd):
    version = exported_run(Form(format="litert"), anew=True)
    assert capfd.readouterr() == ("", "")
    assert {path.name for path in version.iterdir()} == {
        "labels.txt",
        "model.json",
        "model.tflite",
    }
    dtype, found = litert(version, pixels)
    assert dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert described(version)["check"]["largest_relative_difference_of_logits"] <= 1e-4


def test_int8_is_small_and_names_the_same_digits(exported_run, pixels, expected, capfd):
    version = exported_run(Form(format="litert", quantize="int8"), anew=True)
    assert capfd.readouterr() == ("", "")
    dtype, found = litert(version, pixels)
    assert dtype == np.uint8
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.9
    assert (version / "model.tflite").stat().st_size < 61_706 * 1.5
    assert described(version)["precision"] == "int8"
    assert described(version)["check"]["inputs"] == 200


def test_onnx_answers_as_the_run(exported_run, pixels, expected):
    onnxruntime = pytest.importorskip("onnxruntime")
    version = exported_run(Form(format="onnx"))
    session = onnxruntime.InferenceSession(str(version / "model.onnx"))
    assert {output.name for output in session.get_outputs()} == OUTPUTS
    found = session.run(["probabilities"], {"images": pixels.numpy().astype("float32")})[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert described(version)["check"]["largest_relative_difference_of_logits"] <= 1e-4


def test_onnx_int8_is_small_and_names_the_same_digits(
    exported_run, pixels, expected, capfd, caplog
):
    onnxruntime = pytest.importorskip("onnxruntime")
    form = Form(format="onnx", quantize="int8")
    version = exported_run(form, anew=True)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    session = onnxruntime.InferenceSession(str(version / "model.onnx"))
    found = session.run(["probabilities"], {"images": pixels.numpy().astype("float32")})[0]
    assert np.mean(found.argmax(1) == expected.argmax(1)) >= 0.9
    assert 61_706 < (version / "model.onnx").stat().st_size < 61_706 * 1.8
    assert described(version)["precision"] == "int8"
    assert described(version)["check"]["inputs"] == 200
    assert {path.name for path in version.iterdir()} == {"labels.txt", "model.json", "model.onnx"}


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_halves_the_file(short_run, tmp_path, precision):
    version = export_run(short_run, tmp_path, form=Form(precision=precision))
    size = (version / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert size < 61_706 * 4 * 0.6
    report = json.loads((version / "assets.extra" / "model.json").read_text())
    assert report["precision"] == precision
    assert 0 < report["check"]["largest_relative_difference_of_logits"] < 0.1


def test_what_does_not_go_together_is_told(short_run, tmp_path):
    with pytest.raises(UserError, match="int8 is for --format litert or onnx. Received: --format"):
        Form(quantize="int8")
    with pytest.raises(UserError, match="--precision bf16 is for --format savedmodel"):
        Form(format="onnx", precision="bf16")
    with pytest.raises(UserError, match="--keep must be at least 1. Received: 0"):
        Form(keep=0)
    with pytest.raises(UserError, match="--quantize int8 needs --calibration DATA"):
        export_network(
            "lenet5_modern",
            short_run.weights_path,
            tmp_path,
            form=Form(format="litert", quantize="int8"),
        )
