"""TensorFlow Serving's ``models.config``."""

from __future__ import annotations

import pathlib

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from kerasnets.errors import UserError
from kerasnets.serving.repository import ModelSource


def read(path: pathlib.Path) -> list[ModelSource]:
    """The models that a ``models.config`` lists. A relative ``base_path`` starts at its folder.

    Raises:
        UserError: When the file cannot be read, or lists a model without a folder.
    """
    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise UserError(f"{str(path)!r} cannot be read as a models.config: {error}") from error
    sources = [_source(model, path) for model in config.model_config_list.config]
    if not sources:
        raise UserError(f"{str(path)!r} lists no models (model_config_list).")
    return sources


def _source(model: model_server_config_pb2.ModelConfig, path: pathlib.Path) -> ModelSource:
    folder = path.parent / model.base_path
    if not model.name or not folder.is_dir():
        raise UserError(f"{str(path)!r}: the model {model.name!r} has no folder {str(folder)!r}.")
    policy = model.model_version_policy
    only = None
    newest: float = 1
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        newest = float("inf")
    elif kind == "specific":
        only, newest = frozenset(policy.specific.versions), float("inf")
    elif kind == "latest":
        newest = policy.latest.num_versions or 1
    return ModelSource(model.name, folder.resolve(), newest, only, dict(model.version_labels))
