"""Damaged and wrong weight files: a clear error, or exactly what was written; never a half."""

import io
import json
import os
import pathlib
import pickle
import re
import shutil
import struct
import zipfile

import h5py
import keras
import numpy as np
import pytest
import safetensors.numpy

from kerasnets import UserError, build
from kerasnets.pretrained import load_weights
from kerasnets.weights import save_tensors, save_weights
from tests.models.keras_applications import randomize

NAME = "lenet5_modern"


@pytest.fixture(scope="module")
def network() -> keras.Model:
    model = build(NAME)
    randomize(model)
    return model


@pytest.fixture(scope="module")
def good(network, tmp_path_factory):
    """The same weights in each format; those called ``keras`` as Keras writes them."""
    folder = tmp_path_factory.mktemp("good")
    for ending in (".safetensors", ".weights.h5"):
        save_weights(network, folder / f"ours{ending}")
    network.save_weights(folder / "keras.weights.h5")
    network.save(folder / "keras.keras")
    network.save(folder / "keras.h5")
    return folder


def edited(path, change):
    """A safetensors file with other tensors and no checksums."""
    tensors = safetensors.numpy.load_file(path)
    change(tensors)
    safetensors.numpy.save_file(tensors, path)


def with_header(path, change):
    """A safetensors file with another header."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


def with_byte(path, position, value=None):
    content = bytearray(path.read_bytes())
    content[position] = content[position] ^ 0xFF if value is None else value
    path.write_bytes(content)


def in_hdf5(change):
    """Changes what is in an HDF5 file, or in that of an archive."""

    def damage(path):
        if path.suffix != ".keras":
            with h5py.File(path, "r+") as file:
                change(file, path.parent)
            return
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        inner = io.BytesIO(content["model.weights.h5"])
        with h5py.File(inner, "r+") as file:
            change(file, path.parent)
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in {**content, "model.weights.h5": inner.getvalue()}.items():
                archive.writestr(name, text)

    return damage


def replaced(name, make):
    """Puts something else in the place of a member of an HDF5 file."""

    def change(file, folder):
        del file[name]
        file[name] = make(file, folder)

    return in_hdf5(change)


def to_pipe(file, folder):
    """Whoever opens it waits for ever."""
    os.mkfifo(folder / "pipe")
    return h5py.ExternalLink(str(folder / "pipe"), "/")


def to_file(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["array"] = np.zeros((5, 5, 1, 6), "float32")
    return h5py.ExternalLink("other.h5", "array")


def nested(file, folder):
    group = file
    for _ in range(300):
        group = group.create_group("layers")


def stored_elsewhere(file, folder):
    (folder / "raw").write_bytes(bytes(600))
    where = [(str(folder / "raw"), 0, 600)]
    return file.create_dataset("elsewhere", (5, 5, 1, 6), "float32", external=where)


def virtual(file, folder):
    layout = h5py.VirtualLayout((5, 5, 1, 6), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "array", (5, 5, 1, 6))
    return file.create_virtual_dataset("virtual", layout)


def repacked(method):
    """Another compression, and a byte of the compressed data turned."""

    def damage(path):
        with zipfile.ZipFile(path) as archive:
            content = archive.read("model.weights.h5")
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("model.weights.h5", content)
        with_byte(path, 200)

    return damage


def with_flags(position, value):
    """Changes both headers of the weights in an archive: the local one and the directory's."""

    def damage(path):
        with zipfile.ZipFile(path) as archive:
            content = archive.read("model.weights.h5")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model.weights.h5", content)
        directory = path.read_bytes().rindex(b"PK\x01\x02")
        with_byte(path, position, value)
        with_byte(path, directory + position + 2, value)

    return damage


def with_value(name, value):
    """One number of a tensor in a safetensors file, its checksum right."""

    def damage(path):
        tensors = safetensors.numpy.load_file(path)
        tensors[name] = tensors[name].astype(np.asarray(value).dtype)
        tensors[name].reshape(-1)[-1] = value
        save_tensors(path, tensors)

    return damage


DEEP = "[" * 100_000


def with_metadata(**values):
    return lambda path: with_header(path, lambda head: head["__metadata__"].update(values))


def without(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]


