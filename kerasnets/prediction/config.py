"""How a server is asked, and where the work is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kerasnets.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ClientConfig:
    """How a server is asked."""

    concurrency: int = 8
    """Requests under way at a time."""
    retries: int = 3
    """How often to ask again when the server is busy or cannot be reached."""
    timeout_s: float = 30.0
    """Seconds to wait for an answer."""

    def __post_init__(self) -> None:
        check_least(self, concurrency=1, retries=0, timeout_s=0.01)


@dataclass(frozen=True, kw_only=True)
class RunnerConfig:
    """Where the work is done."""

    runner: Literal["here", "beam"] = "here"
    """Where the work is done: here, or by Apache Beam's workers, all of which see --out."""
    runner_flags: str = ""
    """Apache Beam's own flags, as in --runner-flags='--runner=FlinkRunner --flink_master=HOST'."""
    runner_shards: int = 24
    """Parts of the work that Beam gives its workers: several for each of them."""

    def __post_init__(self) -> None:
        check_least(self, runner_shards=2)


def check_least(config: object, **least: float) -> None:
    """Checks that the fields of a configuration are not too small.

    Raises:
        UserError: When one is; the message names its flag.
    """
    for name, value in least.items():
        given = getattr(config, name)
        # Written so that NaN fails too.
        if not given >= value:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag} must be at least {value}. Received: {given}.")
