import csv
import io
import json
import os
import pathlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from kerasnets import UserError
from kerasnets.embedding import Embeddings
from kerasnets.embedding.store import UNKNOWN
from kerasnets.prediction import ImageModel, predict, predict_each
from kerasnets.prediction.merging import merge
from kerasnets.prediction.predictor import IN_FLIGHT, answers
from kerasnets.prediction.shards import Shard
from kerasnets.prediction.sources import items
from kerasnets.prediction.tables import csv_lines
from kerasnets.prediction.writing import Out, write_answers
from tests.prediction.made import Brightness, Lightness, photographs

ENDINGS = ("csv", "jsonl", "parquet")
BAD = (3, 4, 11)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Thirteen images, of which three cannot be read."""
    return photographs(tmp_path_factory.mktemp("photos") / "photos", 13, bad=BAD)


class StopError(Exception):
    """Stands for whatever ends a process."""


def write(photos, path, *, model=None, stop=None, resume=False, **settings):
    """Writes the answers; stops once so many images are done, if `stop` says so."""
    out = Out(path, **settings)
    assert out.begin(resume=resume)

    def told(done, bad):
        if stop is not None and done >= stop:
            raise StopError

    if stop is None:
        return write_answers(model or Brightness(), items([str(photos)]), out)
    with pytest.raises(StopError):
        write_answers(model or Brightness(), items([str(photos)]), out, told=told)
    return None


def rows_of(path):
    """The rows of a file as its format gives them."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    return [json.loads(line) for line in path.read_text().splitlines()]


