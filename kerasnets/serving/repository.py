"""The models on disk, loaded; new versions come in and old ones go while requests run."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
import logging
import os
import pathlib
import threading
import time
from collections.abc import Mapping

from google.protobuf import text_format
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig  # pyright: ignore[reportAttributeAccessIssue]  # likewise

from kerasnets.data.reasons import one_line
from kerasnets.errors import UserError
from kerasnets.export.versions import numbered
from kerasnets.files import read_text
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.servable import Servable, place_of
from kerasnets.serving.status import RequestError, invalid

log = logging.getLogger("kerasnets")


class Model:
    """One model's versions. `refresh` runs in one thread; all others read.

    What they read is replaced, never changed, so a reader sees the old state or the new one.

    Attributes:
        source: Where the versions lie and which of them count, as in a ``models.config``.
        loaded: The versions that answer.
        statuses: How each version that was ever seen stands.
    """

    def __init__(
        self, source: ModelConfig, pool: concurrent.futures.Executor, config: ServerConfig
    ):
        self.source = source
        self.loaded: Mapping[int, Servable] = {}
        self.statuses: Mapping[int, ModelVersionStatus] = {}
        self._pool = pool
        self._config = config
        self._broken: dict[int, object] = {}

    def refresh(self) -> bool:
        """Loads the newest versions, then drops those that no longer count.

        A version that cannot be loaded is passed over, for an older one if there is one, until its
        files change. One in whose place another lies answers until that is loaded.

        Returns:
            Whether any was dropped.
        """
        policy = self.source.model_version_policy
        kind = policy.WhichOneof("policy_choice") or "latest"
        newest = (policy.latest.num_versions or 1) if kind == "latest" else float("inf")
        before, wanted = self.loaded, dict[int, Servable]()
        for number, folder in sorted(numbered(self.source.base_path).items(), reverse=True):
            counts = kind != "specific" or number in policy.specific.versions
            if counts and len(wanted) < newest:
                servable = self._current(number, folder)
                if servable:
                    wanted[number] = servable
        self.loaded = wanted
        for number in before.keys() - wanted.keys():
            self._set_status(number, "END")
            log.info("%s: version %d is gone", self.source.name, number)
        return any(wanted.get(number) is not servable for number, servable in before.items())

    @property
    def newest(self) -> Servable | None:
        """The version that answers where none is asked for."""
        loaded = self.loaded
        return loaded[max(loaded)] if loaded else None

    def label(self, number: int) -> str:
        """What the list of models calls a version, several names in the order of the alphabet."""
        labels = self.source.version_labels.items()
        return ",".join(sorted(label for label, version in labels if version == number))

    def _current(self, number: int, folder: pathlib.Path) -> Servable | None:
        """The version that lies in a folder, loaded now if it is not yet."""
        loaded = self.loaded.get(number)
        if loaded and place_of(folder) in (None, loaded.place):
            return loaded
        found = self._load(number, folder)
        if loaded and not found:
            self._set_status(number, "AVAILABLE")
        return found or loaded

    def _load(self, number: int, folder: pathlib.Path) -> Servable | None:
        name, files = self.source.name, _files(folder)
        if self._broken.get(number) == files:
            return None
        self._set_status(number, "LOADING")
        start = time.monotonic()
        try:
            servable = Servable(name, number, folder, self._pool, self._config)
        # A broken SavedModel can make TensorFlow raise anything.
        except Exception as error:
            self._broken[number] = files
            self._set_status(number, "END", error_code="INTERNAL", error_message=one_line(error))
            log.warning("%s: version %d was not loaded: %s", name, number, one_line(error))
            return None
        self._broken.pop(number, None)
        # Other versions answer meanwhile; one that this one replaces does too, until now.
        self.loaded = {**self.loaded, number: servable}
        self._set_status(number, "AVAILABLE")
        log.info("%s: version %d loaded in %.1f s", name, number, time.monotonic() - start)
        return servable

    def _set_status(self, number: int, state: str, **status: str) -> None:
        new = ModelVersionStatus(version=number, state=state, status=status)
        self.statuses = {**self.statuses, number: new}


class Repository:
    """All models that are served: those of a folder, or those of ``config.config``.

    Raises:
        UserError: When there is nothing to serve.
    """

    def __init__(self, config: ServerConfig, folder: pathlib.Path | None):
        self._config = config
        self._folder = folder
        self._pool = concurrent.futures.ThreadPoolExecutor(config.batch_threads, "batch")
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="versions", daemon=True)
        # What the last look at the files found to say.
        self._notes: set[str] = set()
        # Whether a version has left since then.
        self._left = False
        # Whether the folder is one model's; told once, for anybody can make a folder `7` in it.
        self._one_model: bool | None = None
        self.models: Mapping[str, Model] = {}
        if not self._sources()[0]:
            raise UserError(
                f"There is no SavedModel to serve in {str(folder)!r}: no numbered versions "
                "(savedmodels/lenet5), no folders of such (savedmodels)."
            )

    def start(self) -> None:
        """Loads all models, then watches their folders in a thread of its own."""
        self._refresh()
        self._watcher.start()

    def stop(self) -> None:
        """Ends the watching and waits for running computations."""
        self._stopping.set()
        self._watcher.join()
        self._pool.shutdown()

    @property
    def ready(self) -> bool:
        """Whether every model has a version to answer with."""
        return bool(self.models) and all(model.loaded for model in self.models.values())

    def queued(self) -> dict[str, int]:
        """The images that wait, by model."""
        return {
            name: sum(servable.queued for servable in model.loaded.values())
            for name, model in self.models.items()
        }

    def abilities(self) -> list[dict[str, object]]:
        """What the page needs to know of each model: its newest version, and what that can do."""
        return [
            {"name": name, **(model.newest.abilities if model.newest else {})}
            for name, model in sorted(self.models.items())
        ]

    def input_types(self) -> dict[str, Mapping[str, Mapping[str, str]]]:
        """For each model the types of its newest version's inputs, by signature."""
        return {
            name: model.newest.input_types if model.newest else {}
            for name, model in self.models.items()
        }

    def served(self) -> set[tuple[str, str, str]]:
        """What answers now: each model's name, version and label, for metrics."""
        return {
            (name, str(number), model.label(number))
            for name, model in self.models.items()
            for number in model.loaded
        }

    def find(self, name: str, version: int | None, label: str | None) -> Servable:
        """The version that a request asks for; the newest where it names none.

        Raises:
            RequestError: When there is none.
        """
        model = self.models.get(name)
        if label is not None:
            labels = dict(model.source.version_labels) if model else {}
            if label not in labels:
                raise invalid(f"Unrecognized servable version label: {label}")
            version = labels[label]
        loaded = model.loaded if model else {}
        number = max(loaded, default=-1) if version is None else version
        if number not in loaded:
            asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise RequestError("NOT_FOUND", f"Servable not found for request: {asked}")
        return loaded[number]

    def statuses(self, name: str, version: int | None) -> list[ModelVersionStatus]:
        """How a model's versions stand, newest first, or how one of them does.

        Raises:
            RequestError: When there is none.
        """
        model = self.models.get(name)
        found = model.statuses if model else {}
        numbers = sorted(found, reverse=True) if version is None else [version]
        if not found.keys() & set(numbers):
            which = "any versions" if version is None else f"version {version}"
            raise RequestError("NOT_FOUND", f"Could not find {which} of model {name}")
        return [found[number] for number in numbers]

    def _watch(self) -> None:
        while not self._stopping.wait(self._config.poll_s):
            try:
                self._refresh()
            # Whatever is done to the files: what is loaded stays, and the next look may succeed.
            except Exception as error:
                self._say({f"the models cannot be looked up: {one_line(error)}"})

    def _refresh(self) -> None:
        # A look later, when those who asked have had their answers. A loaded version is a circle
        # of references, and what was there at the start is out of the collector's sight.
        if self._left:
            frozen = gc.get_freeze_count()
            gc.unfreeze()
            gc.collect()
            if frozen:
                gc.freeze()
        self._left = False
        models = {}
        sources, notes = self._sources()
        for name, source in sources.items():
            models[name] = self.models.get(name) or Model(source, self._pool, self._config)
            models[name].source = source
            try:
                self._left |= models[name].refresh()
            except Exception as error:  # one model's folder is no reason to pass over the others
                notes.add(f"{name}: the versions cannot be looked up: {one_line(error)}")
        self._left |= bool(self.models.keys() - models.keys())
        self.models = models
        self._say(notes)

    def _say(self, notes: set[str]) -> None:
        """Logs what was not said after the last look already."""
        for note in sorted(notes - self._notes):
            log.warning("%s", note)
        self._notes = notes

    def _sources(self) -> tuple[dict[str, ModelConfig], set[str]]:
        """The models by name, and a line for each folder that is ignored."""
        if self._config.config is not None:
            return read_models_config(self._config.config), set()
        # Unlike `Path.resolve` this takes links that lead in a circle.
        folder = pathlib.Path(os.path.realpath(self._folder or "."))
        if not folder.is_dir():
            raise UserError(f"There is no folder {str(self._folder)!r}.")
        if self._one_model is None:
            self._one_model = _is_model(folder)
        folders = [folder] if self._one_model else sorted(folder.glob("[!.]*"))
        policy = {"latest": {"num_versions": self._config.versions}}
        sources, notes = {}, set()
        for path in folders:
            if reason := self._why_ignored(path):
                notes.add(f"{str(path)!r} is ignored: {reason}")
            elif path.is_dir():
                sources[path.name] = ModelConfig(
                    name=path.name, base_path=str(path), model_version_policy=policy
                )
        return sources, notes

    def _why_ignored(self, path: pathlib.Path) -> str:
        """What keeps a folder from being a model's; empty for a model, and for what is no folder.

        A model that is served stays one while its folder is there.
        """
        try:
            name = path.name.encode().decode()
            if path.is_symlink() and not path.exists():
                return "the link leads nowhere"
            if not path.is_dir() or name in self.models or numbered(path):
                return ""
        except UnicodeEncodeError:
            return "its name is not UTF-8"
        except OSError as error:
            return error.strerror or str(error)
        return "it has no numbered versions"


