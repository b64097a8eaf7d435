"""How far a long work is, on the standard error: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from typing import Any

log = logging.getLogger("kerasnets")
# Seconds between two lines where there is no terminal.
LINE_EVERY_S = 30.0


class Counter(contextlib.AbstractContextManager):
    """Shows images done, images a second and the time that is left.

    Args:
        total: Number of images, where it is known.
        quiet: Whether nothing is shown but on a terminal.
    """

    def __init__(self, total: int | None, *, quiet: bool = False) -> None:
        self.total, self.quiet = total, quiet
        self.start = self.line = time.monotonic()
        self.first: int | None = None
        self._bar: Any = None

    def __enter__(self) -> Counter:
        if sys.stderr.isatty():
            import rich.console
            import rich.progress

            self._bar = rich.progress.Progress(
                rich.progress.BarColumn(),
                rich.progress.TextColumn("{task.description}"),
                console=rich.console.Console(stderr=True),
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            self._bar.start()
            self._bar.add_task("", total=self.total)
        return self

    def show(self, done: int, bad: int) -> None:
        """Tells how many images are done, and how many of them are bad.

        What is done at the first call was done before the clock started.
        """
        now = time.monotonic()
        if self.first is None:
            self.first, self.start = done, now
        words = self._words(done, bad, now)
        if self._bar:
            self._bar.update(0, completed=done, description=words)
        elif not self.quiet and now - self.line > LINE_EVERY_S:
            self.line = now
            log.info("%s", words)

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()

    def _words(self, done: int, bad: int, now: float) -> str:
        rate = (done - (self.first or 0)) / max(now - self.start, 1e-9)
        of = "" if self.total is None else f" of {self.total:,}"
        words = f"{done:,}{of} images"
        if rate:
            words += f", {rate:,.1f}/s"
        if rate and self.total is not None:
            words += f", {_time(max(0, self.total - done) / rate)} left"
        return words + (f", {bad:,} bad" if bad else "")


def _time(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
