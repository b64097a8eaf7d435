"""What is deployed: models, the versions of them that are loaded, and what these are called."""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

import kerasnets
from kerasnets.errors import UserError
from kerasnets.export.versions import versions
from kerasnets.files import read_json

# TensorFlow Serving's release whose tests this package's server passes too.
SERVING = "2.21.0"
Server = Literal["tensorflow-serving", "embedded"]
# MiB that a server takes without models; the embedded one has processes for large JSON beside it.
MEMORY = {"tensorflow-serving": 1024, "embedded": 2048}
# A registry, which may have a port; a name; a tag.
IMAGE = re.compile(r"([\w.-]+(:\d+)?/)?[a-z0-9][a-z0-9._/-]*(:[\w.-]+)?", re.ASCII)
RELEASE = re.compile(r"(\d+)\.(\d+)")


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
    """Models on a server.

    Attributes:
        models: The models.
        image: Image of the server, with its tag.
        server: Which server that is.
        replicas: The most copies of the server that Kubernetes starts.
    """

    models: tuple[Served, ...]
    image: str
    server: Server = "tensorflow-serving"
    replicas: int = 4

    @property
    def memory_mib(self) -> int:
        """Memory that the server may need: of itself, and of each version while it computes."""
        needed = MEMORY[self.server] + 3 * sum(model.mib for model in self.models)
        return 256 * math.ceil(needed / 256)


def plan(
    folders: Sequence[pathlib.Path],
    *,
    canary: bool = False,
    stable: Mapping[str, int] | None = None,
    server: Server = "tensorflow-serving",
    serving: str | None = None,
    image: str | None = None,
    replicas: int = 4,
) -> Deployment:
    """The deployment of models, checked.

    Args:
        folders: A folder of versions for each model, such as ``savedmodels/lenet5``.
        canary: Whether the newest versions are canaries, beside the versions before as stable;
            a model of one version has it as stable.
        stable: Stable versions by model, in the place of the newest: the way back from one.
        server: TensorFlow Serving, or the embedded server of this package.
        serving: Tag of the image ``tensorflow/serving``; `SERVING` by default.
        image: What the image of the embedded server is called; by default it is
            ``kerasnets-serve``, with the version of this package.
        replicas: The most copies of the server.

    Raises:
        UserError: When there is no such model or version, two have one name, the server would be
            older than the TensorFlow that wrote a model, or a flag is the other server's.
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
    chosen = _image(server, serving, image)
    for model in models:
        _check_age(model, server, chosen)
    return Deployment(models=models, image=chosen, server=server, replicas=replicas)


def _image(server: Server, serving: str | None, image: str | None) -> str:
    """The image of a server."""
    if server == "embedded":
        if serving is not None:
            raise UserError(
                "--serving is a release of TensorFlow Serving, not of the embedded one."
            )
        chosen = f"kerasnets-serve:{kerasnets.__version__}" if image is None else image
        if not IMAGE.fullmatch(chosen):
            raise UserError(f"--image must be like registry.example/NAME:1. Received: {image!r}.")
        return chosen
    if image is not None:
        raise UserError("--image goes with --server embedded; --serving chooses this one's.")
    release = SERVING if serving is None else serving
    if not RELEASE.match(release):
        raise UserError(
            f"--serving must be a release of tensorflow/serving, such as {SERVING}. "
            f"Received: {serving!r}."
        )
    return f"tensorflow/serving:{release}"


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


def _check_age(model: Served, server: Server, image: str) -> None:
    """Refuses a server that is older than the TensorFlow that wrote a model."""
    embedded = server == "embedded"
    release = metadata.version("tensorflow") if embedded else image.rpartition(":")[2]
    for number in model.loaded:
        path = versions(model.folder)[number] / "assets.extra" / "model.json"
        if not path.is_file():
            continue  # of another project
        facts = read_json(path, dict[str, object], "what was exported")
        wrote = RELEASE.match(str(dict(facts.get("versions") or {}).get("tensorflow")))
        if wrote and _numbers(wrote[0]) > _numbers(release):
            found = f"TensorFlow {release}, which is installed here," if embedded else image
            advice = f"Install {wrote[0]}" if embedded else f"Give --serving {wrote[0]}.0"
            raise UserError(
                f"{model.name}/{number} was written by TensorFlow {wrote[0]}; {found} is older. "
                f"{advice} or newer."
            )


def _numbers(release: str) -> tuple[int, ...]:
    """The first two numbers of a release."""
    found = RELEASE.match(release)
    return tuple(map(int, found.groups())) if found else ()
