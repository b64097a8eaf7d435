import json
import pathlib
import re
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kerasnets
from kerasnets import UserError
from kerasnets.cli.commands.export import Export
from kerasnets.cli.main import parse
from kerasnets.data.images import decode, fit
from kerasnets.explanation import layer_maps
from kerasnets.export import Form, classifier, export, export_network, sources
from kerasnets.export.versions import numbered, prune, versions, write_version
from kerasnets.export.writer import in_form
from kerasnets.inputs import with_preprocessing
from kerasnets.weights import save_weights
from tests.fast.test_folding import agree

ALONE = pathlib.Path(__file__).with_name("answer_alone.py")
ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def exported(exported_run):
    return exported_run()


@pytest.fixture(scope="module")
def small():
    """A network of two classes, its preprocessing and its class names."""
    network = kerasnets.build("lenet5_modern", classes=2, classifier_activation=None)
    return network, kerasnets.info("lenet5_modern").preprocessing, ("a", "b")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("digits")
    paths = []
    for number, image in enumerate(load_digits().images[:4]):
        paths.append(folder / f"{number}.{'png' if number % 2 else 'jpg'}")
        Image.fromarray((image * 15.9).astype(np.uint8)).save(paths[-1])
    return paths


def test_answers_without_keras_as_the_run_does(exported, short_run, digits):
    output = subprocess.run(
        [sys.executable, str(ALONE), str(exported), *map(str, digits)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    alone = json.loads(output)
    answer = classifier(short_run.network(), short_run.preprocessing, short_run.class_names)
    here = answer(tf.constant([path.read_bytes() for path in digits]))
    np.testing.assert_allclose(alone["probabilities"], here["probabilities"], atol=1e-5)
    np.testing.assert_allclose(np.sum(alone["probabilities"], axis=1), 1, atol=1e-5)
    assert alone["class"] == [names[0] for names in alone["top_classes"]]
    np.testing.assert_allclose(alone["score"], np.max(alone["probabilities"], axis=1), rtol=1e-6)
    decoded = tf.stack([decode(tf.constant(path.read_bytes()), 1) for path in digits])
    fitted = tf.stack([fit(image, short_run.preprocessing) for image in decoded])
    maps = layer_maps(with_preprocessing(short_run.network(), short_run.preprocessing), fitted)
    np.testing.assert_allclose(alone["map"], maps, atol=1e-3)
    assert alone["seen"] == [[0, 0, 1, 1]] * len(digits)
    for row, names, scores in zip(
        alone["probabilities"], alone["top_classes"], alone["top_scores"], strict=True
    ):
        best = np.argsort(row)[::-1][:5]
        assert names == [str(label) for label in best]
        np.testing.assert_allclose(scores, np.sort(row)[::-1][:5], rtol=1e-6)


def test_exports_what_evaluation_measures(exported, short_run):
    """The bytes of an image give the logits that the pipeline's pixels give."""
    from kerasnets.data import evaluation_batches, load

    split = load("digits").split("test").take(np.arange(20))
    images = next(iter(evaluation_batches(split, short_run.preprocessing, 1, batch_size=20)))[0]
    logits = with_preprocessing(short_run.network(), short_run.preprocessing)(images)
    encoded = tf.constant([tf.io.encode_png(record).numpy() for record in split.records.values])
    served = tf.saved_model.load(exported).signatures["serving_default"](image_bytes=encoded)
    np.testing.assert_allclose(served["probabilities"], tf.nn.softmax(logits), atol=1e-5)


def test_extras_say_what_it_is(exported, short_run):
    extras = exported / "assets.extra"
    assert (extras / "labels.txt").read_text().splitlines() == list("0123456789")
    description = json.loads((extras / "model.json").read_text())
    assert description["network"] == "lenet5_modern"
    assert description["metrics"] == short_run.metrics()
    assert description["recipe"]["epochs"] == 3
    assert description["preprocessing"]["size"] == [28, 28]
    assert description["format"] == "savedmodel"
    assert description["check"]["largest_difference_of_probabilities"] <= 1e-4
    assert set(description["versions"]) == {"kerasnets", "keras", "tensorflow", "numpy"}


def test_the_readme_tells_the_signatures_and_the_next_commands(exported):
    text = (exported / "README.md").read_text()
    assert "| `images` | `images` uint8 (N, any, any, 3) |" in text
    assert "`logits` float32 (N, 10) |" in text
    loaded = tf.saved_model.load(exported).signatures
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == set(loaded)
    lines = [line for line in text.splitlines() if line.startswith("kerasnets ")]
    assert [line.split()[1] for line in lines] == ["predict", "evaluate", "serve", "deploy"]
    for line in lines:
        assert parse(shlex.split(line, comments=True)[1:])


def test_versions_count_up_and_old_ones_go(small, tmp_path):
    (tmp_path / "7").mkdir()  # A broken version, which keeps its number.
    for expected in ("8", "9", "10"):
        version = export(*small, tmp_path, form=Form(keep=2))
        assert version.name == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "7", "9"]
    served = tf.saved_model.load(version).signatures["serving_default"]
    assert served.structured_outputs["top_scores"].shape == (None, 2)
    with pytest.raises(UserError, match="holds versions of the format savedmodel"):
        export(*small, tmp_path, form=Form(format="litert"))


def test_a_server_never_sees_half_a_version(small, tmp_path, monkeypatch):
    """While it is written, a version's folder has a name that is no number."""
    from kerasnets.export import warmup

    seen = []
    original = warmup.write_warmup

    def watch(*arguments):
        seen.extend(path.name for path in tmp_path.iterdir())
        return original(*arguments)

    monkeypatch.setattr(warmup, "write_warmup", watch)
    export(*small, tmp_path)
    (name,) = seen
    assert name.startswith(".partial-")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_an_export_that_answers_otherwise_is_not_written(small, tmp_path, monkeypatch):
    from kerasnets.export import writer

    original = writer.for_inference

    def wrong(network, **options):
        copy = original(network, **options)
        bias = copy.get_layer("logits").bias
        bias.assign_add([0.01, 0.0])
        return copy

    monkeypatch.setattr(writer, "for_inference", wrong)
    with pytest.raises(UserError, match="does not answer as the network does, so it is not writ"):
        export(*small, tmp_path)
    assert list(tmp_path.iterdir()) == []
    export(*small, tmp_path, form=Form(fast=("none",)))


def test_a_failed_export_leaves_nothing(small, tmp_path, monkeypatch):
    from kerasnets.export import savedmodel

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(savedmodel.SavedModel, "write", full)
    with pytest.raises(UserError, match="No version was written into .* No space left on device"):
        export(*small, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_exports_at_once_get_a_number_each(tmp_path):
    def write_after_another(partial):
        (partial / "saved_model.pb").touch()
        if not numbered(tmp_path):
            other = write_version(tmp_path, "savedmodel", write_after_another_is_there)
            assert other.name == "1"

    def write_after_another_is_there(partial):
        assert len(list(tmp_path.iterdir())) == 2
        (partial / "saved_model.pb").touch()

    assert write_version(tmp_path, "savedmodel", write_after_another) == tmp_path / "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_the_next_export_clears_what_a_killed_one_left(tmp_path):
    """Not before: while it lives, its folder is its own. Nothing else is touched."""
    others = (".partial-notes", ".partial-" + "0" * 31, "x", "7")
    for name in (*others, ".removed-3"):
        (tmp_path / name).mkdir()
    code = (
        "import sys, time; from kerasnets.export.versions import write_version\n"
        "def write(partial): (partial / 'half').touch(); print('here', flush=True); time.sleep(60)\n"
        "write_version(sys.argv[1], 'savedmodel', write)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as alive:
        assert alive.stdout.readline() == b"here\n"
        # What a killed --keep left is gone too.
        (left,) = (path for path in tmp_path.iterdir() if path.name not in others)
        assert write_version(tmp_path, "savedmodel", lambda _: None).name == "8"
        assert (left / "half").exists()
        alive.kill()
    assert (left / "half").exists()
    assert write_version(tmp_path, "savedmodel", lambda _: None).name == "9"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "8", "9"])


def test_where_folders_cannot_be_locked_nothing_is_cleared(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    left = tmp_path / f".partial-{'0' * 32}"
    left.mkdir()
    monkeypatch.setattr("kerasnets.export.versions.fcntl.flock", refuse)
    assert write_version(tmp_path, "savedmodel", lambda _: None).name == "1"
    assert left.exists()


def test_a_number_that_is_taken_at_the_last_moment(tmp_path, monkeypatch):
    original = pathlib.Path.rename

    def rename_after_another(path, target):
        monkeypatch.undo()
        (target / "full").mkdir(parents=True)
        return original(path, target)

    monkeypatch.setattr(pathlib.Path, "rename", rename_after_another)
    assert write_version(tmp_path, "savedmodel", lambda _: None).name == "2"


def test_versions_have_ascii_digits_and_perhaps_zeros_in_front(tmp_path):
    for name in ("00000123", "9", "²", "x1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "200").touch()
    assert list(versions(tmp_path).items()) == [(9, tmp_path / "9"), (123, tmp_path / "00000123")]
    (tmp_path / "200").unlink()
    written = write_version(tmp_path, "savedmodel", lambda new: (new / "saved_model.pb").touch())
    assert written.name == "124"
    prune(tmp_path, "savedmodel", keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["124", "x1", "²"]


def test_a_version_that_cannot_be_removed_is_named(tmp_path, monkeypatch):
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.rename", refuse)
    with pytest.raises(UserError, match="the old .*1' was not removed: Permission denied"):
        prune(tmp_path, "savedmodel", keep=1)


def test_a_network_of_probabilities_answers_as_its_logits_do(small, tmp_path, digits):
    network, preprocessing, names = small
    ends = keras.layers.Activation("softmax")(network.output)
    files = tf.constant([path.read_bytes() for path in digits])
    answers = [
        tf.saved_model.load(export(each, preprocessing, names, tmp_path)).signatures[
            "serving_default"
        ](image_bytes=files)["probabilities"]
        for each in (network, keras.Model(network.input, ends))
    ]
    np.testing.assert_allclose(*answers, atol=1e-6)
    alone = classifier(keras.Model(network.input, ends), preprocessing, names)(files)
    np.testing.assert_allclose(alone["probabilities"], answers[0], atol=1e-6)
    assert np.abs(answers[0] - 0.5).max() > 0.01


def imagenet(monkeypatch, rows):
    """Gives the file of ImageNet's names, or an error in its place."""

    def download(location, checksum):
        assert location.endswith("imagenet_class_index.json")
        assert checksum.startswith("md5:")
        if isinstance(rows, UserError):
            raise rows
        return rows

    monkeypatch.setattr("kerasnets.pretrained.classes.download", download)


def test_classes_of_imagenet_have_names(tmp_path, monkeypatch, caplog):
    entries = {str(label): [f"n{label:08}", f"name_of_{label}"] for label in range(1000)}
    entries["134"] = [*entries["517"][:1], "crane"]
    entries["517"] = ["n00000134", "crane"]
    path = tmp_path / "names.json"
    path.write_text(json.dumps(entries))
    imagenet(monkeypatch, path)
    source = "timm:resnet18.tv_in1k"
    (row,) = (row for row in kerasnets.info("resnet18").weights if row.tag == source)
    assert row.data == "ImageNet-1k"
    network = kerasnets.build("resnet18", width=0.0625, classifier_activation=None)
    for weights in ("imagenet", source):
        names = sources._class_names("resnet18", weights, network)
        assert len(set(names)) == 1000
        assert (names[3], names[134], names[517]) == (
            *("name of 3", "crane (n00000517)"),
            "crane (n00000134)",
        )
    assert caplog.messages == []
    imagenet(monkeypatch, UserError("no network here"))
    assert sources._class_names("resnet18", source, network)[:3] == ("0", "1", "2")
    assert "--labels FILE has names. no network here" in caplog.text
    # Not asked for of other weights, or of other classes.
    imagenet(monkeypatch, None)
    assert sources._class_names("resnet18", tmp_path, network)[-1] == "999"
    fewer = kerasnets.replace_head(network, classes=5)
    assert sources._class_names("resnet18", source, fewer) == tuple("01234")


def test_a_network_with_a_weight_file(tmp_path):
    network = kerasnets.build("resnet20_cifar", classes=3, classifier_activation=None)
    save_weights(network, tmp_path / "w.safetensors")
    (tmp_path / "names.txt").write_text("ant\nbee\n")
    arguments = ("resnet20_cifar", tmp_path / "w.safetensors", tmp_path / "out")
    with pytest.raises(UserError, match="has 3 classes. Received: 2 class names"):
        export_network(*arguments, labels=tmp_path / "names.txt", classes=3)
    with pytest.raises(UserError, match="none.txt' is no readable file of labels"):
        export_network(*arguments, labels=tmp_path / "none.txt", classes=3)
    version = export_network(*arguments, classes=3)
    assert (version / "assets.extra" / "labels.txt").read_text() == "0\n1\n2\n"


def test_what_a_run_has_in_itself_is_not_taken_besides(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for given in ({"weights": "imagenet"}, {"labels": tmp_path / "names.txt"}):
        with pytest.raises(UserError, match="is for a network's name; .* is a run"):
            Export(str(tmp_path), **given).run()


def test_a_folder_that_is_no_run_is_told(tmp_path):
    for folder in (tmp_path, "runs/none"):
        with pytest.raises(UserError, match="is no run folder: there is no config.json"):
            Export(str(folder)).run()


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.1), ("float16", 0.02)])
def test_half_precision_is_for_all_but_the_classifier(dtype, tolerance, rng):
    network = kerasnets.build("resnet20_cifar", classifier_activation=None)
    half = in_form(network, Form(precision={"bfloat16": "bf16", "float16": "fp16"}[dtype]))
    assert {weight.dtype for weight in half.weights} == {dtype, "float32"}
    assert {weight.dtype for weight in half.get_layer("logits").weights} == {"float32"}
    agree(network, half, rng, tolerance)


def test_an_export_for_cpus_computes_in_tiles(tmp_path):
    images = keras.Input((28, 28, 3))
    x = keras.layers.Conv2D(192, 3, activation="relu")(images)
    x = keras.layers.Conv2D(192, 3, padding="same", activation="relu")(
        keras.layers.ZeroPadding2D()(x)
    )
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(images, keras.layers.Dense(3, name="logits")(x), name="wide")
    before = kerasnets.Preprocessing(size=(28, 28))
    names = ("a", "b", "c")
    kinds = []
    for device in ("any", "cpu"):
        version = export(network, before, names, tmp_path, form=Form(device=device))
        extras = json.loads((version / "assets.extra" / "model.json").read_text())
        assert extras["device"] == device
        loaded = tf.saved_model.load(version)
        graph = loaded.signatures["tensor"].graph
        functions = graph.as_graph_def().library.function
        kinds.append({node.op for function in functions for node in function.node_def})
    assert "BatchMatMulV2" in kinds[1] - kinds[0]


@pytest.mark.parametrize("others", [{"precision": "bf16"}, {"fast": ("none",)}], ids=str)
def test_tiles_go_with_optimised_saved_models_in_fp32(others):
    with pytest.raises(UserError, match="--device cpu is for optimised SavedModels in fp32"):
        Form(device="cpu", **others)
    with pytest.raises(UserError, match="--device cpu is for --format savedmodel. Received: --fo"):
        Form(device="cpu", format="litert")
