"""``kerasnets predict``."""

from __future__ import annotations

import json
import logging
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional

from kerasnets.cli.counting import Counter
from kerasnets.cli.loading import load_tensorflow
from kerasnets.errors import UserError
from kerasnets.prediction.config import ClientConfig, RunnerConfig
from kerasnets.prediction.models import HEAVY, find_model
from kerasnets.prediction.prediction import check_images, image_files
from kerasnets.prediction.sources import STANDARD_INPUT, count, items, single_files

if TYPE_CHECKING:
    from kerasnets.prediction.prediction import ImageModel, Prediction
    from kerasnets.prediction.writing import Out

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class Predict:
    """Predict on image files, by an export, a run or a server."""

    client: OmitArgPrefixes[ClientConfig]
    runner: OmitArgPrefixes[RunnerConfig]
    model: Positional[str]
    """SavedModel, .tflite or .onnx file, folder of versions, run, hf:OWNER/REPO of
    `kerasnets publish`, or URL of a model on a server."""
    sources: Positional[tuple[str, ...]]
    """Image files, folders, patterns, manifest:FILE, records:PATH, or - for names on the input."""
    top: int = 3
    """Number of classes to name for each image, up to five."""
    json: bool = False
    """Print one JSON object for each image."""
    out: pathlib.Path | None = None
    """File to write to instead: .csv, .jsonl or .parquet; bad files are listed beside it."""
    all: bool = False
    """Write the probabilities of all classes, with --out."""
    embeddings: bool = False
    """Write what the classifier takes of each image, a vector, in place of classes; with --out."""
    resume: bool = False
    """Go on with what a stopped command has written to --out."""
    overwrite: bool = False
    """Replace what --out names."""
    shard: str = "1/1"
    """Part I/N of the images for one of N machines, with --out; kerasnets merge joins the files."""
    bad_files: Literal["skip", "fail"] | None = None
    """What a file that cannot be read does; skip with --out and fail without it if not given."""
    url: str | None = None
    """URL of a model on a server, http://HOST:8501/v1/models/NAME, in the place of the model."""
    grpc: str | None = None
    """Address of a gRPC server, HOST:8500; needs --name."""
    name: str | None = None
    """Name of the model on the gRPC server."""

    def run(self) -> None:
        out = self._check()
        if self.grpc and self.name:
            return self._ask_grpc(self.grpc, self.name)
        if out and not out.begin(resume=self.resume, overwrite=self.overwrite):
            return None
        model, sources = (self.url or self.model), self._sources()
        if out and self.runner.runner == "beam":
            return self._by_beam(find_model(model).where, sources, out)
        if self._policy() == "fail":
            check_images([pathlib.Path(file) for file in single_files(sources)])
        total = count(sources)
        found = find_model(model)
        if found.kind in HEAVY:
            load_tensorflow()
        from kerasnets.prediction.models import open_model

        opened = open_model(found.where, self.client)
        if out:
            return self._write(opened, sources, out, total)
        return self._print_all(opened, sources, total)

    def _check(self) -> Out | None:
        """Refuses flags that do not go together; returns where the answers go."""
        if not 1 <= self.top <= 5:
            raise UserError(f"--top must be 1 to 5. Received: {self.top}.")
        if self.url and self.grpc:
            raise UserError("Give --url or --grpc, not both.")
        if self.grpc and self.bad_files == "skip":
            raise UserError("--bad-files skip is not for --grpc; ask the server by --url.")
        if bool(self.grpc) != bool(self.name):
            raise UserError("--grpc HOST:PORT and --name NAME go together.")
        if not self._sources():
            raise UserError("Give one image file at least: kerasnets predict MODEL IMAGE...")
        if self.out is None:
            for flag in ("all", "embeddings", "resume", "overwrite"):
                if getattr(self, flag):
                    raise UserError(f"--{flag} goes with --out FILE.")
            if self.shard != "1/1":
                raise UserError("--shard goes with --out FILE.")
            if self.runner.runner != "here":
                raise UserError("--runner beam goes with --out FILE.")
            return None
        if self.grpc:
            raise UserError("--out is not for --grpc; ask the server by --url.")
        if self.json:
            raise UserError("--json prints; --out FILE.jsonl writes the same.")
        if self.runner.runner != "here" and self.shard != "1/1":
            raise UserError(
                "--shard is for one of N machines; --runner beam has --runner-shards N."
            )
        from kerasnets.prediction.shards import Shard
        from kerasnets.prediction.writing import Out

        shard = Shard.parse(self.shard)
        return Out(
            self.out,
            self.top,
            all=self.all,
            embeddings=self.embeddings,
            about={"model": self.model, "weights": None, "options": {}},
            shard=shard,
            bad_files=self._policy(),
        )

    def _sources(self) -> tuple[str, ...]:
        return (self.model, *self.sources) if self.url or self.grpc else self.sources

    def _policy(self) -> Literal["skip", "fail"]:
        return self.bad_files or ("skip" if self.out else "fail")

    def _write(
        self, model: ImageModel, sources: tuple[str, ...], out: Out, total: int | None
    ) -> None:
        from kerasnets.prediction.writing import write_answers

        if total is not None:
            total = len(range(out.shard.index - 1, total, out.shard.count))
        with Counter(total) as counter:
            done = write_answers(
                model, items(sources), out, overwrite=self.overwrite, told=counter.show
            )
        _tell(out, done.done, done.bad)

    def _by_beam(self, model: str, sources: tuple[str, ...], out: Out) -> None:
        from kerasnets.prediction.beam import Job, predict_by_beam

        job = Job(model, sources, out, self.client)
        done = predict_by_beam(job, self.runner, resume=self.resume, overwrite=self.overwrite)
        _tell(out, *done)

    def _print_all(self, model: ImageModel, sources: tuple[str, ...], total: int | None) -> None:
        from kerasnets.prediction.predictor import predict_each

        bad: list[str] = []

        def note(name: str, reason: str) -> None:
            bad.append(name)
            log.warning("skipped: %r cannot be read: %s.", name, reason)

        on_bad = note if self._policy() == "skip" else None
        with Counter(total, quiet=True) as counter:
            for done, found in enumerate(predict_each(model, sources, on_bad=on_bad), start=1):
                print(self._line(found))
                counter.show(done + len(bad), len(bad))

    def _ask_grpc(self, target: str, name: str) -> None:
        if STANDARD_INPUT in self._sources():
            raise UserError("--grpc takes image files.")
        images = image_files(self._sources())
        load_tensorflow()
        from kerasnets.prediction.client import predict_grpc

        for found in predict_grpc(target, name, images, self.client):
            print(self._line(found))

    def _line(self, found: Prediction) -> str:
        """What is printed of an image: all numbers, the classes that are there, or the best."""
        best = list(zip(found.classes, found.scores, strict=True))
        if found.numbers:
            if self.json:
                return json.dumps({"image": str(found.image), "values": dict(best)})
            return f"{found.image}: " + ", ".join(f"{name} {value:.6g}" for name, value in best)
        best = best[: self.top]
        if found.present is not None:
            best = [each for each, there in zip(best, found.present, strict=False) if there]
        if self.json:
            answer = [{"class": name, "score": score} for name, score in best]
            return json.dumps({"image": str(found.image), "top": answer})
        names = ", ".join(f"{name} {score:.2%}" for name, score in best)
        return f"{found.image}: {names or 'none of the classes'}"


def _tell(out: Out, done: int, bad: int) -> None:
    """Says where the answers are."""
    listed = f"; {bad:,} bad files are in {out.beside('bad.csv')}" if bad else ""
    log.info("Written to %s: %s answers%s.", out.file, f"{done - bad:,}", listed)
