"""Published files, from the network or from where an earlier download has kept them.

Files of the Hugging Face hub are kept by huggingface_hub (``HF_HOME``; ``HF_HUB_OFFLINE=1`` takes
what is kept), others by Keras beside those of keras.applications (``KERAS_HOME``).
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re

from kerasnets.errors import UserError
from kerasnets.files import locked
from kerasnets.lazy import installed, keras

# Looked for in this order in a repository of the hub, where no file is named.
HUB_FILES = ("model.safetensors", "weights.safetensors", "pytorch_model.bin", "model.weights.h5")


def download(location: str, checksum: str = "") -> pathlib.Path:
    """The file of a location, downloaded with a progress bar where it is not cached yet.

    Args:
        location: ``https://...`` or ``hf:OWNER/REPO[@REVISION][/FILE]``.
        checksum: ``md5:...`` or ``sha256:...``, the first digits at least; empty if not known.

    Raises:
        UserError: When it cannot be had, or is not what was published.
    """
    if location.endswith((".pth", ".pt", ".th")) and not installed("torch"):
        raise UserError(
            f"{location!r} is a PyTorch file; reading it needs torch: "
            "pip install 'kerasnets[torch]'. Weights from keras or timm do not."
        )
    if location.startswith("hf:"):
        return _from_hub(location)
    return _from_url(location, checksum)


def parse_hub(location: str) -> tuple[str, str | None, str | None]:
    """Repository, revision and file of ``hf:OWNER/REPO[@REVISION][/FILE]``.

    Raises:
        UserError: When it is not of that form.
    """
    found = re.fullmatch(r"hf:([^/@]+/[^/@]+)(?:@([^/@]+))?(?:/(.+))?", location)
    if not found:
        raise UserError(
            f"A source on the hub is hf:OWNER/REPO[@REVISION][/FILE]. Received: {location!r}."
        )
    return found[1], found[2], found[3]


def _from_url(url: str, checksum: str) -> pathlib.Path:
    # Two processes would write one file.
    with locked(_home() / "locks" / f"{url.rpartition('/')[2]}.lock"):
        return _checked(url, checksum)


def _home() -> pathlib.Path:
    """Where Keras keeps what is its own."""
    return pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras")


def _checked(url: str, checksum: str) -> pathlib.Path:
    path = _get_file(url)
    if _matches(path, checksum):
        return path
    # What was kept may be what is left of a download that was killed.
    path = _get_file(url, again=True)
    if _matches(path, checksum):
        return path
    found = "a web page" if _is_page(path) else f"a file of {path.stat().st_size:,} bytes"
    path.unlink()
    raise UserError(
        f"{url!r} is not what was published: its checksum is not {checksum}. Found {found}."
    )


def _get_file(url: str, *, again: bool = False) -> pathlib.Path:
    name = url.rpartition("/")[2]
    # The second is where Keras turns where the first cannot be written.
    for home in (_home(), pathlib.Path("/tmp/.keras")):
        if not again and (home / "models" / name).exists():
            return home / "models" / name
    try:
        # A download that is killed leaves a part behind, which must not have the file's name.
        partial = pathlib.Path(
            keras.utils.get_file(
                f".partial-{name}", url, cache_subdir="models", force_download=True
            )
        )
        return partial.replace(partial.with_name(name))
    # get_file raises bare exceptions, whatever the reason.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{url!r} was not downloaded: {reason}.") from error


def _matches(path: pathlib.Path, checksum: str) -> bool:
    algorithm, _, digest = checksum.partition(":")
    if not digest:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest().startswith(digest)


def _is_page(path: pathlib.Path) -> bool:
    with path.open("rb") as file:
        return file.read(512).lstrip().startswith(b"<")


def _from_hub(location: str) -> pathlib.Path:
    from huggingface_hub import errors, hf_hub_download

    repo, revision, file = parse_hub(location)
    reason, failure, kept = "", None, False
    for name in (file,) if file else HUB_FILES:
        try:
            path = hf_hub_download(repo, name, revision=revision, local_files_only=kept)
            return pathlib.Path(path)
        except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
            reason = "the hub cannot be reached, and no earlier download is kept"
            # It would not answer for the next name either, which may be kept.
            failure, kept = error, True
        except errors.EntryNotFoundError as error:
            reason = f"it has no file {file or ' or '.join(HUB_FILES)}"
            failure = error
        except (errors.RevisionNotFoundError, errors.RepositoryNotFoundError) as error:
            raise _not_there(location, error) from error
        except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
            reason, failure = " ".join(str(error).split()), error
            break
    raise UserError(f"{location!r} was not downloaded: {reason}.") from failure


def hub_folder(location: str, without: tuple[str, ...] = ()) -> pathlib.Path:
    """All files of a repository of the hub, downloaded where they are not kept yet.

    Args:
        location: ``hf:OWNER/REPO[@REVISION]``.
        without: Patterns of files that are left out, such as ``savedmodel/*``.

    Raises:
        UserError: When there is no such repository, or it cannot be had.
    """
    from huggingface_hub import errors, snapshot_download

    repo, revision, file = parse_hub(location)
    if file:
        raise UserError(f"A model on the hub is hf:OWNER/REPO[@REVISION]. Received: {location!r}.")
    try:
        return pathlib.Path(
            snapshot_download(repo, revision=revision, ignore_patterns=list(without))
        )
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise UserError(
            f"{location!r} was not downloaded: the hub cannot be reached, and no earlier download "
            "is kept."
        ) from error
    except (errors.RevisionNotFoundError, errors.RepositoryNotFoundError) as error:
        raise _not_there(location, error) from error
    except hub_failures() as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{location!r} was not downloaded: {reason}.") from error


def hub_failures() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises where a request fails, its HTTP library's own errors included."""
    from huggingface_hub import errors

    # Which library that is differs from version to version.
    library = errors.HTTPError  # pyright: ignore[reportPrivateImportUsage]
    return library, errors.HFValidationError, OSError


def _not_there(location: str, error: Exception) -> UserError:
    """What the hub does not have: a revision, or the whole repository."""
    from huggingface_hub import errors

    repo, revision, _ = parse_hub(location)
    if isinstance(error, errors.RevisionNotFoundError):
        return UserError(f"{location!r}: {repo} has no revision {revision!r}.")
    return UserError(
        f"{location!r}: the hub has no repository {repo}, or it is private (HF_TOKEN)."
    )
