import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.cli import main as command_line
from kerasnets.data.sources.arrays import from_arrays
from kerasnets.prediction.measuring import measured, with_labels_of
from tests.prediction.made import Brightness


@pytest.fixture
def dataset():
    """Pixels of three colours, two of which the model knows in another order; one is mislabelled."""
    pixels = np.array([[9, 3, 1], [9, 3, 1], [1, 2, 9], [9, 1, 2]], np.uint8)[:, None, None]
    labels = np.array([1, 1, 0, 0])
    return from_arrays({"test": (pixels, labels)}, ("blue, or so", "red"))


def test_labels_are_matched_by_the_names_of_classes(dataset):
    model, split = Brightness(), dataset.split("test")
    split, names = with_labels_of(model, dataset, split)
    assert split.labels.tolist() == [0, 0, 2, 2]
    assert names == model.class_names
    found = measured(model, split, names)
    assert (found.images, found.top1) == (4, 0.75)
    expected = [9 / 13, 9 / 13, 9 / 12, 2 / 12]
    assert found.loss == pytest.approx(-np.log(expected).mean(), rel=1e-5)
    assert [each.image for each in found.mistakes] == [3]


def test_other_classes_are_told_or_given_by_a_file(dataset, tmp_path):
    model, split = Brightness(), dataset.split("test")
    model.class_names = ("Rot", "Grün", "Blau")
    with pytest.raises(UserError, match=r"The model has the classes \['Rot', .* --labels FILE"):
        with_labels_of(model, dataset, split)
    (tmp_path / "labels.csv").write_text('"blue, or so",2\nred,0\n')
    split, _ = with_labels_of(model, dataset, split, tmp_path / "labels.csv")
    assert split.labels.tolist() == [0, 0, 2, 2]


def test_a_model_that_tells_no_classes_is_held_against_its_answers(dataset):
    model, split = Brightness(), dataset.split("test")
    model.class_names = None
    split, names = with_labels_of(model, dataset, split)
    assert names == dataset.class_names
    with pytest.raises(UserError, match="The model answers on 3 classes; the data have 2"):
        measured(model, split, names)
    with pytest.raises(UserError, match="answers 'red' where the data's classes have 'a'"):
        measured(model, split, ("a", "b", "c"))
    assert measured(model, split, Brightness.class_names).images == 4


def test_a_probability_of_zero_is_no_infinite_loss(dataset):
    class Sure(Brightness):
        def _answer(self, image):
            found = super()._answer(image)
            return found._replace(probabilities=np.float32([1, 0, 0]))

    split, names = with_labels_of(Sure(), dataset, dataset.split("test"))
    assert np.isfinite(measured(Sure(), split, names).loss)


def test_an_export_is_measured_as_the_network_was(short_run, exported_run, tmp_path, capsys):
    expected = short_run.metrics()
    version = exported_run()
    folder = tmp_path / "figures"
    command_line.main(["evaluate", str(version.parent), "--out", str(folder)])
    first, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"test: top-1 {expected['top1']:.2%}, ")
    assert f"loss {expected['loss']:.4f}" in first
    assert second.endswith("the export costs 0.00 percentage points")
    assert (folder / "mistakes.png").exists()
    command_line.main(["evaluate", str(version), "--data", "digits"])
    assert capsys.readouterr().out.splitlines() == [first, second]
    command_line.main(["evaluate", str(version), "--data", "digits", "--split", "train"])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("train: top-1 ")