def unpacking_to(size: int):
    """An archive that says little of what comes out of it."""

    def damage(path: pathlib.Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("model.weights.h5", bytes(size))

    return damage


DAMAGE = {
    "an archive that unpacks to far more": (
        "keras.keras",
        unpacking_to(10 << 20),
        "is damaged: its model.weights.h5 unpacks to 10,485,760 bytes",
    ),
    "missing": ("ours.safetensors", lambda path: path.unlink(), "There is no weight file"),
    "empty": ("ours.safetensors", lambda path: path.write_bytes(b""), "Found an empty file"),
    "web page": (
        "ours.weights.h5",
        lambda path: path.write_text("<!DOCTYPE html><title>404</title>"),
        "Found a web page",
    ),
    "picture": ("keras.keras", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n1234"), "Found b'"),
    "truncated safetensors": (
        "ours.safetensors",
        lambda path: os.truncate(path, path.stat().st_size - 1000),
        "is damaged: ",
    ),
    "truncated hdf5": (
        "ours.weights.h5",
        lambda path: os.truncate(path, path.stat().st_size // 2),
        "is damaged: .*truncated",
    ),
    "truncated archive": (
        "keras.keras",
        lambda path: os.truncate(path, path.stat().st_size // 2),
        "is damaged: File is not a zip file",
    ),
    "a flip in the data of safetensors": (
        "ours.safetensors",
        lambda path: with_byte(path, -5000),
        "is damaged: the checksum of .* is ",
    ),
    "a flip in the data of hdf5": (
        "ours.weights.h5",
        lambda path: with_byte(path, -5000),
        "is damaged: its checksum is ",
    ),
    "a flip in the data of an archive": (
        "keras.keras",
        lambda path: with_byte(path, path.stat().st_size // 2),
        "is damaged: Bad CRC-32",
    ),
    "missing tensors": (
        "ours.safetensors",
        lambda path: edited(path, lambda tensors: tensors.pop("conv1/kernel")),
        "1 tensors are missing: conv1/kernel",
    ),
    "extra tensors": (
        "ours.safetensors",
        lambda path: edited(path, lambda tensors: tensors.update(more=np.zeros(3, "float32"))),
        "1 do not belong to it: more",
    ),
    "wrong shapes": (
        "ours.safetensors",
        lambda path: edited(
            path, lambda tensors: tensors.update({"conv1/kernel": np.zeros((3, 3, 1, 6), "f4")})
        ),
        r"1 have another shape: conv1/kernel has shape \(3, 3, 1, 6\), expected \(5, 5, 1, 6\)",
    ),
    "whole numbers": (
        "ours.safetensors",
        lambda path: edited(
            path, lambda tensors: tensors.update({"conv1/bias": np.zeros(6, "int32")})
        ),
        "1 hold no floating-point numbers: conv1/bias holds I32",
    ),
    "a name twice over": (
        "ours.safetensors",
        lambda path: with_header(path, lambda head: head.update(other=head["conv1/bias"])),
        "is damaged: ",
    ),
    "a list of checksums for other tensors": (
        "ours.safetensors",
        lambda path: with_header(
            path, lambda head: head["__metadata__"].update(crc32='{"conv1/kernel": "00000000"}')
        ),
        "its list of checksums and its tensors differ",
    ),
    "missing layers": (
        "keras.weights.h5",
        lambda path: without(path, "layers/conv2d"),
        "2 tensors are missing: conv1/0, conv1/1",
    ),
    "an archive of another kind": (
        "keras.keras",
        lambda path: zipfile.ZipFile(path, "w").close() or with_member(path, "notes.txt"),
        "was not read, its code was not run|holds no dictionary",
    ),
    "hdf5 of another kind": (
        "keras.weights.h5",
        lambda path: h5py.File(path, "w").close(),
        "is an HDF5 file without layers of Keras",
    ),
    "a pickle of something else": (
        "ours.safetensors",
        lambda path: path.write_bytes(pickle.dumps(["a", "list"], protocol=2)),
        "was not read, its code was not run|holds no dictionary of tensors",
    ),
    "a link to another file": (
        "keras.weights.h5",
        replaced("layers/conv2d/vars/0", to_file),
        "is damaged: /layers/conv2d/vars/0 is a link to another file, 'other.h5'",
    ),
    "a link to a pipe": (
        "keras.weights.h5",
        replaced("layers", to_pipe),
        "is damaged: /layers is a link to another file, '.*pipe'",
    ),
    "a link to a pipe beside the layers": (
        "ours.weights.h5",
        in_hdf5(lambda file, folder: file.update(more=to_pipe(file, folder))),
        "is damaged: its checksum is|is a link to another file",
    ),
    "a link to a pipe in the older format": (
        "keras.h5",
        replaced("model_weights", to_pipe),
        "is damaged: /model_weights is a link to another file",
    ),
    "a link to another file in an archive": (
        "keras.keras",
        replaced("layers/conv2d/vars/0", to_file),
        "is damaged: /layers/conv2d/vars/0 is a link to another file, 'other.h5'",
    ),
    "a link to itself": (
        "keras.weights.h5",
        replaced("layers", lambda file, folder: h5py.SoftLink("/layers")),
        "10 tensors are missing: conv1/0",
    ),
    "groups in groups": (
        "keras.weights.h5",
        in_hdf5(lambda file, folder: nested(file["layers"], folder)),
        "is damaged: its groups are nested more than 100 deep",
    ),
    "an array in place of the layers": (
        "keras.weights.h5",
        replaced("layers", lambda file, folder: np.zeros(3)),
        "tensors are missing",
    ),
    "a group in place of an array": (
        "keras.weights.h5",
        replaced("layers/conv2d/vars/0", lambda file, folder: file.create_group("other")),
        "is damaged: .* is not a plain array of numbers",
    ),
    "an array kept in another file": (
        "keras.weights.h5",
        replaced("layers/conv2d/vars/0", stored_elsewhere),
        "is damaged: .* is not a plain array of numbers",
    ),
    "an array made of other files": (
        "keras.weights.h5",
        replaced("layers/conv2d/vars/0", virtual),
        "is damaged: .* is not a plain array of numbers",
    ),
    "a layer without a name": (
        "keras.weights.h5",
        in_hdf5(lambda file, folder: file["layers/conv2d/vars"].attrs.clear()),
        "does not name its layers",
    ),
    "a layer of the older format that is an array": (
        "keras.h5",
        replaced("model_weights/conv1", lambda file, folder: np.zeros(3)),
        "is damaged: |tensors are missing: conv1/0",
    ),
    "an archive with a password": (
        "keras.keras",
        with_flags(6, 1),
        "is damaged: .*encrypted, password required",
    ),
    "an archive of an unknown compression": (
        "keras.keras",
        with_flags(8, 99),
        "is damaged: .*compression",
    ),
    "a flip in an LZMA archive": ("keras.keras", repacked(zipfile.ZIP_LZMA), "is damaged: "),
    "a flip in a bzip2 archive": ("keras.keras", repacked(zipfile.ZIP_BZIP2), "is damaged: "),
    "deep checksums": (
        "ours.safetensors",
        with_metadata(crc32=DEEP),
        "its list of checksums cannot be read \\(it is nested too deeply\\)",
    ),
    "a header nested deeply": (
        "ours.safetensors",
        lambda path: path.write_bytes(
            struct.pack("<Q", 100_006) + b'{"a":' + b"[" * 100_000 + b"}"
        ),
        "is damaged: ",
    ),
    "NaN": (
        "ours.safetensors",
        with_value("conv1/bias", np.float32("nan")),
        "cannot be used: conv1/bias \\(for conv1/bias\\) holds NaN, expected finite numbers",
    ),
    "an infinite weight": (
        "ours.safetensors",
        with_value("logits/kernel", np.float32("-inf")),
        "cannot be used: logits/kernel .* holds infinite numbers",
    ),
    "an infinite weight of half precision": (
        "ours.safetensors",
        with_value("logits/kernel", np.float16("inf")),
        "cannot be used: logits/kernel .* holds infinite numbers",
    ),
    "a number that float32 does not have": (
        "ours.safetensors",
        with_value("conv1/bias", np.float64(1e300)),
        "cannot be used: conv1/bias .* holds infinite numbers",
    ),
    "NaN in hdf5": (
        "keras.weights.h5",
        replaced("layers/conv2d/vars/1", lambda file, folder: np.full(6, np.nan, "float32")),
        "cannot be used: conv1/1 \\(for conv1/bias\\) holds NaN",
    ),
    "an infinite weight in an archive": (
        "keras.keras",
        replaced("layers/conv2d/vars/1", lambda file, folder: np.full(6, np.inf, "float32")),
        "cannot be used: conv1/1 .* holds infinite numbers",
    ),
    "NaN in the older format": (
        "keras.h5",
        in_hdf5(lambda file, folder: file["model_weights/conv1"].visititems(with_nan)),
        "cannot be used: conv1/[01] .* holds NaN",
    ),
}


def with_nan(name, item):
    if isinstance(item, h5py.Dataset):
        item[...] = np.nan


def with_member(path, name):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "hello")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            marks=[pytest.mark.needs("torch")]
            if re.search("PyTorch|code was not run", message)
            else [],
        )
        for kind, (_, _, message) in DAMAGE.items()
    ],
)
@pytest.mark.timeout(60)
def test_damage_is_told_and_the_model_untouched(kind, good, tmp_path) -> None:
    file, damage, message = DAMAGE[kind]
    path = tmp_path / file
    shutil.copy(good / file, path)
    damage(path)
    model = build(NAME)
    before = model.get_weights()
    with pytest.raises(UserError, match=message) as caught:
        load_weights(model, path)
    assert "\n" not in str(caught.value)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("file", "structure"),
    [
        ("ours.safetensors", slice(0, 1200)),
        ("ours.weights.h5", slice(0, None)),
        # Keras records no checksum: the test keeps to the part of its file that says what is
        # where, and takes what h5py cannot tell from a good file.
        ("keras.weights.h5", slice(0, 4096)),
    ],
)
def test_fuzz(file, structure, good, network, tmp_path) -> None:
    """100 truncations and flips: a clear error, or the exact weights."""
    content = (good / file).read_bytes()
    draw = np.random.default_rng(11)
    model = build(NAME)
    zeros = [np.zeros_like(array) for array in model.get_weights()]
    expected = network.get_weights()
    path = tmp_path / file
    loaded = 0
    for trial in range(100):
        broken = bytearray(content)
        if trial % 4 == 0:
            del broken[draw.integers(0, len(broken)) :]
        else:
            positions = range(*structure.indices(len(broken)))
            broken[draw.choice(positions)] ^= 1 << draw.integers(0, 8)
        path.write_bytes(broken)
        model.set_weights(zeros)
        try:
            load_weights(model, path)
        except UserError:
            assert not any(array.any() for array in model.get_weights())
            continue
        loaded += 1
        same = [np.array_equal(a, b) for a, b in zip(expected, model.get_weights(), strict=True)]
        assert all(same)
    assert loaded < 75
