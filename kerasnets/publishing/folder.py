"""The files of a published run: the folder is a run that ``hf:OWNER/NAME`` gives back."""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import re
import shutil
from dataclasses import dataclass
from typing import Any, Literal

from kerasnets.cards import Card, card_of_run, render
from kerasnets.cards.card import published_start
from kerasnets.cards.text import README as CARD
from kerasnets.config.options import parse_options
from kerasnets.config.training import TrainConfig, to_json
from kerasnets.errors import UserError
from kerasnets.files import make_folder, write_text
from kerasnets.pretrained.download import parse_hub
from kerasnets.pretrained.sources import RUN_FACTS
from kerasnets.registry import info
from kerasnets.runs.run import CLASSES, CONFIG, THRESHOLDS, Run

log = logging.getLogger("kerasnets")

Export = Literal["savedmodel", "litert"]
# What is copied as it is.
COPIED = (CLASSES, RUN_FACTS, THRESHOLDS, "metrics.json", "history.csv")
# What the hub calls the tasks; for numbers of an image it has none.
PIPELINES = {"classification": "image-classification", "multilabel": "image-classification"}


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A run as it is published.

    Attributes:
        run: A finished run.
        repository: ``OWNER/NAME``.
        licence: Identifier of the weights' licence, as the hub knows it: ``apache-2.0``...
        exports: What is written beside the weights.
    """

    run: Run
    repository: str
    licence: str
    exports: tuple[Export, ...] = ()

    @classmethod
    def of(
        cls, run: Run, location: str, licence: str, exports: tuple[Export, ...] = ()
    ) -> Publication:
        """The publication of a run at ``hf:OWNER/NAME``; refuses what cannot be published.

        Raises:
            UserError: When the run has not finished or was not evaluated, or the location or the
                licence is none.
        """
        repository, revision, file = parse_hub(location)
        if revision or file or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise UserError(f"A run is published as hf:OWNER/NAME. Received: {location!r}.")
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", licence):
            raise UserError(
                "--licence must be an identifier that the hub knows, such as apache-2.0, mit, "
                f"cc-by-4.0 or other. Received: {licence!r}."
            )
        run.check_finished()
        if not isinstance(run.metrics().get("split"), str):
            raise UserError(f"The run in {str(run.folder)!r} has no evaluation to publish.")
        public = dataclasses.replace(run, config=without_paths(run.config))
        return cls(run=public, repository=repository, licence=licence, exports=exports)


def without_paths(config: TrainConfig) -> TrainConfig:
    """A configuration that tells nothing of the machine: of paths only the last name is left."""
    kind, colon, path = config.data.partition(":")
    local = colon and "://" not in path and kind in ("folder", "manifest", "records")
    # A data set that was saved to a disk, and no OWNER/NAME of the hub.
    saved = pathlib.Path(path)
    local = local or (kind == "hf" and (saved.is_absolute() or saved.exists()))
    recipe = config.recipe
    if recipe and recipe.source.endswith((".toml", ".json")):
        recipe = dataclasses.replace(recipe, source=pathlib.PurePath(recipe.source).name)
    return dataclasses.replace(
        config,
        recipe=recipe,
        data=f"{kind}:{pathlib.PurePath(path).name}" if local else config.data,
        weights=_without_path(config.weights),
        teacher=_without_path(config.teacher),
        init_from=config.init_from and pathlib.Path(config.init_from.name),
        data_dir=None,
        out=None,
        cluster=None,
        worker=None,
    )


def _without_path(source: str | None) -> str | None:
    """The last name of a path; as it is what is none, such as the name of published weights.

    A folder may be called as these are: the name keeps the look of a path.
    """
    if source and not source.startswith("hf:") and "/" in source.replace("\\", "/"):
        return f"./{pathlib.PurePath(source).name}"
    return source


def write_folder(publication: Publication, folder: pathlib.Path) -> None:
    """Writes all files of a publication into an empty folder.

    Raises:
        UserError: When it holds something, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{str(folder)!r} is there already and not empty; give a new folder.")
    run = publication.run
    make_folder(folder)
    for name in COPIED:
        if (run.folder / name).is_file():
            shutil.copyfile(run.folder / name, folder / name)
    shutil.copyfile(run.weights_path, folder / run.weights_path.name)
    write_text(folder / CONFIG, to_json(run.config))
    for name in publication.exports:
        _export(run, name, folder / name)
    write_text(folder / CARD, card(publication, folder))


def _export(run: Run, name: Export, folder: pathlib.Path) -> None:
    """An export without the number of its version: the hub keeps versions itself."""
    from kerasnets.export import Form, export_run

    version = export_run(run, folder.with_name(f"{name}-versions"), form=Form(format=name))
    # Its commands are for versions in a folder; the card says the rest.
    (version / CARD).unlink(missing_ok=True)
    version.rename(folder)
    shutil.rmtree(version.parent)


def card(publication: Publication, folder: pathlib.Path) -> str:
    """The model card, with the facts that the hub reads at its head.

    Args:
        publication: The run and where it goes.
        folder: Where the exports are.
    """
    from huggingface_hub import ModelCardData

    run, found = publication.run, card_of_run(publication.run)
    facts, name = info(found.network), publication.repository.partition("/")[2]
    pipeline = PIPELINES.get(found.task.name)
    data = ModelCardData(
        license=publication.licence,
        library_name="kerasnets",
        pipeline_tag=pipeline,
        tags=["keras", pipeline or "image-regression", facts.family, facts.name],
        base_model=_base_model(run.config),
        model_name=name,
        eval_results=_results(found),
    )
    options = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in parse_options(run.config.options).items()
        if key != "auxiliary_heads"
    }
    text = render(
        "published.md",
        card=found,
        name=name,
        repository=publication.repository,
        options="".join(f", {key}={value!r}" for key, value in options.items()),
        exports=_exports(publication.exports),
        signatures=_signatures(folder) if "savedmodel" in publication.exports else {},
    )
    return f"---\n{data.to_yaml()}\n---\n\n{text}"


def _results(found: Card) -> list[Any]:
    """The figures in the form of the hub's tables of results."""
    from huggingface_hub import EvalResult

    data = str(found.data).rpartition(":")[2]
    return [
        EvalResult(
            task_type=PIPELINES.get(found.task.name, "image-regression"),
            dataset_type=re.sub(r"[^\w.-]+", "-", data),
            dataset_name=data,
            dataset_split=found.metrics["split"],
            metric_type=figure.kind.metric,
            metric_name=figure.kind.called,
            metric_value=round(figure.value, 5),
        )
        for figure in found.figures
    ]


def _exports(exports: tuple[Export, ...]) -> str:
    words = {
        "savedmodel": "`savedmodel/` is a SavedModel that takes image files.",
        "litert": "`litert/model.tflite`, for LiteRT, takes raw pixels.",
    }
    return " ".join(words[name] for name in exports)


def _signatures(folder: pathlib.Path) -> dict[str, Any]:
    from kerasnets.export.savedmodel import read_signatures

    return read_signatures(folder / "savedmodel")


def _base_model(config: TrainConfig) -> str | None:
    """The repository of the hub that the training started from."""
    weights = config.weights or ""
    source = None if not weights or weights.startswith("hf:") else published_start(config)
    location = source.location if source else weights
    return parse_hub(location)[0] if location.startswith("hf:") else None
