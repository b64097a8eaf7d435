"""The part of the images that one of several machines answers on."""

from __future__ import annotations

import hashlib
import pathlib
from dataclasses import dataclass

from kerasnets.errors import UserError


@dataclass(frozen=True)
class Shard:
    """The part of the images that one machine answers on.

    Attributes:
        index: From 1.
        count: Number of machines.
    """

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard of ``I/N``.

        Raises:
            UserError: When it is none.
        """
        index, _, count = text.partition("/")
        found = cls(int(index), int(count)) if index.isdecimal() and count.isdecimal() else None
        if found is None or not 1 <= found.index <= found.count:
            raise UserError(f"--shard must be I/N, such as 1/4 to 4/4. Received: {text}.")
        return found

    def of(self, path: pathlib.Path) -> pathlib.Path:
        """The file of the shard: ``answers-2-of-4.csv``; the file itself where there is but one."""
        if self.count == 1:
            return path
        return path.with_name(f"{path.stem}-{self.index}-of-{self.count}{path.suffix}")

    def takes(self, number: int) -> bool:
        """Whether the image of this number, from 0, is one of the part."""
        return number % self.count == self.index - 1


@dataclass(frozen=True)
class Whole:
    """What a shard is a shard of.

    Attributes:
        model: Identity of the model.
        images: Number of all images.
        names: SHA-256 of their names.
    """

    model: str
    images: int = 0
    names: str = hashlib.sha256().hexdigest()
