"""PyTorch's weight files, read without running what they hold."""

from __future__ import annotations

import contextlib
import importlib
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kerasnets.errors import UserError
from kerasnets.files import whole
from kerasnets.weights.tensors import Stored, WeightFile, reading

# Names of modules had dots once; torchvision's files of DenseNets still have them.
DOTTED = re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.(\d)\.")


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[WeightFile]:
    """A file of tensors by name, common wrappings (``state_dict``, ``module.``) removed.

    Read with ``weights_only=True``: a pickle that holds code is refused.

    Raises:
        UserError: When torch is not installed, or the file is damaged or holds something else.
    """
    torch = _torch(f"{str(path)!r} is a PyTorch file; reading it")
    content = _load(torch, path)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    with reading(path):
        tensors = isinstance(content, dict) and {
            DOTTED.sub(r"\1\2.", str(name).removeprefix("module.")): _stored(path, name, value)
            for name, value in content.items()
            if isinstance(value, torch.Tensor)
        }
    if not tensors:
        keys = f" of {', '.join(map(str, content))[:100]}" if isinstance(content, dict) else ""
        raise UserError(
            f"{str(path)!r} holds no dictionary of tensors by name, but a "
            f"{type(content).__name__}{keys}."
        )
    yield WeightFile(path, tensors)


def _load(torch: Any, path: pathlib.Path) -> object:
    try:
        # An open file: by a path that ends in .safetensors torch would take it for that.
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    # On a damaged file it raises anything.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{str(path)!r} was not read, its code was not run: {reason}") from error


def _stored(path: pathlib.Path, name: object, tensor: Any) -> Stored:
    kinds = {
        "sparse": not str(tensor.layout).endswith("strided"),
        "quantized": tensor.is_quantized,
        "meta": tensor.is_meta,
    }
    for kind, found in kinds.items():
        if found:
            raise UserError(
                f"{str(path)!r} cannot be used: {name} is a {kind} tensor, expected a dense one "
                "of floating-point numbers."
            )

    def read(start: int, stop: int) -> np.ndarray:
        with reading(path):
            # A parameter asks for gradients, and numpy has no bfloat16.
            rows = tensor.detach()[start:stop] if tensor.ndim else tensor.detach()
            return (rows.float() if rows.is_floating_point() else rows).numpy()

    return Stored(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), read)


def save(path: str | os.PathLike, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a dictionary of tensors as ``torch.save`` does, completely or not at all.

    Raises:
        UserError: When torch is not installed, or the file cannot be written.
    """
    torch = _torch(f"Writing the PyTorch file {os.fspath(path)!r}")
    # A scalar's ascontiguousarray has one axis; its copy has none.
    state = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
    with whole(path) as partial, partial.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # PyTorch raises it while it ends the file, whatever the disk said before.
            before = error.__context__
            said = before.strerror if isinstance(before, OSError) else None
            raise OSError(said or str(error).partition("\n")[0]) from error


def _torch(what: str) -> Any:
    """The module torch, which is installed where the user wants it."""
    try:
        return importlib.import_module("torch")
    except ModuleNotFoundError:
        raise UserError(f"{what} needs torch: pip install 'kerasnets[torch]'.") from None