def read(path):
    """The images, the best classes and their scores."""
    rows = rows_of(path)
    if path.suffix == ".jsonl":
        return [(row["image"], row["top"][0]["class"], row["top"][0]["score"]) for row in rows]
    return [(row["image"], row["class_1"], float(row["score_1"])) for row in rows]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_has_the_answers_in_order_and_another_the_bad_files(ending, photos, tmp_path):
    path = tmp_path / f"answers.{ending}"
    done = write(photos, path, top=2)
    assert (done.done, done.bad) == (13, 3)
    good = [str(item.name) for number, item in enumerate(items([str(photos)])) if number not in BAD]
    expected = predict(Brightness(), good)
    for (image, best, score), answer in zip(read(path), expected, strict=True):
        assert image == str(answer.image)
        assert best == answer.classes[0]
        assert score == pytest.approx(answer.scores[0], rel=1e-5)
    listed = pathlib.Path(f"{path}.bad.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(listed)))
    assert rows[0] == ["number", "name", "reason"]
    assert [int(row[0]) for row in rows[1:]] == list(BAD)
    assert [pathlib.Path(row[1]).name for row in rows[1:]] == [f"{n:04} ä.png" for n in BAD]
    assert {row[2] for row in rows[1:]} == {"it is damaged"}
    assert {each.name for each in tmp_path.iterdir()} == {path.name, f"{path.name}.bad.csv"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_all_probabilities_are_written_with_the_names_of_the_classes(ending, photos, tmp_path):
    path = tmp_path / f"answers.{ending}"
    write(photos, path, all=True)
    if ending == "parquet":
        table = pq.read_table(path)
        names = json.loads(table.schema.metadata[b"classes"])
        found = np.array(table["probabilities"].to_pylist())
    elif ending == "csv":
        (_, _, *names), *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
        found = np.array([row[2:] for row in rows], float)
    else:
        names = list(Brightness.class_names)
        rows = map(json.loads, path.read_text().splitlines())
        found = np.array([row["probabilities"] for row in rows])
    assert tuple(names) == Brightness.class_names
    expected = list(predict_each(Brightness(), [photos], on_bad=lambda *_: None))
    np.testing.assert_allclose(found, [each.probabilities for each in expected], rtol=1e-5)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("stop", [0, 4, 8, 12])
def test_a_stopped_work_goes_on_to_the_same_bytes(ending, stop, photos, tmp_path):
    whole, path = tmp_path / f"whole.{ending}", tmp_path / f"answers.{ending}"
    write(photos, whole)
    write(photos, path, stop=stop)
    assert not path.exists()
    # What was written behind the last record.
    for beside in ("partial", "bad.csv"):
        with pathlib.Path(f"{path}.{beside}").open("ab") as file:
            file.write(b"half a row")
    model = Brightness()
    done = write(photos, path, resume=True, model=model)
    assert (done.done, done.bad) == (13, 3)
    assert model.asked == 13 - stop
    assert path.read_bytes() == whole.read_bytes()
    bad = [pathlib.Path(f"{each}.bad.csv").read_bytes() for each in (path, whole)]
    assert bad[0] == bad[1]
    assert not list(tmp_path.glob(f"*{path.name}.p*"))


def values(path):
    """The numbers of each image by name, or its vector."""
    rows = rows_of(path)
    if path.suffix == ".jsonl":
        return [row.get("values", row) for row in rows]
    return [{name: row[name] for name in row if name != "image"} for row in rows]


@pytest.mark.parametrize("ending", ENDINGS)
def test_numbers_are_written_by_their_names_and_go_on(ending, photos, tmp_path):
    whole, path = tmp_path / f"whole.{ending}", tmp_path / f"answers.{ending}"
    model = Lightness()
    assert (write(photos, whole, model=model).done, model.asked) == (13, 13)
    expected = predict_each(Lightness(), [photos], on_bad=lambda *_: None)
    for found, answer in zip(values(whole), expected, strict=True):
        assert tuple(found) == Lightness.class_names
        assert [float(each) for each in found.values()] == list(answer.scores)
    write(photos, path, model=Lightness(), stop=8)
    write(photos, path, model=Lightness(), resume=True)
    assert path.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_embeddings_are_written_and_read_as_those_of_embed(ending, photos, tmp_path):
    path, about = tmp_path / f"vectors.{ending}", {"model": "brightness"}
    assert write(photos, path, embeddings=True, about=about).bad == 3
    good = [item for number, item in enumerate(items([str(photos)])) if number not in BAD]
    expected = Brightness().vectors([pathlib.Path(item.name).read_bytes() for item in good])
    np.testing.assert_allclose([row["vector"] for row in values(path)], expected)
    if ending == "parquet":
        found = Embeddings.load(path)
        assert (found.vectors == np.stack(expected)).all()
        assert found.names == tuple(item.name for item in good)
        assert found.about == about
        assert set(found.labels.tolist()) == {UNKNOWN}


def test_what_a_model_does_not_give_is_told_before_anything_is_lost(photos, tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text("kept")

    class Mute(Brightness):
        vectors = ImageModel.vectors

    for model, asked, message in (
        (Mute(), {"embeddings": True}, "Mute models give no embeddings; a run and a SavedModel"),
        (Lightness(), {"all": True}, "--all is for classes; of a model of numbers all are"),
    ):
        with pytest.raises(UserError, match=message):
            write_answers(model, items([str(photos)]), Out(path, **asked), overwrite=True)
    for asked, message in (
        ({"embeddings": True, "all": True}, "Give --all or --embeddings, not both"),
        ({"embeddings": True}, "--embeddings needs --out FILE.parquet or FILE.jsonl"),
    ):
        with pytest.raises(UserError, match=message):
            Out(tmp_path / "a.csv", **asked).begin()
    assert [each.read_text() for each in tmp_path.iterdir()] == ["kept"]
    write_answers(Brightness(), items([str(photos)]), Out(path), overwrite=True)
    assert len(path.read_text().splitlines()) == 10


def test_a_model_that_becomes_another_is_told(photos, tmp_path):
    model = Lightness()
    model.facts = {}
    with pytest.raises(UserError, match="expected classes. Received: the numbers light, red, not"):
        write(photos, tmp_path / "a.csv", model=model)
    model.facts, model.class_names = Lightness.facts, ("light", "red")
    model._answer = lambda image: Brightness._answer(model, image)
    with pytest.raises(UserError, match="expected the numbers light, red. Received: classes"):
        write(photos, tmp_path / "b.csv", model=model)
    model.class_names = ("image",)
    with pytest.raises(UserError, match="cannot write a number that is called 'image'"):
        write(photos, tmp_path / "c.csv", model=model)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("kind", "settings"),
    [(Brightness, {}), (Brightness, {"all": True}), (Lightness, {})],
)
def test_shards_are_merged_to_the_file_of_one_machine(ending, kind, settings, photos, tmp_path):
    check_shards(
        photos, tmp_path / f"whole.{ending}", tmp_path / f"answers.{ending}", kind, settings
    )


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_shards_of_embeddings_are_merged(ending, photos, tmp_path):
    settings = {"embeddings": True, "about": {"model": "brightness"}}
    check_shards(
        photos, tmp_path / f"whole.{ending}", tmp_path / f"answers.{ending}", Brightness, settings
    )


def check_shards(photos, whole, path, kind, settings):
    write(photos, whole, model=kind(), **settings)
    for index in (3, 1, 2):
        write(photos, path, model=kind(), shard=Shard(index, 3), **settings)
        assert Shard(index, 3).of(path).exists()
    assert merge(path) == (13, 3)
    if path.suffix == ".parquet":
        assert pq.read_table(path).equals(pq.read_table(whole), check_metadata=True)
    else:
        assert path.read_bytes() == whole.read_bytes()
    bad = [pathlib.Path(f"{each}.bad.csv").read_bytes() for each in (path, whole)]
    assert bad[0] == bad[1]
    with pytest.raises(UserError, match="is there already; --overwrite replaces it"):
        merge(path)
    assert merge(path, overwrite=True) == (13, 3)


def test_shards_that_do_not_make_a_whole_are_told(photos, tmp_path):
    path = tmp_path / "answers.csv"
    with pytest.raises(UserError, match=r"answers-1-of-N.csv to .* Found: no shards\."):
        merge(path)
    write(photos, path, shard=Shard(1, 2))
    with pytest.raises(UserError, match="There is no file .*answers-2-of-2.csv', one of 2 shards"):
        merge(path)
    write(photos, path, shard=Shard(2, 2), stop=4)
    with pytest.raises(UserError, match="answers-2-of-2.csv' is not finished; go on with --resume"):
        merge(path)
    write(photos, path, shard=Shard(2, 2), resume=True)
    file = tmp_path / "answers-2-of-2.csv"
    rows = file.read_text(encoding="utf-8")
    file.write_text(rows + 2 * "another,red,1.0,blue,0.0,green,0.0\n", encoding="utf-8")
    with pytest.raises(UserError, match="answers-2-of-2.csv' is of other images than"):
        merge(path)
    file.write_text(rows.replace("class_1", "best"), encoding="utf-8")
    with pytest.raises(UserError, match="answers-2-of-2.csv' has other columns"):
        merge(path)
    file.write_text(rows, encoding="utf-8")
    facts = tmp_path / "answers-2-of-2.csv.shard"
    facts.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="There is no file .*answers-2-of-2.csv.shard', which"):
        merge(path)
    facts.write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="answers-2-of-2.csv.shard' is damaged"):
        merge(path)
    write(photos, path, shard=Shard(1, 3))
    with pytest.raises(UserError, match="Found: shards of 2 and of 3"):
        merge(path)
    assert not path.exists()
    assert not list(tmp_path.glob("*.partial"))


