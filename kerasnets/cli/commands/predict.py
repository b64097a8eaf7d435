"""``kerasnets predict``."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes, Positional

from kerasnets.cli.loading import load_tensorflow
from kerasnets.errors import UserError
from kerasnets.prediction.config import ClientConfig
from kerasnets.prediction.prediction import check_images, image_files, model_kind

if TYPE_CHECKING:
    from kerasnets.prediction.prediction import Prediction


@dataclass(frozen=True)
class Predict:
    """Name what is on image files, by a SavedModel, a run or a server."""

    client: OmitArgPrefixes[ClientConfig]
    model: Positional[pathlib.Path]
    """SavedModel, folder of its versions, run folder, or hf:OWNER/REPO of `kerasnets publish`; the
    first image with --url or --grpc."""
    images: Positional[tuple[pathlib.Path, ...]]
    """Image files."""
    top: int = 3
    """Number of classes to name for each image, up to five."""
    json: bool = False
    """Print one JSON object for each image."""
    url: str | None = None
    """URL of a model on a server, http://HOST:8501/v1/models/NAME."""
    grpc: str | None = None
    """Address of a gRPC server, HOST:8500; needs --name."""
    name: str | None = None
    """Name of the model on the gRPC server."""

    def run(self) -> None:
        if not 1 <= self.top <= 5:
            raise UserError(f"--top must be 1 to 5. Received: {self.top}.")
        for found in self._progress(self._predictions()):
            best = list(zip(found.classes, found.scores, strict=True))[: self.top]
            if self.json:
                answer = [{"class": name, "score": score} for name, score in best]
                print(json.dumps({"image": str(found.image), "top": answer}))
            else:
                print(f"{found.image}:", ", ".join(f"{name} {score:.2%}" for name, score in best))

    def _predictions(self) -> Iterable[Prediction]:
        if self.url and self.grpc:
            raise UserError("Give --url or --grpc, not both.")
        if bool(self.grpc) != bool(self.name):
            raise UserError("--grpc HOST:PORT and --name NAME go together.")
        if self.url:
            from kerasnets.prediction.client import predict_rest

            return predict_rest(self.url, (self.model, *self.images), self.client)
        if self.grpc and self.name:
            image_files((self.model, *self.images))
            load_tensorflow()
            from kerasnets.prediction.client import predict_grpc

            return predict_grpc(self.grpc, self.name, (self.model, *self.images), self.client)
        if not self.images:
            raise UserError("Give one image file at least: kerasnets predict MODEL IMAGE...")
        check_images(image_files(self.images))
        model = self._local_model()
        model_kind(model)
        load_tensorflow()
        from kerasnets.prediction.predictor import predict

        return predict(model, self.images)

    def _local_model(self) -> pathlib.Path:
        """The folder of the model, downloaded where it is one of the hub."""
        if not str(self.model).startswith("hf:"):
            return self.model
        from kerasnets.pretrained.download import hub_folder

        return hub_folder(str(self.model), without=("savedmodel/*", "litert/*"))

    def _progress(self, predictions: Iterable[Prediction]) -> Iterable[Prediction]:
        """Shows a bar on the terminal while a server is asked."""
        import rich.console
        import rich.progress

        with rich.progress.Progress(
            *rich.progress.Progress.get_default_columns(),
            rich.progress.MofNCompleteColumn(),
            console=rich.console.Console(stderr=True),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
            disable=not sys.stderr.isatty() or not (self.url or self.grpc),
        ) as progress:
            yield from progress.track(predictions, total=1 + len(self.images), description="images")