def read_models_config(path: pathlib.Path) -> dict[str, ModelConfig]:
    """The models that TensorFlow Serving's ``models.config`` lists, by name.

    A relative ``base_path`` starts at the file's folder.

    Raises:
        UserError: When the file cannot be read, or lists a model without a folder.
    """
    config = ModelServerConfig()
    try:
        text_format.Parse(read_text(path), config)
    except text_format.ParseError as error:
        raise UserError(f"{str(path)!r} cannot be read as a models.config: {error}") from error
    models = {model.name: model for model in config.model_config_list.config}
    for name, model in models.items():
        folder = path.parent / model.base_path
        if not name or not folder.is_dir():
            raise UserError(f"{str(path)!r}: the model {name!r} has no folder {str(folder)!r}.")
        model.base_path = str(folder.resolve())
    if not models:
        raise UserError(f"{str(path)!r} lists no models (model_config_list).")
    return models


def _is_model(folder: pathlib.Path) -> bool:
    """Whether a folder holds versions of one model, rather than folders of models.

    One with both is a model's where a version is complete: a model may be called `2024`.
    """
    versions = numbered(folder).values()
    if any((version / "saved_model.pb").is_file() for version in versions):
        return True
    return bool(versions) and not any(_has_versions(path) for path in folder.iterdir())


def _has_versions(folder: pathlib.Path) -> bool:
    try:
        return bool(numbered(folder))
    except OSError:
        return False


def _files(folder: pathlib.Path) -> tuple:
    """What changes when a file of a folder does."""
    files = []
    for top, _, names in os.walk(folder):
        for path in (os.path.join(top, name) for name in names):
            with contextlib.suppress(OSError):  # it has vanished, or cannot be reached
                files.append((path, os.stat(path).st_size, os.stat(path).st_mtime_ns))
    return tuple(sorted(files))
