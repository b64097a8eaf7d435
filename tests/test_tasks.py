"""Each task from a manifest that a user types to a network that answers: nothing between is left out."""

import csv
import dataclasses
import json
import pathlib
import re
import shlex
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from huggingface_hub import ModelCard
from PIL import Image

from kerasnets import Run, TrainConfig, UserError, recipe, train
from kerasnets.cli.main import main, parse
from kerasnets.config.training import default_recipe
from kerasnets.embedding import Embeddings, linear_probe
from kerasnets.embedding.probes import parts
from kerasnets.evaluation.evaluator import logits_of_split
from kerasnets.export import export_run
from kerasnets.export.form import Form
from kerasnets.prediction import predict
from kerasnets.publishing.folder import Publication, write_folder
from kerasnets.reports import save_report
from kerasnets.runs.run import load_data
from kerasnets.tasks import TASKS, task_of
from kerasnets.training.networks import starting_network
from kerasnets.weights import read_tensors

SHORT = {"epochs": 12, "batch_size": 16, "warmup_epochs": 0.0, "validation_fraction": 0.2}
NAMES = ("left", "spot", "top")


def bars(folder: pathlib.Path, count: int = 160) -> np.ndarray:
    """Images with bright bars and spots; whether each is there, by `NAMES`."""
    rng = np.random.default_rng(4)
    there = rng.random((count, 3)) < (0.5, 0.2, 0.5)
    for number, (left, spot, top) in enumerate(there):
        pixels = rng.normal(60, 15, (16, 16))
        pixels[:, :4] += 120 * left
        pixels[:4] += 120 * top
        pixels[8:12, 8:12] += 120 * spot
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    return there


def written(path: pathlib.Path, header, rows) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return f"manifest:{path}"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return folder, bars(folder)


@pytest.fixture(scope="module")
def tagged(pictures) -> str:
    folder, there = pictures
    tags = ["|".join(np.array(NAMES)[own]) for own in there]
    rows = [(f"{number}.png", own) for number, own in enumerate(tags)]
    return written(folder / "tags.csv", ("path", "label"), rows)


@pytest.fixture(scope="module")
def numbered(pictures) -> str:
    """How many bars and spots there are, and the brightness, which is far from 0."""
    folder, there = pictures
    rows = [
        (f"{number}.png", own.sum(), 5000 + 300 * own[0] - 100 * own[2])
        for number, own in enumerate(there)
    ]
    return written(folder / "numbers.csv", ("path", "parts", "weight"), rows)


def trained(task: str, data: str, folder: pathlib.Path, **changes) -> Run:
    chosen = default_recipe("lenet5_modern", "digits", task)
    chosen = recipe("digits", **{**vars(chosen), **SHORT, "augment": "none", **changes})
    config = TrainConfig(
        model="lenet5_modern", task=task, data=data, recipe=chosen, out=folder, log_to=()
    )
    return train(config)


@pytest.fixture(scope="module")
def multilabel_run(tagged, tmp_path_factory) -> Run:
    return trained("multilabel", tagged, tmp_path_factory.mktemp("multilabel") / "run")


@pytest.fixture(scope="module")
def regression_run(numbered, tmp_path_factory) -> Run:
    return trained("regression", numbered, tmp_path_factory.mktemp("regression") / "run")


@pytest.fixture(scope="module")
def exported_of(tmp_path_factory):
    """The export of a run, made once for each format."""
    root, made = tmp_path_factory.mktemp("exports"), {}

    def exported(run: Run, kind: str) -> pathlib.Path:
        name = f"{run.config.task}-{kind}"
        if name not in made:
            made[name] = export_run(run, root / name, form=Form(format=kind))
        return made[name]

    return exported


def test_a_run_of_numbers_goes_on_from_the_weights_of_another(regression_run, numbered, tmp_path):
    """These answer in the units of the numbers; training has standardized ones."""
    config = regression_run.config
    plan = dataclasses.replace(config.recipe, epochs=1, learning_rate=1e-9, warmup_epochs=0)
    again = train(
        dataclasses.replace(
            config, weights=str(regression_run.folder), recipe=plan, out=tmp_path / "again"
        )
    )
    one, other = (list(run.history()["val_r2"])[-1] for run in (regression_run, again))
    assert other == pytest.approx(one, abs=0.01)
    # The same columns with other names are other numbers: their head starts anew.
    path = pathlib.Path(numbered.partition(":")[2])
    renamed = path.with_name("renamed.csv")
    renamed.write_text(path.read_text().replace("path,parts,weight", "path,price,age"))
    fresh = train(
        dataclasses.replace(
            config,
            data=f"manifest:{renamed}",
            weights=str(regression_run.folder),
            recipe=plan,
            out=tmp_path / "fresh",
            seed=3,  # by the same seed it would be drawn as the first one was
        )
    )
    assert list(fresh.history()["val_r2"])[-1] < one - 0.2


