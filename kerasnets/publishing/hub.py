"""The upload to the Hugging Face hub, and what the hub refuses, in one line."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator
from typing import get_args

from kerasnets.errors import UserError
from kerasnets.pretrained.download import hub_failures
from kerasnets.publishing.folder import COPIED, Export, Publication, card, write_folder


def publish(publication: Publication, *, private: bool = False) -> str:
    """Uploads a run in one commit; the repository is made where there is none.

    Args:
        publication: The run and where it goes.
        private: Whether a repository that is made is private.

    Returns:
        The address of the repository.

    Raises:
        UserError: When the hub refuses something or cannot be reached.
    """
    from huggingface_hub import HfApi, ModelCard

    api = HfApi()
    with tempfile.TemporaryDirectory() as scratch, _refusals(publication.repository):
        # Before the work of the exports: a licence that the hub does not know, a missing right.
        folder = pathlib.Path(scratch, "run")
        ModelCard(card(dataclasses.replace(publication, exports=()), folder)).validate()
        url = api.create_repo(publication.repository, private=private, exist_ok=True)
        write_folder(publication, folder)
        api.upload_folder(
            repo_id=publication.repository,
            folder_path=folder,
            commit_message=f"{publication.run.config.model}, by kerasnets",
            # Thresholds and exports of an earlier run would be taken for those of this one.
            delete_patterns=[*COPIED, *(f"{each}/*" for each in get_args(Export))],
        )
    return str(url)


@contextlib.contextmanager
def _refusals(repository: str) -> Iterator[None]:
    """Errors of huggingface_hub as one line that says what to do."""
    from huggingface_hub import errors

    try:
        yield
    except UserError:
        raise
    except errors.LocalTokenNotFoundError as error:
        raise UserError(
            f"hf:{repository} was not published: the hub wants a token; `hf auth login`, or set "
            "HF_TOKEN to one that may write."
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        reason = error.server_message or _in_one_line(error)
        if status in (401, 403):
            reason += " (a token that may write there: `hf auth login`, or HF_TOKEN)"
        raise UserError(f"hf:{repository} was not published; the hub says: {reason}") from error
    except (*hub_failures(), ValueError, RuntimeError) as error:
        raise UserError(f"hf:{repository} was not published: {_in_one_line(error)}") from error


def _in_one_line(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
    return " ".join(str(cause).split())[:300] or type(cause).__name__
