import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets import TrainConfig, UserError, recipe, train
from kerasnets.cli.main import main
from kerasnets.data import evaluation_batches
from kerasnets.evaluation.evaluator import logits_of_split
from kerasnets.inputs import Preprocessing
from kerasnets.runs.run import load_data
from kerasnets.training.distillation import Distillation, check_teacher, distillation, divergence
from kerasnets.training.model import TrainingModel
from kerasnets.weights import read_tensors

pytestmark = pytest.mark.usefixtures("without_pictures")
SHORT = recipe("digits", epochs=2, augment="none")


def softmax(x):
    exponents = np.exp(x - x.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_divergence_is_that_of_hinton(rng, temperature):
    said, meant = rng.standard_normal((2, 6, 5)) * 3
    p, q = softmax(meant / temperature), softmax(said / temperature)
    expected = temperature**2 * (p * np.log(p / q)).sum(1).mean()
    found = divergence(said.astype("f"), meant.astype("f"), temperature)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert float(divergence(meant.astype("f"), meant.astype("f"), temperature)) == pytest.approx(0)


def test_the_loss_weighs_labels_and_teacher(rng):
    network = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    taught = rng.standard_normal((8, 3)).astype("f")
    chosen = recipe("digits", label_smoothing=0.0)
    images = rng.integers(0, 256, (8, 4, 4, 1)).astype("uint8")
    labels = rng.integers(0, 3, 8)
    model = TrainingModel(
        network, Preprocessing(size=(4, 4)), chosen, 10,
        distillation=Distillation(lambda images: taught, 0.3, 2.0),
    )  # fmt: skip
    logits = np.asarray(model(images))
    own = -np.log(softmax(logits)[np.arange(8), labels]).mean()
    p, q = softmax(taught / 2), softmax(logits / 2)
    expected = 0.7 * own + 0.3 * 4 * (p * np.log(p / q)).sum(1).mean()
    assert float(model.compute_loss(images, labels, logits)) == pytest.approx(expected, rel=1e-5)
    # Measuring is of the labels alone.
    measured = model.compute_loss(images, labels, logits, training=False)
    assert float(measured) == pytest.approx(own, rel=1e-5)


def test_a_run_learns_from_a_run(short_run, tmp_path):
    def student(name, **changes):
        return train(TrainConfig(
            model="lenet5_modern", recipe=SHORT, out=tmp_path / name, log_to=(), seed=5, **changes
        ))  # fmt: skip

    alone, taught = student("alone"), student("taught", teacher=str(short_run.folder))
    one, other = (read_tensors(run.weights_path) for run in (alone, taught))
    assert one.keys() == other.keys()
    assert any((one[name] != other[name]).any() for name in one)
    # The teacher is in no checkpoint.
    kept = [sorted((run.folder / "checkpoints").iterdir())[-1] for run in (alone, taught)]
    sizes = [sum(each.size for each in read_tensors(path).values()) for path in kept]
    assert sizes[0] == sizes[1]
    assert taught.metrics()["top1"] > 0.5


def test_a_teacher_says_what_its_evaluation_says(short_run):
    chosen = TrainConfig(
        model="lenet5_modern", recipe=SHORT, teacher=str(short_run.folder)
    ).resolved()
    found = distillation(chosen)
    assert (found.weight, found.temperature) == (
        chosen.teacher_weight,
        chosen.teacher_temperature,
    )
    split = load_data(short_run.config).split("test").take(np.arange(8))
    ((images, _),) = evaluation_batches(split, short_run.preprocessing, 1, batch_size=8)
    expected = logits_of_split(short_run.network(), split, short_run.preprocessing)
    np.testing.assert_allclose(found.teach(images), expected, atol=1e-3)
    # Images of another size are resized: twice as large they are, halved again, the same.
    twice = tf.repeat(tf.repeat(images, 2, 1), 2, 2)
    np.testing.assert_allclose(found.teach(twice), expected, atol=1e-3)


def test_teachers_that_cannot_teach_are_refused(short_run, tmp_path, capsys):
    folder = str(short_run.folder)
    with pytest.raises(UserError, match="trained on other classes: 10, such as '0'. Expected .* 2"):
        check_teacher(folder, ("cat", "dog"), 1)
    with pytest.raises(UserError, match="takes images of 1 channels, the network 3"):
        check_teacher(folder, short_run.class_names, 3)
    with pytest.raises(UserError, match="The teacher resnet18 has 1000 classes, the data 10"):
        check_teacher("resnet18", short_run.class_names, 3)
    for teacher, message in (
        ("resnet19", "Unknown network 'resnet19'"),
        (str(tmp_path), "is no run folder"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["train", "--teacher", teacher, "--out", str(tmp_path / "run")])
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
    with pytest.raises(UserError, match="multilabel takes no teacher"):
        TrainConfig(model="resnet20_cifar", task="multilabel", teacher=folder).resolved()