def test_shards_of_lists_that_differ_are_not_merged(tmp_path):
    path, photos = tmp_path / "answers.csv", photographs(tmp_path / "photos", 8)
    write(photos, path, shard=Shard(1, 2))
    # Sorted first, it moves all others on: the second shard has the images of the first again.
    first = min(photos.iterdir())
    (photos / f"0{first.name}").write_bytes(first.read_bytes())
    write(photos, path, shard=Shard(2, 2))
    with pytest.raises(UserError, match="of other images than .*: it was given 9, the other 8"):
        merge(path)
    # As many, but others.
    first.unlink()
    Out(path, shard=Shard(2, 2)).clear()
    write(photos, path, shard=Shard(2, 2))
    with pytest.raises(UserError, match="of other images than .*: it was given 8, the other 8"):
        merge(path)
    (photos / f"0{first.name}").rename(first)
    Out(path, shard=Shard(2, 2)).clear()
    other = Brightness()
    other.name = "another"
    write(photos, path, shard=Shard(2, 2), model=other)
    with pytest.raises(UserError, match="answers-2-of-2.csv' is by another model than"):
        merge(path)
    Out(path, shard=Shard(2, 2)).clear()
    write(photos, path, shard=Shard(2, 2), stop=2)
    write(photos, path, shard=Shard(2, 2), resume=True)
    assert merge(path) == (8, 0)


def test_ctrl_c_between_two_lines_of_a_batch_leaves_one_progress_or_the_other(
    photos, tmp_path, monkeypatch
):
    whole, path = tmp_path / "whole.csv", tmp_path / "answers.csv"
    write(photos, whole)
    monkeypatch.setattr("kerasnets.prediction.writing.RECORD_EVERY_S", 1000)
    made = []

    def interrupted(rows):
        made.append(rows)
        # The bad image of the third batch, whose rows have been written.
        if len(made) == 3:
            raise KeyboardInterrupt
        return csv_lines(rows)

    with monkeypatch.context() as patched:
        patched.setattr("kerasnets.prediction.writing.csv_lines", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(photos, path)
    assert json.loads((tmp_path / "answers.csv.progress").read_text())["done"]
    write(photos, path, resume=True)
    assert path.read_bytes() == whole.read_bytes()


def test_a_work_that_was_killed_at_its_very_end_is_complete(photos, tmp_path, caplog):
    path = tmp_path / "answers.csv"
    write(photos, path, stop=8)
    progress = (tmp_path / "answers.csv.progress").read_text()
    write(photos, path, resume=True)
    (tmp_path / "answers.csv.progress").write_text(progress)
    caplog.set_level("INFO", "kerasnets")
    assert not Out(path).begin(resume=True)
    assert "answers.csv is complete." in caplog.text
    assert not (tmp_path / "answers.csv.progress").exists()


def test_what_is_there_is_not_written_over_unasked(photos, tmp_path, caplog):
    path = tmp_path / "answers.csv"
    write(photos, path, stop=8)
    with pytest.raises(
        UserError, match="was begun and not finished; go on with --resume, or begin"
    ):
        Out(path).begin()
    write(photos, path, resume=True)
    with pytest.raises(UserError, match="answers.csv' is there already; --overwrite replaces it"):
        Out(path).begin()
    caplog.set_level("INFO", "kerasnets")
    assert not Out(path).begin(resume=True)
    assert "answers.csv is complete." in caplog.text
    assert Out(path).begin(overwrite=True)
    assert path.exists()
    Out(path).clear()
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match="Give --resume or --overwrite, not both"):
        Out(path).begin(resume=True, overwrite=True)


