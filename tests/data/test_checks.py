import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasnets import UserError
from kerasnets.cli import main as command_line
from kerasnets.data import check, from_arrays, load, statistics
from kerasnets.data.bad_images import find_bad_images, read_list, without_bad_images, write_list

FILES = tuple(f"{number}.png" for number in range(10))


@pytest.fixture(scope="module")
def faulty(image_folder, tmp_path_factory):
    """A truncated file, a duplicate in train, and a file of train in test too, and one anew."""
    root = shutil.copytree(image_folder, tmp_path_factory.mktemp("faulty") / "images")
    sky = root / "train" / "blue sky"
    (sky / "8.jpg").write_bytes((sky / "8.jpg").read_bytes()[:-60])
    shutil.copy(sky / "1.png", sky / "zwei\nZeilen.png")
    shutil.copy(sky / "2.bmp", root / "test" / "rote Rosen" / "leak.bmp")
    with Image.open(sky / "5.png") as image:
        image.save(root / "test" / "rote Rosen" / "anew.webp", lossless=True)
    return root


def test_everything_wrong_is_found(faulty):
    report = check(load(f"folder:{faulty}"))
    assert report.splits["train"].counts == (13, 12)
    (bad,) = report.splits["train"].bad
    assert bad.name == str(faulty / "train" / "blue sky" / "8.jpg")
    assert bad.reason
    assert report.splits["test"].bad == ()
    ((one, two),) = report.duplicates
    assert {one, two} == {
        repr(str(faulty / "train" / "blue sky" / name)) for name in ("1.png", "zwei\nZeilen.png")
    }
    ((one, two),) = report.leaks
    assert one.startswith("train: ")
    assert two.endswith("leak.bmp'")
    (near,) = report.near
    assert (near.first.name, near.second.name) == (
        str(faulty / "train" / "blue sky" / "5.png"),
        str(faulty / "test" / "rote Rosen" / "anew.webp"),
    )
    assert near.leaks
    assert near.disagrees


def test_the_command_lists_and_draws(faulty, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.main(["data", "check", f"folder:{faulty}", "--out", str(tmp_path / "out")])
    shown = capsys.readouterr()
    assert stop.value.code == 2
    assert "1 of 39 images cannot be read, among them" in shown.err
    assert shown.err.count("\n") == 1
    found = ("files twice in a split: 1", "files in two splits: 1", "near duplicates: 1")
    for text in ("blue sky", "8.jpg", *found):
        assert text in shown.out
    assert [each.index for each in read_list(tmp_path / "out" / "bad_images.csv")] == [10]
    for name in ("samples.png", "augmented.png", "near_duplicates.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert min(picture.size) > 200


def test_commands_of_the_terminal(image_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command_line.main(["data", "pack", f"folder:{image_folder}", "--out", "packed"])
    assert "use it as records:packed" in capsys.readouterr().out
    command_line.main(["data", "stats", "records:packed"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["mean", "std", "values", "vectors"]
    # What needs no label takes images with several.
    rows = [f"{path},{'a|b' if number % 2 else 'a'}" for number, path in enumerate(FILES)]
    several = ["manifest:several.csv", "--task", "multilabel"]
    for path in FILES:
        shutil.copy(next((image_folder / "train" / "blue sky").glob("*.png")), path)
    pathlib.Path("several.csv").write_text("\n".join(["path,label", *rows, ""]))
    command_line.main(["data", "stats", *several])
    assert "several.csv, train: of pixels in [0, 1]" in capsys.readouterr().out
    for arguments, message in (
        (["data", "check", *several], "data check takes images of one class each; manifest:sev"),
        (["data", "check", "digits", "--augment", "incepton"], "Unknown augmentation 'incepton'"),
        (["data", "chekc"], "Unrecognized options: chekc"),
        (["data", "pack", f"folder:{image_folder}", "--images-per-shard", "0"], "at least 1"),
    ):
        with pytest.raises(SystemExit):
            command_line.main(arguments)
        assert message in capsys.readouterr().err


def test_statistics_are_numpys(rng):
    images = rng.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
    images[..., 2] = images[..., 0] // 2
    split = from_arrays({"train": (images, np.arange(6) % 2)}, ("a", "b")).split("train")
    found = statistics(split)
    pixels = images.reshape(-1, 3) / 255
    np.testing.assert_allclose(found.mean, pixels.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.std, pixels.std(axis=0), atol=1e-5)
    again = found.vectors @ np.diag(found.values**2) @ found.vectors.T
    np.testing.assert_allclose(again, np.cov(pixels.T, bias=True), atol=1e-5)


def test_a_channel_that_is_the_same_everywhere_has_no_deviation():
    for value in range(1, 256, 7):
        images = np.full((3, 5, 4, 1), value, np.uint8)
        split = from_arrays({"train": (images, [0, 1, 0])}, ("a", "b")).split("train")
        assert statistics(split).std == pytest.approx(0, abs=1e-3)


def test_up_to_a_share_of_bad_images_is_left_out(faulty, tmp_path):
    split = load(f"folder:{faulty}").split("train")
    with pytest.raises(UserError, match="More than 1% of the 25 training images .*8.jpg"):
        without_bad_images(split, 3)
    good, bad = without_bad_images(split, 3, most=0.05)
    assert good.size == 24
    assert find_bad_images(good, 3) == []
    write_list(tmp_path / "bad.csv", bad)
    again, same = without_bad_images(split, 3, read_list(tmp_path / "bad.csv"), most=0.05)
    assert same == bad
    np.testing.assert_array_equal(again.records.values, good.records.values)
    assert read_list(tmp_path / "none.csv") is None
    for text in (
        "number,name,reason\nten,a.jpg,cut\n",
        "name\na.jpg\n",
        "number,name\n" + "x" * 200_000,
    ):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(UserError, match=r"bad.csv' is no list of bad images"):
            read_list(tmp_path / "bad.csv")


@pytest.mark.usefixtures("without_pictures")
def test_training_stops_at_a_bad_image_or_goes_on(image_folder, tmp_path):
    """101 images, of which one is truncated."""
    from kerasnets.config import TrainConfig, recipe
    from kerasnets.training import train

    for number in range(101):
        folder = tmp_path / "images" / "train" / ("sky", "roses")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(image_folder / "train" / "blue sky" / "0.jpg", folder / f"{number}.jpg")
    for name, label in (("sky", "blue sky"), ("roses", "rote Rosen")):
        shutil.copytree(image_folder / "test" / label, tmp_path / "images" / "test" / name)
    bad = tmp_path / "images" / "train" / "roses" / "51.jpg"
    bad.write_bytes(bad.read_bytes()[:300])

    def run(**options):
        config = TrainConfig(
            model="lenet5_modern", data=f"folder:{tmp_path / 'images'}",
            recipe=recipe("digits", epochs=1, validation_fraction=0.0, augment="inception"),
            out=tmp_path / "run", **options,
        )  # fmt: skip
        return train(config)

    with pytest.raises(UserError, match="roses/51.jpg' cannot be read as an image.*--bad-images"):
        run()
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    # One of 101 is just below 1 %.
    (listed,) = read_list(run(bad_images="skip").folder / "bad_images.csv")
    assert listed.name == str(bad)
