"""What is measured side by side: a typed description from which the command line is made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

from benchmarks.side_by_side.networks import NEEDS, PEERS
from kerasnets.benchmark.config import BenchmarkConfig, checked_networks, words
from kerasnets.errors import UserError, unknown
from kerasnets.lazy import installed


@dataclass(frozen=True, kw_only=True)
class SideBySideConfig(BenchmarkConfig):
    """Our networks beside those of other libraries, which take turns in rounds."""

    networks: tuple[str, ...] = (
        "alexnet",
        "vgg16",
        "googlenet",
        "inception_v3",
        "resnet50",
        "densenet121",
    )
    """Names from `kerasnets list`, with commas or spaces between, as below."""
    peers: tuple[str, ...] = ()
    """keras.applications, keras_hub, torchvision, torchvision_compiled (by torch.compile), timm,
    kerasnets; those installed, but for the compiled one, if not given."""

    def resolved(self) -> Self:
        """With words split at commas and the peers chosen.

        Raises:
            UserError: When a value is not known, not installed, or out of range.
        """
        config = dataclasses.replace(
            super().resolved(), networks=checked_networks(self.networks), peers=words(self.peers)
        )
        for peer in config.peers:
            if peer not in PEERS:
                raise unknown("peer", peer, PEERS)
            if not _installed(peer):
                raise UserError(f"The peer {peer!r} needs {NEEDS[peer]}, which is not installed.")
        # `torch.compile` takes minutes and a C++ compiler.
        chosen = (peer for peer in PEERS if peer != "torchvision_compiled" and _installed(peer))
        return config if config.peers else dataclasses.replace(config, peers=tuple(chosen))


def smoke(config: SideBySideConfig) -> SideBySideConfig:
    """The same on small images and in few rounds: whether it works, not how fast."""
    return dataclasses.replace(
        config, networks=("resnet50",), sizes=(32,), batch_sizes=(2,), rounds=2, round_seconds=0.0
    )


def _installed(peer: str) -> bool:
    return peer not in NEEDS or installed(NEEDS[peer])
