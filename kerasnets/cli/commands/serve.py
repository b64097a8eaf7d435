"""``kerasnets serve``."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

from tyro.conf import OmitArgPrefixes, Positional

from kerasnets.cli.loading import load_tensorflow
from kerasnets.errors import UserError
from kerasnets.lazy import installed
from kerasnets.serving.config import ServerConfig


@dataclass(frozen=True)
class Serve:
    """Serve SavedModels over HTTP, as TensorFlow Serving does.

    New versions are loaded without a failed request. Ctrl-C ends the server.
    """

    server: OmitArgPrefixes[ServerConfig]
    folder: Positional[pathlib.Path | None] = None
    """Folder of a SavedModel's versions, or of several such folders."""

    def run(self) -> None:
        if (self.folder is None) == (self.server.config is None):
            raise UserError(
                "Give the folder of SavedModels: kerasnets serve savedmodels; or --config FILE."
            )
        if self.server.config is not None and self.server.versions != ServerConfig.versions:
            raise UserError(
                "--versions is for a folder of SavedModels; in --config each model has its "
                "model_version_policy."
            )
        needed = (
            "fastapi",
            "prometheus_client",
            "python_multipart",
            "tensorflow_serving",
            "uvicorn",
        )
        missing = [name for name in needed if not installed(name)]
        if missing:
            raise UserError(
                f"kerasnets serve needs {', '.join(missing)}: pip install 'kerasnets[serving]'."
            )
        load_tensorflow(keras="none")
        from kerasnets.serving.app import serve

        serve(self.folder, self.server)
