"""The one way to a model of any kind: a word becomes an `ImageModel`.

A kind of model has one module, which is imported when such a model is opened.
"""

from __future__ import annotations

import os
import pathlib
from typing import Literal, NamedTuple

from kerasnets.errors import UserError
from kerasnets.export.versions import versions
from kerasnets.prediction.config import ClientConfig
from kerasnets.prediction.prediction import ImageModel
from kerasnets.registry import list_models
from kerasnets.runs.run import Run

Kind = Literal["savedmodel", "run", "litert", "onnx", "server"]
# What a file of a format ends in, and what the format's versions hold.
ENDINGS: dict[str, Kind] = {".tflite": "litert", ".onnx": "onnx"}
# Kinds that need TensorFlow.
HEAVY = ("savedmodel", "run")


class Found(NamedTuple):
    """A model that is there; nothing of it is loaded.

    Attributes:
        kind: Which module opens it.
        where: Its file or folder, or its URL; of a SavedModel it may be the folder of versions.
    """

    kind: Kind
    where: str


def find_model(source: str | os.PathLike) -> Found:
    """What kind of model a word stands for.

    Args:
        source: A SavedModel, a LiteRT or ONNX file, the folder of its version or of all versions,
            a run folder, ``hf:OWNER/REPO`` of a published run, which is downloaded, or the URL of a
            model on a server.

    Raises:
        UserError: When there is no such model, or an unfinished run.
    """
    if str(source).startswith(("http://", "https://")):
        return Found("server", str(source))
    if str(source).startswith("hf:"):
        from kerasnets.pretrained.download import hub_folder

        source = hub_folder(str(source), without=("savedmodel/*", "litert/*"))
    path = pathlib.Path(source)
    if path.is_file():
        if path.suffix.lower() not in ENDINGS:
            raise UserError(f"A model's file ends in .tflite or .onnx. Received: {str(path)!r}.")
        return Found(ENDINGS[path.suffix.lower()], str(path))
    if not path.is_dir():
        hint = ""
        if str(source) in list_models():
            hint = (
                " It is a network's name: `kerasnets export` writes a SavedModel of the network "
                "with weights."
            )
        raise UserError(f"There is no SavedModel or run folder {str(path)!r}.{hint}")
    if versions(path) or (path / "saved_model.pb").is_file():
        return Found("savedmodel", str(path))
    for ending, kind in ENDINGS.items():
        # The newest version counts.
        for folder in [path, *reversed(versions(path, kind).values())]:
            if (folder / f"model{ending}").is_file():
                return Found(kind, str(folder / f"model{ending}"))
    if (path / "config.json").is_file():
        Run.load(path).check_finished()
        return Found("run", str(path))
    raise UserError(
        f"{str(path)!r} is neither a SavedModel (no saved_model.pb, no numbered versions) nor a "
        "run folder (no config.json), and holds no model.tflite and no model.onnx."
    )


def opened(model: str | os.PathLike | ImageModel) -> ImageModel:
    """The model of a word, or the model itself.

    Raises:
        UserError: When there is no such model, or it takes no image files.
    """
    if isinstance(model, (str, os.PathLike)):
        return open_model(model)
    if not hasattr(model, "answer"):
        raise UserError(
            "A model is a SavedModel, a run, a LiteRT or ONNX file or a server, or what open_model "
            f"gives. Received: {type(model).__name__} {getattr(model, 'name', '')!r}; "
            "kerasnets.export.export writes a SavedModel of a network."
        )
    return model


def open_model(source: str | os.PathLike, client: ClientConfig | None = None) -> ImageModel:
    """The model of a word, loaded.

    Args:
        source: See `find_model`.
        client: How a server is asked.

    Raises:
        UserError: When there is no such model, or it cannot be loaded.
    """
    kind, where = find_model(source)
    if kind == "savedmodel":
        from kerasnets.prediction.savedmodel import SavedModel

        return SavedModel(pathlib.Path(where))
    if kind == "run":
        from kerasnets.prediction.trained import TrainedModel

        return TrainedModel(Run.load(where))
    if kind == "litert":
        from kerasnets.prediction.litert import LiteRT

        return LiteRT(pathlib.Path(where))
    if kind == "onnx":
        from kerasnets.prediction.onnx import ONNX

        return ONNX(pathlib.Path(where))
    from kerasnets.prediction.client import Server

    return Server(where, client)