def test_several_labels_are_learned_from_a_manifest(multilabel_run):
    from sklearn.metrics import average_precision_score, f1_score

    run = multilabel_run
    assert run.class_names == NAMES
    dataset = load_data(run.config)
    split = dataset.split("test")
    logits = logits_of_split(run.network(), split, run.preprocessing)
    metrics = run.metrics()
    expected = average_precision_score(split.labels, logits, average="macro")
    assert metrics["mean_average_precision"] == pytest.approx(expected, abs=1e-6)
    assert metrics["mean_average_precision"] > 0.95
    said = 1 / (1 + np.exp(-logits)) >= run.thresholds
    assert metrics["macro_f1"] == pytest.approx(f1_score(split.labels, said, average="macro"))
    assert metrics["micro_f1"] == pytest.approx(f1_score(split.labels, said, average="micro"))
    with (run.folder / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == list(NAMES)
    assert [int(row["images"]) for row in rows] == split.labels.sum(axis=0).tolist()
    assert {"auc_pr", "val_auc_pr"} <= set(run.history())


def test_thresholds_are_the_best_of_the_validation(multilabel_run):
    from sklearn.metrics import f1_score

    validation = load_data(multilabel_run.config).split("validation")
    logits = logits_of_split(multilabel_run.network(), validation, multilabel_run.preprocessing)
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    for column, threshold in enumerate(multilabel_run.thresholds):
        true, own = validation.labels[:, column], scores[:, column]
        best = max(f1_score(true, own >= limit) for limit in own)
        assert f1_score(true, own >= threshold) == pytest.approx(best)
        # It lies between two scores, so that a rounding changes no answer.
        assert np.abs(own - threshold).min() > 0


def test_several_labels_are_answered_by_a_run_and_its_export(
    multilabel_run, exported_of, pictures, capsys
):
    folder, there = pictures
    run = multilabel_run
    files = [folder / f"{number}.png" for number in range(12)]
    exported = exported_of(run, "savedmodel")
    described = json.loads((exported / "assets.extra" / "model.json").read_text())
    assert described["task"] == "multilabel"
    assert described["thresholds"] == list(run.thresholds)
    own, other = predict(run.folder, files), predict(exported, files)
    for one, two in zip(own, other, strict=True):
        np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-5)
        # Each class by itself: they do not add up to 1.
        best = np.argsort(-one.probabilities)
        assert list(one.classes) == [NAMES[place] for place in best]
    sums = [one.probabilities.sum() for one in own]
    assert max(sums) > 1.5
    loaded = tf.saved_model.load(exported)
    answer = loaded.signatures["serving_default"](
        image_bytes=tf.constant([path.read_bytes() for path in files])
    )
    said = answer["probabilities"].numpy() >= np.array(run.thresholds, np.float32)
    assert (said == there[:12]).mean() > 0.8
    names = answer["top_classes"].numpy().astype(str)
    for row, (best, top) in enumerate(zip(names, answer["top_present"].numpy(), strict=True)):
        assert set(best[top]) == set(np.array(NAMES)[said[row]])
        assert best[top].tolist() == [
            name for name, is_ in zip(other[row].classes, other[row].present, strict=True) if is_
        ]
    main(["predict", str(run.folder), *map(str, files), "--json"])
    for line, each in zip(capsys.readouterr().out.splitlines(), own, strict=True):
        said = [answer["class"] for answer in json.loads(line)["top"]]
        assert said == [name for name, is_ in zip(each.classes, each.present, strict=True) if is_]
    lite = exported_of(run, "litert")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's interpreter is deprecated.
        interpreter = tf.lite.Interpreter(str(lite / "model.tflite"))
    runner = interpreter.get_signature_runner("serving_default")
    pixels = keras.random.uniform((1, *run.input_shape), 0, 255, seed=1)
    outputs = runner(images=np.asarray(pixels))
    np.testing.assert_allclose(
        outputs["probabilities"], 1 / (1 + np.exp(-outputs["logits"])), atol=1e-6
    )


def test_the_page_of_several_labels(multilabel_run, tmp_path):
    for path in (
        multilabel_run.folder / "report.html",
        save_report([multilabel_run], tmp_path / "r.html"),
    ):
        page = path.read_text()
        assert "mean average precision" in page
        assert '<th scope="row">spot</th>' in page
        assert "Confusion matrix" not in page
        assert "area under precision and recall" in page


