"""The models on disk, loaded; new versions come in and old ones go while requests run."""

from __future__ import annotations

import concurrent.futures
import logging
import pathlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from kerasnets.errors import UserError
from kerasnets.export.versions import numbered
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.servable import Servable
from kerasnets.serving.status import RequestError, invalid, summary

log = logging.getLogger("kerasnets")


@dataclass(frozen=True)
class ModelSource:
    """Where a model's versions lie and which of them count.

    Attributes:
        name: Of the model.
        folder: Of the versions.
        newest: How many of the newest to serve.
        only: Serve these alone; ``None`` for any.
        labels: Names of versions.
    """

    name: str
    folder: pathlib.Path
    newest: float = 1
    only: frozenset[int] | None = None
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class VersionStatus:
    """How a version stands, in the words of TensorFlow Serving's GetModelStatus."""

    state: str
    error_code: str = "OK"
    error_message: str = ""


class Model:
    """One model's versions. `refresh` runs in one thread; all others read.

    What they read is replaced, never changed, so a reader sees the old state or the new one.
    """

    def __init__(
        self, source: ModelSource, pool: concurrent.futures.Executor, config: ServerConfig
    ):
        self.source = source
        self.loaded: Mapping[int, Servable] = {}
        self.statuses: Mapping[int, VersionStatus] = {}
        self._pool = pool
        self._config = config
        self._broken: dict[int, object] = {}

    def refresh(self) -> None:
        """Loads the newest versions, then drops those that no longer count.

        A version that cannot be loaded is passed over, for an older one if there is one, until its
        files change.
        """
        wanted: dict[int, Servable] = {}
        for number, folder in sorted(numbered(self.source.folder).items(), reverse=True):
            if len(wanted) >= self.source.newest:
                break
            if self.source.only is not None and number not in self.source.only:
                continue
            servable = self.loaded.get(number) or self._load(number, folder)
            if servable:
                wanted[number] = servable
        gone = [number for number in self.loaded if number not in wanted]
        self.loaded = wanted
        for number in gone:
            self._set_status(number, VersionStatus("END"))
            log.info("%s: version %d is gone", self.source.name, number)

    def _load(self, number: int, folder: pathlib.Path) -> Servable | None:
        state = _files(folder)
        if self._broken.get(number) == state:
            return None
        self._set_status(number, VersionStatus("LOADING"))
        start = time.monotonic()
        try:
            servable = Servable(self.source.name, number, folder, self._pool, self._config)
        # A broken SavedModel can make TensorFlow raise anything.
        except Exception as error:
            self._broken[number] = state
            self._set_status(number, VersionStatus("END", "INTERNAL", summary(error)))
            log.warning(
                "%s: version %d was not loaded: %s", self.source.name, number, summary(error)
            )
            return None
        self._broken.pop(number, None)
        self.loaded = {**self.loaded, number: servable}
        self._set_status(number, VersionStatus("AVAILABLE"))
        seconds = time.monotonic() - start
        log.info("%s: version %d loaded in %.1f s", self.source.name, number, seconds)
        return servable

    def _set_status(self, number: int, status: VersionStatus) -> None:
        self.statuses = {**self.statuses, number: status}


class Repository:
    """All models that are served.

    Args:
        config: Of the server.
        folder: Of one model's versions, or of several models'; ``None`` with ``config.config``.

    Raises:
        UserError: When there is nothing to serve.
    """

    def __init__(self, config: ServerConfig, folder: pathlib.Path | None):
        self._config = config
        self._folder = folder
        self._pool = concurrent.futures.ThreadPoolExecutor(config.batch_threads, "batch")
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="versions", daemon=True)
        self.models: Mapping[str, Model] = {}
        if not self._sources():
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

    def find(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """The version that a request asks for; the newest where it names none.

        Raises:
            RequestError: When there is none.
        """
        model = self.models.get(name)
        if label is not None:
            if model is None or label not in model.source.labels:
                raise invalid(f"Unrecognized servable version label: {label}")
            version = model.source.labels[label]
        loaded = model.loaded if model else {}
        number = max(loaded, default=None) if version is None else version
        if number not in loaded:
            asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise RequestError("NOT_FOUND", f"Servable not found for request: {asked}")
        return loaded[number]

    def _watch(self) -> None:
        trouble = ""
        while not self._stopping.wait(self._config.poll_s):
            before, trouble = trouble, ""
            try:
                self._refresh()
            except (OSError, UserError) as error:
                # A folder that cannot be read now may be readable again; what is loaded stays.
                trouble = str(error)
                if trouble != before:
                    log.warning("the models cannot be looked up: %s", trouble)

    def _refresh(self) -> None:
        sources = self._sources()
        models = {
            name: self.models.get(name) or Model(source, self._pool, self._config)
            for name, source in sources.items()
        }
        for name, model in models.items():
            model.source = sources[name]
            model.refresh()
        self.models = models

    def _sources(self) -> dict[str, ModelSource]:
        if self._config.config is not None:
            from kerasnets.serving.model_config import read

            return {source.name: source for source in read(self._config.config)}
        folder = self._folder.resolve()
        if not folder.is_dir():
            raise UserError(f"There is no folder {str(self._folder)!r}.")
        if numbered(folder):
            folders = [folder]
        else:
            folders = [path for path in sorted(folder.iterdir()) if path.is_dir()]
            folders = [path for path in folders if numbered(path) or path.name in self.models]
        found = (ModelSource(path.name, path, newest=self._config.versions) for path in folders)
        return {source.name: source for source in found}


def _files(folder: pathlib.Path) -> tuple:
    """What changes when a file of a folder does."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