def test_a_work_goes_on_with_its_own_images_and_settings_alone(photos, tmp_path):
    path = tmp_path / "answers.csv"
    write(photos, path, stop=8)
    with pytest.raises(UserError, match="was begun with another top, 3. Received: 1."):
        write(photos, path, resume=True, top=1)
    other = Brightness()
    other.name = "another"
    with pytest.raises(UserError, match="was begun with another model"):
        write(photos, path, resume=True, model=other)
    more = photographs(tmp_path / "more", 13)
    with pytest.raises(
        UserError, match="The images are not those that .* first 8 have other names"
    ):
        write(more, path, resume=True)
    # And all that did no harm.
    assert write(photos, path, resume=True).done == 13


def test_a_damaged_progress_is_told(photos, tmp_path):
    path = tmp_path / "answers.csv"
    write(photos, path, stop=8)
    (tmp_path / "answers.csv.partial").write_bytes(b"")
    with pytest.raises(UserError, match="partial' is damaged: it is shorter than its progress"):
        write(photos, path, resume=True)
    for text in ("[]", '{"done": 1}', "{"):
        (tmp_path / "answers.csv.progress").write_text(text)
        with pytest.raises(UserError, match="progress' is damaged: it must hold the progress of"):
            write(photos, path, resume=True)


def test_a_bad_file_ends_the_work_where_it_must(photos, tmp_path):
    path = tmp_path / "answers.csv"
    with pytest.raises(UserError, match="0003 ä.png' cannot be read as an image: it is damaged."):
        write(photos, path, bad_files="fail")
    assert write(photos, path, resume=True).bad == 3


def test_names_of_any_bytes_are_written(tmp_path):
    photographs(tmp_path / "photos", 1)
    name = os.fsencode(tmp_path / "photos") + b'/\xff,".png'
    os.rename(os.fsencode(tmp_path / "photos" / "0000 ä.png"), name)
    for ending in ENDINGS:
        write(tmp_path / "photos", tmp_path / f"a.{ending}")
    with (tmp_path / "a.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        assert os.fsencode(list(csv.reader(file))[1][0]) == name
    row = json.loads((tmp_path / "a.jsonl").read_text())
    assert os.fsencode(row["image"]) == name
    (image,) = pq.read_table(tmp_path / "a.parquet")["image"].to_pylist()
    assert image.endswith('photos/\\xff,".png')


def test_a_server_writes_no_unnamed_probabilities(photos, tmp_path):
    model = Brightness()
    model.class_names = None
    with pytest.raises(UserError, match="--all needs the names of the classes"):
        write(photos, tmp_path / "a.csv", model=model, all=True)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "²/3", "1/2/3"])
def test_a_shard_that_is_none_is_told(text):
    with pytest.raises(UserError, match="--shard must be I/N, such as 1/4 to 4/4. Received: "):
        Shard.parse(text)


@pytest.mark.parametrize(
    ("path", "message"),
    [("a.txt", "--out must end in .csv or .jsonl or .parquet"), ("no/a.csv", "There is no folder")],
)
def test_a_file_that_cannot_be_is_told(path, message, tmp_path):
    with pytest.raises(UserError, match=message):
        Out(tmp_path / path).begin()


def test_bad_files_among_many_are_told_one_by_one(photos):
    bad = []
    found = list(predict_each(Brightness(), [photos], on_bad=lambda *each: bad.append(each)))
    assert len(found) == 10
    assert [pathlib.Path(name).name for name, _ in bad] == [f"{n:04} ä.png" for n in BAD]
    with pytest.raises(UserError, match="0003 ä.png' cannot be read as an image: it is damaged."):
        list(predict_each(Brightness(), [photos]))


def test_few_images_are_in_memory_at_a_time(photos):
    """However many there are, and however slow it is who takes the answers."""
    taken = 0

    def counted():
        nonlocal taken
        for item in items([str(photos)]):
            taken += 1
            yield item

    model = Brightness()
    model.batch_size = 1
    batches = answers(model, counted())
    next(batches)
    assert taken <= IN_FLIGHT
    batches.close()
