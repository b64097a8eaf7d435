"""`kerasnets embed`, `neighbours` and `probe` on a short run and small folders."""

import csv
import pathlib
import re
import shutil
import sys

import numpy as np
import pytest

import kerasnets
from kerasnets import UserError
from kerasnets.cli.main import parse
from kerasnets.data import evaluation_batches
from kerasnets.embedding import Embeddings, features
from kerasnets.runs.run import load_data


@pytest.fixture(scope="module")
def embedded(short_run, tmp_path_factory):
    """The digits, by a run."""
    path = tmp_path_factory.mktemp("embedded") / "digits.npz"
    parse(["embed", str(short_run.folder), "digits", "--out", str(path)]).run()
    return path


def test_a_vector_of_each_image_is_what_the_classifier_takes(short_run, embedded):
    found = Embeddings.load(embedded)
    dataset = load_data(short_run.config)
    assert len(found.names) == sum(dataset.sizes.values())
    assert found.of("test").labels.tolist() == dataset.split("test").labels.tolist()
    network = short_run.network()
    kernel, bias = (weight.numpy() for weight in network.get_layer("logits").weights)
    few = dataset.split("test").take(np.arange(5))
    vectors = features(network, short_run.preprocessing, few)
    np.testing.assert_allclose(vectors, found.of("test").vectors[:5], atol=1e-5)
    ((images, _),) = evaluation_batches(few, short_run.preprocessing, 1, batch_size=5)
    logits = kerasnets.with_preprocessing(network, short_run.preprocessing)(images)
    np.testing.assert_allclose(vectors @ kernel + bias, logits, atol=1e-4)


def test_probes_of_a_trained_network_find_the_digits(embedded, capsys):
    parse(["probe", str(embedded)]).run()
    shown = capsys.readouterr().out
    accuracies = [float(each) for each in re.findall(r"(\d+\.\d\d)%", shown)]
    assert len(accuracies) == 2
    assert min(accuracies) > 80
    assert "On 450 images of test, from 1,212." in shown


def test_a_folder_of_files_needs_no_classes(short_run, image_folder, tmp_path, capsys):
    out = tmp_path / "photos.npz"
    parse(["embed", str(short_run.folder), str(image_folder), "--out", str(out)]).run()
    found = Embeddings.load(out)
    assert len(found.names) == 36
    assert set(found.labels.tolist()) == {-1}
    capsys.readouterr()
    one = next(name for name in found.names if "blue sky" in name and name.endswith("0.jpg"))
    parse(["neighbours", str(out), one, "--count", "3"]).run()
    lines = capsys.readouterr().out.splitlines()[3:6]
    vectors = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    nearest = np.argsort(-vectors @ vectors[found.names.index(one)])[1:4]
    assert [line.rpartition("  ")[0].strip() for line in lines] == [
        found.names[index] for index in nearest
    ]
    # Another file, which the network has to see first.
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(pathlib.Path(one).read_bytes())
    parse(["neighbours", str(out), str(copy), "--count", "1"]).run()
    line = capsys.readouterr().out.splitlines()[3]
    assert line.startswith(one)
    assert line.endswith("1.0000")


def test_duplicates_are_those_of_the_network(short_run, image_folder, tmp_path, capsys):
    """The same pixels in another file, of the other split."""
    from PIL import Image

    data, out = tmp_path / "data", tmp_path / "duplicates"
    shutil.copytree(image_folder, data)
    Image.open(data / "train/blue sky/1.png").save(data / "test/blue sky/again.bmp")
    words = ["--model", str(short_run.folder), "--cosine", "0.9999", "--out", str(out)]
    parse(["data", "duplicates", f"folder:{data}", *words]).run()
    assert "pairs of 37 images with a cosine of 0.9999 or more: 1\n" in capsys.readouterr().out
    with (out / "duplicates.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    # libpng and TensorFlow round grays differently.
    assert (row["split"], row["other_split"], row["cosine"]) == ("train", "test", "1.0000")
    assert (row["name"][-5:], row["other_name"][-9:]) == ("1.png", "again.bmp")
    assert (out / "duplicates.png").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("data duplicates digits --model resnet18", "resnet18 would have random weights"),
        ("data duplicates digits --model resnet18 --cosine 2", "--cosine must be in"),
        ("data duplicates foldr:x --model resnet18", "Unknown data set 'foldr:x'"),
        ("embed resnet18 digits --out a.csv", "--out must end in .npz or .parquet"),
        ("embed resnet18 foldr:x --out a.npz", "Unknown data set 'foldr:x'"),
        ("embed resnet18 digits --out a.npz", "resnet18 would have random weights"),
        ("embed resnet19 digits --out a.npz", "Unknown network 'resnet19'"),
        ("embed resnet18 empty --out a.npz", "There are no files in 'empty'"),
        ("embed resnet18 digits --out there.npz", "'there.npz' is there already; --overwrite"),
        ("neighbours none.npz a.png", "'none.npz' cannot be read"),
        ("neighbours there.npz a.png --count 0", "--count must be at least 1"),
        ("probe there.npz", "'there.npz' holds no embeddings"),
        ("probe there.npz --neighbours 0", "--neighbours must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.npz").touch()
    monkeypatch.setattr(
        "kerasnets.cli.commands.embed.load_tensorflow", lambda **_: sys.exit("too late")
    )
    monkeypatch.setattr("kerasnets.cli.commands.data.load_tensorflow", lambda: sys.exit("too late"))
    with pytest.raises(UserError, match=message):
        parse(words.split()).run()
