"""What is deployed: models, the versions of them that are loaded, and what these are called."""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kerasnets.errors import UserError
from kerasnets.export.versions import versions
from kerasnets.files import read_json

# TensorFlow Serving's release whose tests this package's server passes too.
SERVING = "2.21.0"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model.

    Attributes:
        name: Its name in requests.
        folder: Folder of its versions.
        stable: The version that the label ``stable`` stands for.
        canary: The version that ``canary`` stands for, if any.
        before: The version before the stable one, kept for a rollback, if any.
    """

    name: str
    folder: pathlib.Path
    stable: int
    canary: int | None = None
    before: int | None = None

    @property
    def loaded(self) -> list[int]:
        """The versions that are loaded, ascending."""
        wanted = {self.stable, self.canary, self.before} - {None}
        return sorted(version for version in wanted if version is not None)

    @property
    def labels(self) -> dict[str, int]:
        """Versions by label."""
        canary = {} if self.canary is None else {"canary": self.canary}
        return {"stable": self.stable, **canary}

    @property
    def mib(self) -> float:
        """Size of the loaded versions on disk, in MiB."""
        folders = versions(self.folder)
        files = [path for number in self.loaded for path in folders[number].rglob("*")]
        return sum(path.stat().st_size for path in files if path.is_file()) / 2**20


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Models on TensorFlow Serving.

    Attributes:
        models: The models.
        serving: Tag of the image ``tensorflow/serving``.
        replicas: The most copies of the server that Kubernetes starts.
    """

    models: tuple[Served, ...]
    serving: str = SERVING
    replicas: int = 4

    @property
    def memory_mib(self) -> int:
        """Memory that the server may need: of itself, and of each version while it computes."""
        needed = 1024 + 3 * sum(model.mib for model in self.models)
        return 256 * math.ceil(needed / 256)


def plan(
    folders: Sequence[pathlib.Path],
    *,
    canary: bool = False,
    stable: Mapping[str, int] | None = None,
    serving: str = SERVING,
    replicas: int = 4,
) -> Deployment:
    """The deployment of models, checked.

    Args:
        folders: A folder of versions for each model, such as ``savedmodels/lenet5``.
        canary: Whether the newest versions are canaries, beside the versions before as stable;
            a model of one version has it as stable.
        stable: Stable versions by model, in the place of the newest: the way back from one.
        serving: Tag of the image ``tensorflow/serving``.
        replicas: The most copies of the server.

    Raises:
        UserError: When there is no such model or version, two have one name, or the server would
            be older than the TensorFlow that wrote a model.
    """
    if replicas < 1:
        raise UserError(f"--replicas must be at least 1. Received: {replicas}.")
    given = dict(stable or {})
    models = tuple(_served(folder, canary, given.pop(_name(folder), None)) for folder in folders)
    if not models:
        raise UserError("Give one model at least: kerasnets deploy savedmodels/NAME --to FOLDER.")
    names = [model.name for model in models]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"Two models would be called {min(twice)!r}; rename a folder.")
    if given:
        raise UserError(f"--stable names no model that is deployed: {min(given)!r}.")
    if canary and not any(model.canary for model in models):
        raise UserError("--canary needs a version before the newest; no model has one.")
    for model in models:
        _check_serving(model, serving)
    return Deployment(models=models, serving=serving, replicas=replicas)


def _name(folder: pathlib.Path) -> str:
    return folder.absolute().name


def _served(folder: pathlib.Path, canary: bool, chosen: int | None) -> Served:
    """A model with the versions that its folder has."""
    found = list(versions(folder))
    name = _name(folder)
    if not found:
        raise UserError(f"{str(folder)!r} holds no versions of a SavedModel; see kerasnets export.")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise UserError(
            f"A model's name may have letters, digits, '.', '_' and '-'. Received: {name!r}."
        )
    if chosen is not None and chosen not in found:
        numbers = ", ".join(map(str, found))
        raise UserError(f"{name} has no version {chosen}. It has: {numbers}.")
    newest = found[-1]
    stable = chosen if chosen is not None else found[-2:][0] if canary else newest
    earlier = [number for number in found if number < stable]
    return Served(
        name=name,
        folder=folder,
        stable=stable,
        canary=newest if canary and newest != stable else None,
        before=earlier[-1] if earlier and not canary else None,
    )


def _check_serving(model: Served, serving: str) -> None:
    """Refuses a server that is older than the TensorFlow that wrote a model."""
    tag = re.match(r"(\d+)\.(\d+)", serving)
    if tag is None:
        raise UserError(
            f"--serving must be a release of tensorflow/serving, such as {SERVING}. "
            f"Received: {serving!r}."
        )
    for number in model.loaded:
        path = versions(model.folder)[number] / "assets.extra" / "model.json"
        if not path.is_file():
            continue  # of another project
        facts = read_json(path, dict[str, object], "what was exported")
        wrote = re.match(r"(\d+)\.(\d+)", str(dict(facts.get("versions") or {}).get("tensorflow")))
        if wrote and tuple(map(int, wrote.groups())) > tuple(map(int, tag.groups())):
            raise UserError(
                f"{model.name}/{number} was written by TensorFlow {wrote[0]}; "
                f"tensorflow/serving:{serving} is older. Give --serving {wrote[0]}.0 or newer."
            )
