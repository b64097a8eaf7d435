"""Reading the tensors of a weight file: safetensors and PyTorch pickles."""

from __future__ import annotations

import os
import pathlib
import pickle

import numpy as np

from kerasnets.errors import UserError

# A zip archive (torch >= 1.6), and pickles of protocols 2 and 4 (older).
_TORCH_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04")


def file_format(path: str | os.PathLike) -> str:
    """``"safetensors"`` or ``"torch"``, told by the content and not by the file's name.

    Raises:
        UserError: When there is no such file, or it is none of these.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"There is no weight file {str(path)!r}.")
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(_TORCH_MAGIC):
        return "torch"
    if head[8:9] == b"{":
        return "safetensors"
    found = "a web page" if head.lstrip().lower().startswith(b"<") else f"{head[:8]!r}..."
    raise UserError(
        f"{str(path)!r} is no weight file: expected safetensors or a PyTorch file. "
        f"Found {found if head else 'an empty file'}."
    )


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a safetensors or PyTorch file by name, with common wrappings removed.

    PyTorch files are read with ``weights_only=True``: a pickle that holds code is refused.

    Raises:
        UserError: When the file is missing, damaged or of another kind.
    """
    read = {"safetensors": _read_safetensors, "torch": _read_torch}[file_format(path)]
    return read(path)


def _read_safetensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise UserError(f"{str(path)!r} is damaged: {error}.") from error


def _read_torch(path: str | os.PathLike) -> dict[str, np.ndarray]:
    try:
        import torch
    except ModuleNotFoundError:
        raise UserError(
            f"{str(path)!r} is a PyTorch file; reading it needs torch: "
            "pip install 'kerasnets[torch]'."
        ) from None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{str(path)!r} was not read, its code was not run: {reason}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    tensors = isinstance(content, dict) and {
        name.removeprefix("module."): value.numpy()
        for name, value in content.items()
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise UserError(f"{str(path)!r} holds no dictionary of tensors.")
    return tensors
