"""What a benchmark measures: a typed description from which the command line is made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, Self

from kerasnets import registry
from kerasnets.errors import UserError, unknown

# What can be asked for, and the jobs that measure it. The first step and the peak memory come
# with every job.
WHAT = {
    "build": ("build",),
    "first_step": ("train",),
    "memory": ("train",),
    "train": ("train",),
    "train_xla": ("train_xla",),
    "infer": ("eager", "graph", "xla", "exported"),
    "eager": ("eager",),
    "graph": ("graph",),
    "xla": ("xla",),
    "exported": ("exported",),
}
# Training comes last: what it leaves in memory would count for the jobs after it.
JOBS = ("build", "eager", "graph", "xla", "exported", "train", "train_xla")


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """What is measured of each network, and how long."""

    what: tuple[str, ...] = ("build", "train", "infer")
    """build, first_step, memory, train, train_xla, infer, or single forms of inference: eager,
    graph, xla, exported; with commas or spaces between."""
    sizes: tuple[int, ...] = ()
    """Sides of the images, in pixels; the network's own if not given."""
    batch_sizes: tuple[int, ...] = (16,)
    """Images in a batch."""
    precisions: tuple[Literal["float32", "bfloat16"], ...] = ("float32",)
    """bfloat16 is mixed precision: float32 variables, bfloat16 computation."""
    devices: tuple[Literal["auto", "cpu", "gpu"], ...] = ("auto",)
    """auto takes a GPU where there is one."""
    rounds: int = 5
    """Rounds of each measurement."""
    round_seconds: float = 0.5
    """Shortest length of a round, which has one step at least."""

    def resolved(self) -> Self:
        """The same with its words split at commas.

        Raises:
            UserError: When a value is unknown or out of range.
        """
        config = dataclasses.replace(self, what=words(self.what))
        for name in config.what:
            if name not in WHAT:
                raise unknown("thing to measure (--what)", name, WHAT)
        for field, least in (("rounds", 1), ("sizes", 1), ("batch_sizes", 1), ("round_seconds", 0)):
            values = getattr(config, field)
            for value in values if isinstance(values, tuple) else (values,):
                if value < least:
                    flag = field.replace("_", "-")
                    raise UserError(f"--{flag} must be at least {least}. Received: {value}.")
        for name in ("what", "batch_sizes", "precisions", "devices"):
            if not getattr(config, name):
                raise UserError(f"--{name.replace('_', '-')} needs a value.")
        return config

    @property
    def jobs(self) -> tuple[str, ...]:
        """The jobs that measure what was asked for, in their order."""
        asked = {job for name in self.what for job in WHAT[name]}
        return tuple(job for job in JOBS if job in asked)


def words(values: tuple[str, ...]) -> tuple[str, ...]:
    """Words that were given with commas or spaces between."""
    return tuple(word for value in values for word in value.split(",") if word)


def checked_networks(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of networks, split at commas.

    Raises:
        UserError: When there is none, or one is unknown.
    """
    names = words(names)
    if not names:
        raise UserError("Name a network; see kerasnets list.")
    return tuple(registry.info(name).name for name in names)