def test_evaluate_measures_the_runs_task(multilabel_run, regression_run, tmp_path, capsys):
    for run, words in (
        (multilabel_run, "mean average precision"),
        (regression_run, "mean absolute"),
    ):
        out = tmp_path / run.config.task
        main(["evaluate", str(run.folder), "--out", str(out)])
        assert words in capsys.readouterr().out
        assert json.loads((out / "metrics.json").read_text()) == run.metrics()


@pytest.mark.parametrize("kind", ["savedmodel", "litert"])
def test_evaluate_measures_an_export_by_its_task(
    multilabel_run, regression_run, exported_of, tmp_path, capsys, kind
):
    for run, figure in ((multilabel_run, "mean_average_precision"), (regression_run, "mae")):
        exported = exported_of(run, kind)
        file = exported / "model.tflite" if kind == "litert" else exported
        out = tmp_path / f"{run.config.task}-figures"
        main(["evaluate", str(file), "--out", str(out)])
        assert "on 32 images" in capsys.readouterr().out
        found = json.loads((out / "metrics.json").read_text())
        assert found[figure] == pytest.approx(run.metrics()[figure], rel=1e-2)
        if run is multilabel_run:
            assert found["macro_f1"] == pytest.approx(run.metrics()["macro_f1"])


def test_numbers_are_learned_in_their_units(regression_run):
    from sklearn.metrics import mean_absolute_error, r2_score

    run = regression_run
    assert run.class_names == ("parts", "weight")
    split = load_data(run.config).split("test")
    found = logits_of_split(run.network(), split, run.preprocessing)
    metrics = run.metrics()
    assert metrics["mae"] == pytest.approx(mean_absolute_error(split.labels, found), rel=1e-5)
    assert metrics["r2"] == pytest.approx(r2_score(split.labels, found), abs=1e-6)
    assert metrics["r2"] > 0.7
    assert abs(found[:, 1].mean() - split.labels[:, 1].mean()) < 100
    # The best epoch's weights are in the units too; the checkpoints are those of the training.
    best = read_tensors(run.folder / "best.safetensors")
    assert max(np.abs(each).max() for each in best.values()) > 1000
    assert {"r2", "val_r2"} <= set(run.history())


@pytest.mark.usefixtures("without_pictures")
def test_numbers_go_on_as_they_would_have(regression_run, numbered, tmp_path):
    half = trained("regression", numbered, tmp_path / "run", epochs=6)
    chosen = recipe("digits", **{**vars(half.recipe), "epochs": 12})
    longer = train(
        TrainConfig(**{**vars(half.config), "recipe": chosen, "extensions": ()}), resume=True
    )
    assert longer.metrics()["r2"] > 0.5
    rows = longer.history()
    assert list(rows["epoch"]) == list(range(1, 13))


def test_numbers_are_exported(regression_run, exported_of, pictures, tmp_path, capsys):
    folder, _ = pictures
    run = regression_run
    exported = exported_of(run, "savedmodel")
    loaded = tf.saved_model.load(exported)
    assert "classify" not in loaded.signatures
    files = tf.constant([(folder / f"{number}.png").read_bytes() for number in range(5)])
    answer = loaded.signatures["serving_default"](image_bytes=files)
    values = answer["values"].numpy()
    assert values.shape == (5, 2)
    assert answer["names"].numpy().astype(str).tolist() == [["parts", "weight"]] * 5
    paths = [folder / f"{number}.png" for number in range(5)]
    for source in (run.folder, exported):
        found = predict(source, paths)
        assert {each.classes for each in found} == {("parts", "weight")}
        np.testing.assert_allclose([each.scores for each in found], values, rtol=1e-4)
    main(["predict", str(run.folder), str(paths[0])])
    file, *numbers = re.findall(r"(.+): parts (\S+), weight (\S+)", capsys.readouterr().out)[0]
    assert file == str(paths[0])
    np.testing.assert_allclose([float(each) for each in numbers], values[0], rtol=1e-4)
    split = load_data(run.config).split("test")
    assert abs(values[:, 1].mean() - split.labels[:, 1].mean()) < 300
    for number, source in enumerate((run.folder, exported, exported_of(run, "litert"))):
        out = tmp_path / f"{number}.csv"
        main(["predict", str(source), *map(str, paths), "--out", str(out)])
        with out.open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["image", "parts", "weight"]
        assert [row[0] for row in rows] == list(map(str, paths))
        found = np.array([row[1:] for row in rows], float)
        np.testing.assert_allclose(found, values, rtol=1e-3, atol=0.05)


