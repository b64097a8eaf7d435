"""What the image of the embedded server holds: this package, and the libraries that it needs."""

from __future__ import annotations

import gzip
import pathlib
import platform
import tarfile
from importlib import metadata

import kerasnets
from kerasnets.errors import UserError
from kerasnets.files import whole

# What `kerasnets serve` imports; other commands need more.
LIBRARIES = (
    "fastapi",
    "httptools",
    "jinja2",
    "lazy-loader",
    "numpy",
    "prometheus-client",
    "python-multipart",
    "rich",
    "tensorflow",
    "tensorflow-serving-api",
    "tyro",
    "uvicorn",
    "uvloop",
)
# The image is Linux, whatever this machine is.
LINUX = {"os_name": "posix", "platform_system": "Linux", "sys_platform": "linux"}


def python() -> str:
    """The version of Python here, for which the libraries' versions were chosen."""
    return platform.python_version()


def requirements() -> list[str]:
    """The libraries, and all that they need, by the versions that are installed here.

    What Linux alone needs is left to pip where this machine has not got it.

    Raises:
        UserError: When a library is not installed.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    waiting = list(LIBRARIES)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            library = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if name in LIBRARIES:
                raise UserError(
                    f"The image gets the versions that are installed here, and {name} is not: "
                    "pip install 'kerasnets[serving]'."
                ) from None
            continue
        found[name] = library.version
        needs = map(Requirement, library.requires or ())
        environment = {**LINUX, "extra": ""}
        waiting += [
            need.name for need in needs if not need.marker or need.marker.evaluate(environment)
        ]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def write_package(path: pathlib.Path) -> None:
    """Writes this package as an archive that is the same each time."""
    folder = pathlib.Path(kerasnets.__file__).parent
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    with (
        whole(path) as partial,
        partial.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(mode="w", fileobj=packed) as archive,
    ):
        for file in files:
            if "__pycache__" not in file.parts:
                archive.add(file, file.relative_to(folder.parent).as_posix(), filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry that anybody may read and nobody owns."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry
