"""Damaged and wrong weight files: a clear error, or exactly what was written; never a half."""

import json
import os
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
from kerasnets.weights import load_weights, save_weights
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


def without(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]


DAMAGE = {
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
}


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
def test_damage_is_told_and_the_model_untouched(kind, good, tmp_path) -> None:
    file, damage, message = DAMAGE[kind]
    path = tmp_path / file
    shutil.copy(good / file, path)
    damage(path)
    model = build(NAME)
    before = model.get_weights()
    with pytest.raises(UserError, match=message) as caught:
        load_weights(model, path, network=NAME)
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
            load_weights(model, path, network=NAME)
        except UserError:
            assert not any(array.any() for array in model.get_weights())
            continue
        loaded += 1
        same = [np.array_equal(a, b) for a, b in zip(expected, model.get_weights(), strict=True)]
        assert all(same)
    assert loaded < 75
