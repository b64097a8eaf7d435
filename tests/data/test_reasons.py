"""What is wrong with a file, in the same words wherever it is read."""

import asyncio
import base64
import bz2
import csv
import functools
import gzip
import io
import json
import pathlib
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kerasnets import TrainConfig, UserError, recipe, train
from kerasnets.data import (
    Dataset,
    Fetched,
    Paths,
    Split,
    check,
    marks,
    statistics,
    write_tfrecords,
)
from kerasnets.data.bad_images import (
    find_bad_images,
    image_reason,
    naming_bad_images,
    read_list,
    without_bad_images,
    write_list,
)
from kerasnets.data.images import decode
from kerasnets.data.reasons import IMAGE_LENGTH, one_line
from kerasnets.export.signatures import decoded
from kerasnets.inputs import Preprocessing
from kerasnets.prediction import predict
from kerasnets.serving import ServerConfig
from kerasnets.serving.repository import Repository
from kerasnets.serving.rest import RestApi
from kerasnets.serving.status import RequestError


def encoded(kind: str, image: Image.Image | None = None, **options) -> bytes:
    if image is None:
        coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((64, 48))
    with io.BytesIO() as file:
        image.save(file, kind, **options)
        return file.getvalue()


def changed(content: bytes, at: int, value: bytes) -> bytes:
    return content[:at] + value + content[at + len(value) :]


