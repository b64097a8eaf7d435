"""Frameworks that load at first use, so that listing names and asking for help stay instant."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kerasnets.errors import UserError, shown


class LazyModule(types.ModuleType):
    """Stands for a module and imports it at the first attribute asked of it.

    `importlib.util.LazyLoader` would put its placeholder into ``sys.modules``, where other
    libraries take it for the loaded module; this one stays out of there.
    """

    def __getattr__(self, attribute: str) -> object:
        if self.__name__ == "keras":
            check_backend()
        prefer_onednn()
        return getattr(importlib.import_module(self.__name__), attribute)


if TYPE_CHECKING:
    import keras as keras
    import tensorflow as tf
else:
    keras = LazyModule("keras")
    tf = LazyModule("tensorflow")


def installed(module: str) -> bool:
    """Whether a module can be imported; it is not imported."""
    return importlib.util.find_spec(module) is not None


# What keras.json may choose between; a backend's name is that of its package.
CHOICES = {
    "backend": ("tensorflow", "jax", "torch", "openvino", "numpy"),
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def check_backend(needed: str | None = None) -> None:
    """Refuses a backend of Keras that is not installed, or not the one needed.

    Args:
        needed: The one backend that will do.

    Raises:
        UserError: When Keras would not load, or its backend is another one.
    """
    if "keras" in sys.modules:
        if needed is None:
            return
        backend, where = sys.modules["keras"].config.backend(), "Keras' backend"
    else:
        backend, where = _chosen_backend()
    if backend not in CHOICES["backend"]:
        raise UserError(
            f"{where} is {backend!r}, which is no backend of Keras. Expected "
            f"{', '.join(CHOICES['backend'])}; set KERAS_BACKEND=tensorflow."
        )
    if not installed(backend):
        raise UserError(
            f"{where} is {backend!r}, and {backend} is not installed: pip install {backend}, or "
            "set KERAS_BACKEND=tensorflow."
        )
    if needed not in (None, backend):
        raise UserError(f"{where} is {backend!r}; this needs {needed}: set KERAS_BACKEND={needed}.")


def _chosen_backend() -> tuple[str, str]:
    """The backend that Keras will load, and where that is said; as keras/src/backend/config.py."""
    home = os.path.expanduser("~")
    home = home if os.access(home, os.W_OK) else "/tmp"
    folder = os.environ.get("KERAS_HOME", os.path.join(home, ".keras"))
    path = os.path.expanduser(os.path.join(folder, "keras.json"))
    config: Any = {}
    try:
        with open(path) as file:
            config = json.load(file)
    except RecursionError:
        config = None
    except (OSError, ValueError):
        pass  # Keras takes its defaults
    if not isinstance(config, dict):
        raise UserError(f"{path!r} must hold an object, such as {{'backend': 'tensorflow'}}.")
    for name in ("floatx", "image_data_format"):
        value = config.get(name, CHOICES[name][0])
        if value not in CHOICES[name]:
            raise UserError(
                f"{name} in {path!r} must be {' or '.join(CHOICES[name])}. Received: "
                f"{shown(value)}."
            )
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen, "KERAS_BACKEND"
    return config.get("backend", "tensorflow"), f"backend in {path!r}"


def prefer_onednn() -> None:
    """Asks TensorFlow for oneDNN, unless the user has chosen or TensorFlow is loaded.

    Its convolutions of few channels are six times as fast as TensorFlow's own, which TensorFlow
    takes by default on some processors. It reads the variable when it is loaded.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextlib.contextmanager
def notes_withheld() -> Iterator[None]:
    """Withholds what compiled libraries write to the standard error; shown where they fail.

    Python's streams and TensorFlow's log level do not reach it, so it is caught at the file
    descriptor.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except UserError:
            raise  # It says what is wrong.
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def after_keras(action: Callable[[], None]) -> None:
    """Calls `action` as soon as Keras is loaded, whoever loads it; at once if it is."""
    if "keras" in sys.modules:
        action()
    else:
        sys.meta_path.insert(0, _KerasWatch(action))


class _KerasWatch(importlib.abc.MetaPathFinder):
    """Waits for Keras among all imports, and goes away after it.

    Where a module of kerasnets imports Keras, the action waits until that module is complete too:
    it may be one that the action needs.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.loaded = False
        self.thread = threading.local()
        # Threads that are in the middle of an import.
        self.importers: set[int] = set()

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if name in ("keras", "tensorflow") and getattr(self.thread, "ours", 0):
            # kerasnets is what imports it, and not Keras of itself
            if name == "keras":
                check_backend()
            prefer_onednn()
        if name != "keras" and not name.startswith("kerasnets."):
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            if spec := finder.find_spec(name, path, target):
                if spec.loader is not None:
                    spec.loader = _WatchedLoader(spec.loader, self)
                return spec
        return None

    @property
    def depth(self) -> int:
        """How many of the modules in question this thread is in the middle of importing."""
        return getattr(self.thread, "depth", 0)

    @contextlib.contextmanager
    def importing(self, name: str) -> Iterator[None]:
        ours = int(name != "keras")
        self.thread.depth = self.depth + 1
        self.thread.ours = getattr(self.thread, "ours", 0) + ours
        self.importers.add(threading.get_ident())
        try:
            yield
            self.loaded |= name == "keras"
        finally:
            self.thread.depth -= 1
            self.thread.ours -= ours
            if not self.depth:
                self.importers.discard(threading.get_ident())
        # The last thread calls the action: it imports modules that another may be in the middle of.
        if self.loaded and not self.importers:
            self.finish()

    def finish(self) -> None:
        try:
            sys.meta_path.remove(self)
        except ValueError:
            return  # another thread was first
        self.action()


class _WatchedLoader(importlib.abc.Loader):
    """Tells a `_KerasWatch` when a module is complete."""

    def __init__(self, loader: importlib.abc.Loader, watch: _KerasWatch) -> None:
        self.loader, self.watch = loader, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)  # get_code, for `python -m`

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        # Resources and tracebacks are read through the loader.
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        with self.watch.importing(module.__name__):
            self.loader.exec_module(module)