def test_a_readme_tells_what_a_task_answers(multilabel_run, regression_run, numbered):
    several, numbers = (
        (run.folder / "README.md").read_text() for run in (multilabel_run, regression_run)
    )
    assert "It says which of 3 classes are in an image: left, spot, top." in several
    metrics = multilabel_run.metrics()
    assert f"| {metrics['mean_average_precision']:.2%} | {metrics['macro_f1']:.2%} |" in several
    assert "It gives 2 numbers of an image: parts, weight." in numbers
    assert f"| {regression_run.metrics()['mae']:.4g} |" in numbers
    for run, text in ((multilabel_run, several), (regression_run, numbers)):
        assert "kerasnets explain" not in text
        line = next(line for line in text.splitlines() if line.startswith("kerasnets train"))
        again = parse(shlex.split(line)[1:]).config.resolved()
        assert (again.task, again.recipe) == (run.config.task, run.recipe)


def test_vectors_and_probes_of_several_labels_and_numbers(
    multilabel_run, regression_run, tagged, numbered, tmp_path, capsys
):
    for run, data, words in (
        (multilabel_run, tagged, "mean average precision"),
        (regression_run, numbered, "R2"),
    ):
        out = tmp_path / f"{run.task.name}.npz"
        parse(["embed", str(run.folder), data, "--out", str(out)]).run()
        found = Embeddings.load(out)
        labels = load_data(run.config).split("test").labels
        np.testing.assert_array_equal(found.of("test").labels, labels)
        capsys.readouterr()
        parse(["probe", str(out)]).run()
        shown = capsys.readouterr().out
        assert words in shown
        assert linear_probe(*parts(found)) > 0.9
        parse(["neighbours", str(out), found.names[0], "--count", "1"]).run()
        assert len(capsys.readouterr().out.splitlines()) == 5


def test_runs_of_other_tasks_are_published(multilabel_run, regression_run, tmp_path):
    for run, pipeline, metric in (
        (multilabel_run, "image-classification", "mean_average_precision"),
        (regression_run, None, "mae"),
    ):
        folder = tmp_path / run.task.name
        write_folder(Publication.of(run, "hf:me/pictures", "mit"), folder)
        card = ModelCard.load(folder / "README.md")
        assert card.data.pipeline_tag == pipeline
        assert card.data.eval_results[0].metric_type == metric
        # What was published answers as the run does, its thresholds too.
        again = Run.load(folder)
        assert (again.task, again.thresholds) == (run.task, run.thresholds)


def test_a_network_without_a_linear_end_is_refused():
    config = TrainConfig(model="lenet5", task="multilabel", data="manifest:x").resolved()
    with pytest.raises(UserError, match="lenet5 cannot be trained for multilabel: it must end in"):
        starting_network(config, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--task regression --loss cross_entropy", "takes the loss squared_error or huber. Received: loss=cross_entropy"),
        ("--task regression --label-smoothing 0.1", "regression takes no label_smoothing: .* Give --label-smoothing 0"),
        ("--task regression --mixup 0.2", "regression takes no mixup"),
        ("--task regression --cutmix 1", "regression takes no cutmix"),
        ("--task regression --class-weights balanced", "regression takes no class_weights"),
        ("--task multilabel --oversample 1", "multilabel takes no oversample"),
        ("--loss huber", "classification takes the loss cross_entropy or map. Received: loss=huber"),
    ],
)  # fmt: skip
def test_what_a_task_cannot_do_is_named(words, message):
    with pytest.raises(UserError, match=message):
        parse(["train", "--model", "resnet20_cifar", *words.split()]).config.resolved()


def test_commands_name_what_a_task_cannot_do(multilabel_run, regression_run, tmp_path, capsys):
    for run in (multilabel_run, regression_run):
        folder = str(run.folder)
        for words in (
            ["explain", folder, str(next(iter(tmp_path.parent.glob("*.png")), __file__))],
            ["look", "gradients", folder],
            ["evaluate", folder, "--crops", "ten"],
            ["evaluate", folder, "--labels", __file__],
            ["compare", folder, str(multilabel_run.folder)],
        ):
            if words[0] == "compare" and run is multilabel_run:
                continue
            with pytest.raises(SystemExit) as stop:
                main(words)
            assert stop.value.code == 2
            assert f"The task {run.config.task} takes no" in capsys.readouterr().err


def test_each_source_says_which_labels_it_has():
    with pytest.raises(UserError, match="Unknown task 'tags'"):
        task_of("tags")
    assert set(TASKS) == {"classification", "multilabel", "regression"}
    with pytest.raises(SystemExit):
        main(["train", "--task", "multilabel", "--data", "digits", "--model", "resnet20_cifar"])
