"""Predictions on image files by a model of any kind: on some as a list, on many as they come."""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import os
import pathlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TypeVar

from kerasnets.data.marks import START, format_of, refusal
from kerasnets.data.sources.paths import is_remote
from kerasnets.prediction.models import opened
from kerasnets.prediction.prediction import (
    Answer,
    ImageModel,
    Prediction,
    Unreadable,
    check_images,
    each_of,
    image_files,
    read_file,
)
from kerasnets.prediction.sources import Item, items

Given = TypeVar("Given")
# Batches on their way: while some are computed, others are read and decoded.
IN_FLIGHT = 3
# Files that are read at the same time.
READERS = 8


def predict(
    model: str | os.PathLike | ImageModel,
    images: str | os.PathLike | Sequence[str | os.PathLike],
) -> list[Prediction]:
    """Predictions on image files, in their order.

    Args:
        model: What `open_model` takes, or gives.
        images: Image files, or one.

    Raises:
        UserError: When there is no such model, or an image cannot be read; the message names it.
    """
    paths = image_files(images)
    check_images(paths)
    model = opened(model)
    found = zip(paths, _one_by_one(model, (Item(str(path)) for path in paths)), strict=True)
    return [Prediction(path, *_given(path, answer)) for path, answer in found]


def predict_each(
    model: str | os.PathLike | ImageModel,
    sources: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    on_bad: Callable[[str, str], object] | None = None,
) -> Iterator[Prediction]:
    """Predictions on many images, in their order, as they come; nothing of them is kept.

    Args:
        model: What `open_model` takes, or gives.
        sources: One or more of image files, folders, patterns, ``manifest:FILE`` and
            ``records:PATH``; see `kerasnets.prediction.sources.items`.
        on_bad: Takes the name of an image that cannot be read and the reason; the image is left
            out. Without it the first such image is an error.

    Raises:
        UserError: When there is no such model, or an image cannot be read.
    """
    model = opened(model)
    for batch in answers(model, items([os.fspath(source) for source in each_of(sources)])):
        for item, answer in batch:
            if isinstance(answer, Unreadable) and on_bad:
                on_bad(item.name, answer.reason)
                continue
            image = item.name if item.content or is_remote(item.name) else pathlib.Path(item.name)
            yield Prediction(image, *_given(item.name, answer))


def answers(
    model: ImageModel, found: Iterable[Item]
) -> Generator[list[tuple[Item, Answer | Unreadable]]]:
    """Batches of images with a model's answers, in order; see `said`."""
    return said(model.answer, found, model.batch_size)


def said(
    ask: Callable[[Sequence[bytes]], Sequence[Given | Unreadable]],
    found: Iterable[Item],
    batch_size: int,
) -> Generator[list[tuple[Item, Given | Unreadable]]]:
    """Batches of images with what is said of them, in order.

    A batch is `batch_size` images that follow each other, the bad ones among them, so the same
    images make the same batches. At most `IN_FLIGHT` are in memory.

    Args:
        ask: What says something of each image file, such as `ImageModel.answer`.
        found: The images.
        batch_size: Images that it is asked about at a time.
    """
    waiting: collections.deque[concurrent.futures.Future] = collections.deque()
    with (
        concurrent.futures.ThreadPoolExecutor(READERS) as readers,
        concurrent.futures.ThreadPoolExecutor(IN_FLIGHT) as workers,
    ):

        def work(batch: list[Item]) -> list[tuple[Item, Given | Unreadable]]:
            contents = list(readers.map(_content, batch))
            whole = [content for content in contents if isinstance(content, bytes)]
            answered = iter(ask(whole))
            return [
                (item, next(answered) if isinstance(content, bytes) else content)
                for item, content in zip(batch, contents, strict=True)
            ]

        try:
            for batch in _batches(found, batch_size):
                waiting.append(workers.submit(work, batch))
                if len(waiting) == IN_FLIGHT:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _batches(found: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(found)
    while batch := list(itertools.islice(rest, size)):
        yield batch


def _content(item: Item) -> bytes | Unreadable:
    """The bytes of an image file, if it begins as one."""
    content = read_file(item.name) if item.content is None else item.content
    if isinstance(content, bytes) and format_of(content[:START]) is None:
        return Unreadable(refusal(content[:START]))
    return content


def _one_by_one(model: ImageModel, found: Iterable[Item]) -> Iterator[Answer | Unreadable]:
    return (answer for batch in answers(model, found) for _, answer in batch)


def _given(name: str | os.PathLike, answer: Answer | Unreadable) -> Answer:
    """The answer, where there is one."""
    if isinstance(answer, Unreadable):
        raise answer.error(name)
    return answer