JPEG, PNG, BMP, GIF, WEBP = map(encoded, ("JPEG", "PNG", "BMP", "GIF", "WEBP"))
PALETTE = encoded("BMP", Image.new("P", (20, 10)))
NONE = marks.REFUSAL
RARE = "a BMP of a rare kind: compressed, of 16 bits, or older than Windows 3"
BAD = {
    "gzip": (gzip.compress(JPEG), f"{NONE}it is gzip-compressed"),
    "bzip2": (bz2.compress(b""), f"{NONE}it begins with the bytes 42 5a 68 39 17 72 45 38"),
    "one byte": (b"\xff", f"{NONE}it begins with the bytes ff"),
    "no UTF-8": (b"\x80\x81\x82 not an image", f"{NONE}it begins with the bytes 80 81 82 20 6e 6f"),
    "empty": (b"", f"{NONE}it is empty"),
    "text": (b"BMW is no bitmap at all", f"{NONE}it begins with the bytes 42 4d 57"),
    "HTML": (b"<html>404</html>", f"{NONE}it is HTML or XML"),
    "PDF": (b"%PDF-1.7", f"{NONE}it is a PDF"),
    "ZIP": (b"PK\3\4" + bytes(30), f"{NONE}it is a ZIP archive"),
    "TIFF": (encoded("TIFF"), f"{NONE}it is a TIFF"),
    "HEIC": (b"\0\0\0\x18ftypheic", f"{NONE}it is a HEIC, AVIF or MP4"),
    "JPEG XL": (b"\xff\x0a\xfa\x1f", f"{NONE}it is a JPEG XL"),
    "JPEG 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", f"{NONE}it is a JPEG 2000"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\n", f"{NONE}it is a Git LFS pointer"),
    "zeros": (bytes(100), f"{NONE}it is zeros at its beginning"),
    "WAV": (b"RIFF\xa4\0\0\0WAVEfmt ", f"{NONE}it begins with the bytes 52 49 46 46 a4 00 00 00"),
    "start of a JPEG": (JPEG[:3], "a JPEG that ends early"),
    "half a JPEG": (JPEG[: len(JPEG) // 2], "a JPEG that ends early"),
    "JPEG without its end": (JPEG[:-2], "a JPEG that ends early"),
    "JPEG of nothing": (b"\xff\xd8\xff\xd9", "Invalid JPEG data, size 4"),
    "JPEG without height": (
        JPEG.replace(b"\xff\xc0\0\x11\x08\0\x30", b"\xff\xc0\0\x11\x08\0\0"), "Invalid JPEG data",
    ),
    "start of a PNG": (PNG[:8], "a PNG that ends early"),
    "half a PNG": (PNG[: len(PNG) // 2], "a PNG that ends early"),
    "damaged PNG": (changed(PNG, 60, b"\xff" * 9), "Invalid PNG data, size"),
    "PNG by FTP": (PNG.replace(b"\r\n", b"\n", 1), f"{NONE}it begins with the bytes 89 50 4e 47"),
    "header of a GIF": (GIF[:6], "a GIF that ends early"),
    "half a GIF": (GIF[: len(GIF) // 2], "a GIF that ends early"),
    "start of a BMP": (BMP[:20], "a BMP that ends early"),
    "half a BMP": (BMP[: len(BMP) // 2], "a BMP that ends early"),
    "palette alone": (PALETTE[:60], "a BMP that ends early"),
    "compressed BMP": (changed(PALETTE, 30, b"\1"), RARE),
    "16-bit BMP": (changed(BMP, 28, b"\x10"), RARE),
    "half a WebP": (WEBP[: len(WEBP) // 2], "a WebP that ends early"),
    "damaged WebP": (changed(WEBP, 20, bytes(40)), "Failed to decode WebP"),
    "animated WebP": (
        encoded("WEBP", save_all=True, append_images=[Image.new("RGB", (64, 48))]),
        "an animated WebP, which TensorFlow cannot decode",
    ),
    "large": (
        changed(PNG, 16, struct.pack(">II", 20_000, 4_500)),
        "larger than the limit of 89,478,485 pixels",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """All these files, among good ones."""
    root = tmp_path_factory.mktemp("bad") / "images"
    for label in ("cats", "dogs"):
        (root / label).mkdir(parents=True)
        (root / label / "good.jpg").write_bytes(JPEG)
    for name, (content, _) in BAD.items():
        (root / "cats" / f"{name}.jpg").write_bytes(content)
    (root / "cats" / "gone.jpg").symlink_to("nowhere; at all.jpg")
    return root


@pytest.fixture(scope="module")
def split(folder) -> Split:
    paths = sorted(map(str, folder.glob("*/*")))
    return Split(Paths(np.array(paths, object)), np.zeros(len(paths), np.int32))


@pytest.fixture(scope="module")
def found(split) -> dict[str, str]:
    """The reason for each bad file, by its name."""
    return {pathlib.Path(bad.name).stem: bad.reason for bad in find_bad_images(split, 3)}


@pytest.fixture(scope="module")
def served():
    """The errors of the decoding in a SavedModel's signatures, by the files of a batch."""
    before = Preprocessing(size=(8, 8))
    read = tf.function(lambda files: decoded(files, 3, before)).get_concrete_function(
        tf.TensorSpec([None], tf.string)
    )

    def error(*files: bytes) -> tf.errors.InvalidArgumentError:
        with pytest.raises(tf.errors.InvalidArgumentError) as info:
            read(tf.constant(files))
        return info.value

    # At once: each test begins with a new seed, which empties caches.
    batches = [*((content,) for content, _ in BAD.values()), (JPEG, b"", PNG, b"%PDF")]
    return {batch: error(*batch) for batch in batches}


@pytest.mark.parametrize("name", BAD)
def test_every_bad_file_has_its_reason_in_words(name, found, served):
    content, words = BAD[name]
    assert found[name].startswith(words)
    assert len(found[name]) <= IMAGE_LENGTH
    assert found[name].isascii()
    assert found[name].isprintable()
    # TensorFlow Serving shows the message as it is.
    assert found[name] in str(served[content,])
    assert image_reason(served[content,]) == found[name]


def test_good_files_have_none_and_missing_ones_the_systems(found):
    assert set(found) == {*BAD, "gone"}
    assert found["gone"] == "No such file or directory"


def test_words_are_the_same_outside_of_a_graph(found):
    for name, (content, words) in BAD.items():
        start = content[: marks.START]
        assert (marks.format_of(start) is None) == (NONE in words)
        assert NONE not in words or marks.refusal(start) == found[name]


def test_files_of_a_batch_are_counted(served):
    error = served[JPEG, b"", PNG, b"%PDF"]
    assert one_line(error) == f"{NONE}it is empty; image_bytes, counted from 0: 1, 3"


def test_the_whole_program_says_the_same(split, found, tmp_path, caplog):
    dataset = Dataset("bad", ("cats", "dogs"), {"train": split})
    (report,) = check(dataset).splits.values()
    assert {pathlib.Path(bad.name).stem: bad.reason for bad in report.bad} == found
    write_list(tmp_path / "bad_images.csv", report.bad)
    with (tmp_path / "bad_images.csv").open(newline="") as file:
        listed = {pathlib.Path(row["name"]).stem: row["reason"] for row in csv.DictReader(file)}
    assert listed == found
    with pytest.raises(UserError, match=r"cannot be read as an image: ") as error:
        statistics(split)
    assert found[pathlib.Path(str(error.value).split("'")[1]).stem] in str(error.value)
    readable = split.take(np.array([i for i in range(split.size) if "gone" not in split.name(i)]))
    write_tfrecords(Dataset("bad", ("cats", "dogs"), {"train": readable}), tmp_path / "packed")
    told = [message for message in caplog.messages if "packed as it is" in message]
    assert len(told) == len(BAD)
    for name in BAD:
        assert any(f"{name}.jpg" in each and found[name] in each for each in told)


def test_names_that_are_no_utf8_are_told():
    path = b"/nowhere/\xff\xfe; x.jpg".decode(errors="surrogateescape")
    split = Split(Paths(np.array([path], object)), np.zeros(1, np.int32))
    expected = pytest.raises(UserError, match=r"udcff.*as an image: No such file or directory\.")
    with expected, naming_bad_images([split], 3):
        list(split.records.epoch(0, 1).map(split.records.reader()))


def test_whatever_a_source_raises_is_the_fault_of_the_file():
    class Broken(Fetched):
        def fetch(self, index: int) -> bytes:
            page = self.values[index]
            raise RuntimeError(f"page {page} is torn") if page else ValueError("no page")

    split = Split(Broken(np.arange(2)), np.zeros(2, np.int32))
    reasons = [bad.reason for bad in find_bad_images(split, 3)]
    assert reasons == ["ValueError: no page", "RuntimeError: page 1 is torn"]


def test_animations_of_other_formats_are_read():
    image = Image.new("RGB", (8, 8), (1, 2, 3))
    content = encoded("GIF", image, save_all=True, append_images=[ImageOps.invert(image)])
    assert decode(tf.constant(content), 3).shape == (8, 8, 3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> pathlib.Path:
    """The folder of the versions of a model that takes image files as exports do."""
    folder = tmp_path_factory.mktemp("models") / "small"
    module, before = tf.Module(), Preprocessing(size=(8, 8))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def answer(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.cast(decoded(image_bytes, 3, before)[0], tf.float32)
        scores = tf.reduce_mean(pixels, axis=(1, 2))
        names = tf.fill(tf.shape(scores), "a colour")
        return {"probabilities": scores, "top_scores": scores, "top_classes": names}

    tf.saved_model.save(module, folder / "1", signatures={"serving_default": answer})
    return folder


@pytest.fixture(scope="module")
def api(exported):
    """The server's answers, without its process."""
    repository = Repository(ServerConfig(), exported.parent)
    repository.start()
    yield RestApi(repository, ServerConfig())
    repository.stop()


SAID_BY_ALL = ("gzip", "half a JPEG", "animated WebP", "no UTF-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, str]:
    """The reasons in the ``bad_images.csv`` of a training, by the files' names."""
    root = tmp_path_factory.mktemp("training")
    for label in ("cats", "dogs"):
        (root / "images" / "train" / label).mkdir(parents=True)
        (root / "images" / "test" / label).mkdir(parents=True)
        for split in ("train", "test"):
            (root / "images" / split / label / "good.png").write_bytes(PNG)
    for name in SAID_BY_ALL:
        (root / "images" / "train" / "cats" / f"{name}.jpg").write_bytes(BAD[name][0])
    config = TrainConfig(
        model="lenet5_modern",
        data=f"folder:{root / 'images'}",
        recipe=recipe("digits", batch_size=2, validation_fraction=0),
        out=root / "run",
        bad_images="skip",
    )
    with pytest.MonkeyPatch.context() as patch:
        skip = functools.partial(without_bad_images, most=1)
        patch.setattr("kerasnets.training.preparation.without_bad_images", skip)
        # The list is written before the first step.
        patch.setattr("kerasnets.training.trainer._finish", lambda *_: None)
        run = train(config)
    bad = read_list(run.folder / "bad_images.csv") or []
    return {pathlib.Path(each.name).stem: each.reason for each in bad}


@pytest.mark.parametrize("name", SAID_BY_ALL)
def test_data_check_training_predict_and_the_server_say_the_same(
    name, found, trained, exported, api, tmp_path
):
    path = tmp_path / "image.jpg"
    path.write_bytes(BAD[name][0])
    words = found[name]
    assert trained[name] == words
    with pytest.raises(UserError) as told:
        predict(exported, [path])
    assert str(told.value) == f"{str(path)!r} cannot be read as an image: {words}."
    instance = {"b64": base64.b64encode(path.read_bytes()).decode()}
    body = json.dumps({"instances": [instance]}).encode()
    with pytest.raises(RequestError) as answered:
        asyncio.run(api.answer("POST", "/v1/models/small:predict", body))
    assert answered.value.message == words
