import re
import shutil

import numpy as np
import pytest
from PIL import Image

import kerasnets
from kerasnets import UserError
from kerasnets.cli.main import parse
from kerasnets.embedding import Embeddings
from kerasnets.prediction import predict, predict_each
from tests.serving.saved_models import half_plus


@pytest.fixture(scope="module")
def exported(exported_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("savedmodels") / "lenet5_modern"
    return shutil.copytree(exported_run(), folder / "2")


@pytest.fixture
def images(tmp_path, rng):
    paths = [tmp_path / "one.png", tmp_path / "two words.jpg"]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(path)
    return paths


def test_a_run_a_version_and_the_newest_version_agree(short_run, exported, images):
    found = [predict(model, images) for model in (short_run.folder, exported, exported.parent)]
    for answers in zip(*found, strict=True):
        assert {answer.image for answer in answers} == {answers[0].image}
        for other in answers[1:]:
            np.testing.assert_allclose(other.probabilities, answers[0].probabilities, atol=1e-5)
            assert other.classes == answers[0].classes
    assert found[0][0].scores[0] == found[0][0].probabilities.max()


def test_a_run_and_a_saved_model_give_the_vectors_that_embed_gives(
    short_run, exported, images, tmp_path, capsys
):
    parse(["embed", str(short_run.folder), str(tmp_path), "--out", str(tmp_path / "a.npz")]).run()
    expected = Embeddings.load(tmp_path / "a.npz")
    assert expected.names == tuple(map(str, sorted(images)))
    for model in (short_run.folder, exported.parent):
        out = tmp_path / "vectors.parquet"
        words = [*map(str, sorted(images)), "--embeddings", "--out", str(out), "--overwrite"]
        parse(["predict", str(model), *words]).run()
        found = Embeddings.load(out)
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-4)
        assert found.names == expected.names
        assert found.about["model"] == str(model)
    # Another file, which the SavedModel has to see first.
    copy = shutil.copy(images[0], tmp_path / "copy.png")
    capsys.readouterr()
    parse(["neighbours", str(out), str(copy), "--count", "1"]).run()
    line = capsys.readouterr().out.splitlines()[3]
    assert line.startswith(str(images[0]))
    assert line.endswith("1.0000")


def test_one_image_is_given_by_its_path(short_run, exported, images):
    expected = predict(exported, images[:1])[0]
    for path in (images[0], str(images[0])):
        (found,) = predict(exported, path)
        assert found.classes == expected.classes
        (found,) = predict_each(exported, path)
        assert (found.image, found.classes) == (images[0], expected.classes)


def test_what_is_no_model_is_told_with_what_makes_one(images):
    with pytest.raises(
        UserError, match="run folder 'resnet50'. It is a network's name: `kerasnets ex"
    ):
        predict("resnet50", images)
    for ask in (predict, lambda *given: list(predict_each(*given))):
        with pytest.raises(
            UserError, match=r"Received: Functional 'lenet5_modern'; .*export\.export"
        ):
            ask(kerasnets.build("lenet5_modern"), images)


def test_what_cannot_be_predicted_is_told(short_run, exported, images, tmp_path):
    for content in (b"not an image", b"\xa5\xff no UTF-8 either"):
        (tmp_path / "note.png").write_bytes(content)
        with pytest.raises(UserError, match="note.png' cannot be read as an image"):
            predict(exported, [tmp_path / "note.png"])
    with pytest.raises(UserError, match="There is no image file .*none.png"):
        predict(exported, [images[0], tmp_path / "none.png"])
    with pytest.raises(UserError, match="There is no SavedModel or run folder '/nowhere'"):
        predict("/nowhere", images)
    with pytest.raises(UserError, match="is neither a SavedModel"):
        predict(tmp_path, images)


def test_a_damaged_saved_model_is_told(exported, images, tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"\x00" * 50)
    with pytest.raises(UserError, match="is a damaged SavedModel"):
        predict(tmp_path, images)


def test_the_saved_model_of_another_program_is_told(images, tmp_path):
    with pytest.raises(UserError, match="2' has no signature serving_default that gives"):
        predict(half_plus(1.0, tmp_path / "2"), images)


def test_a_damaged_version_is_passed_over_for_an_older_one(exported, images, tmp_path, caplog):
    expected = predict(exported, images)
    shutil.copytree(exported, tmp_path / "00000123")
    for broken in ("124", "125"):
        (tmp_path / broken).mkdir()
    (tmp_path / "124" / "saved_model.pb").write_bytes(b"\x00" * 50)
    found = predict(tmp_path, images)
    assert [answer.classes for answer in found] == [answer.classes for answer in expected]
    assert "version 125 is passed over" in caplog.text
    assert re.search("version 124 is passed over: .*124' is a damaged SavedModel: ", caplog.text)
    shutil.rmtree(tmp_path / "00000123")
    with pytest.raises(UserError, match="No version in .* can be loaded"):
        predict(tmp_path, images)


def test_an_image_without_permission_is_told(exported, images, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    # Its mode would not stop root.
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(UserError, match="one.png' cannot be read: Permission denied"):
        predict(exported, images)
