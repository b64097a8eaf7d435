"""What a benchmark measures: a typed description from which the command line is made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from kerasnets import registry
from kerasnets.benchmark.networks import NEEDS, PEERS, twin
from kerasnets.errors import UserError, unknown
from kerasnets.lazy import installed

# What can be asked for, and the jobs that a peer's process then does. The first step and the peak
# memory come with every job.
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
# The last to train: what training leaves in memory would count for what comes after.
JOBS = ("build", "eager", "graph", "xla", "exported", "train", "train_xla")


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """Our networks beside those of other libraries."""

    networks: tuple[str, ...] = (
        "alexnet",
        "vgg16",
        "googlenet",
        "inception_v3",
        "resnet50",
        "densenet121",
    )
    """Names from `kerasnets list`, with commas or spaces between, as below."""
    what: tuple[str, ...] = ("build", "train", "infer")
    """build, first_step, memory, train, train_xla, infer, or of it eager, graph, xla, exported."""
    peers: tuple[str, ...] = ()
    """keras.applications, keras_hub, torchvision, torchvision_compiled (by torch.compile), timm,
    kerasnets; those installed, but for the compiled one, if not given."""
    sizes: tuple[int, ...] = ()
    """Sides of the images, in pixels; the network's own if not given."""
    batch_sizes: tuple[int, ...] = (16,)
    """Images at a time."""
    precisions: tuple[Literal["float32", "bfloat16"], ...] = ("float32",)
    """bfloat16 is mixed with float32, as each library does it."""
    devices: tuple[Literal["auto", "cpu", "gpu"], ...] = ("auto",)
    """auto takes a GPU where there is one."""
    rounds: int = 5
    """Times that the peers take turns."""
    round_seconds: float = 0.5
    """Length of a turn at least; it has one step at least."""

    def resolved(self) -> BenchmarkConfig:
        """With lists taken apart and the peers chosen.

        Raises:
            UserError: When a value is not known, not installed, or out of range.
        """
        lists = {
            name: tuple(word for words in getattr(self, name) for word in words.split(",") if word)
            for name in ("networks", "what", "peers")
        }
        config = dataclasses.replace(self, **lists)
        for name in config.networks:
            registry.info(name)
        for name in config.what:
            if name not in WHAT:
                raise unknown("thing to measure (--what)", name, WHAT)
        for peer in config.peers:
            _check_peer(peer)
        for field, least in (("rounds", 1), ("sizes", 1), ("batch_sizes", 1), ("round_seconds", 0)):
            values = getattr(config, field)
            for value in values if isinstance(values, tuple) else (values,):
                if value < least:
                    flag = field.replace("_", "-")
                    raise UserError(f"--{flag} must be at least {least}. Received: {value}.")
        for name in ("networks", "what", "batch_sizes", "precisions", "devices"):
            if not getattr(config, name):
                raise UserError(f"--{name.replace('_', '-')} needs a value.")
        return config if config.peers else dataclasses.replace(config, peers=default_peers())

    @property
    def jobs(self) -> tuple[str, ...]:
        """What a peer's process does, in order."""
        asked = {job for name in self.what for job in WHAT[name]}
        return tuple(job for job in JOBS if job in asked)


def smoke(config: BenchmarkConfig) -> BenchmarkConfig:
    """The same on small images and in few rounds: whether it works, not how fast."""
    return dataclasses.replace(
        config, networks=("resnet50",), sizes=(32,), batch_sizes=(2,), rounds=2, round_seconds=0.0
    )


def default_peers() -> tuple[str, ...]:
    """Those installed, but for `torch.compile`, which takes minutes and a C++ compiler."""
    return tuple(peer for peer in PEERS if peer != "torchvision_compiled" and _installed(peer))


def twins(network: str, peers: tuple[str, ...]) -> dict[str, object]:
    """The peers that have a network, with what they call it."""
    found = {peer: twin(network, peer) for peer in peers}
    return {peer: each for peer, each in found.items() if each is not None}


def _check_peer(peer: str) -> None:
    if peer not in PEERS:
        raise unknown("peer", peer, PEERS)
    if not _installed(peer):
        raise UserError(f"The peer {peer!r} needs {NEEDS[peer]}, which is not installed.")


def _installed(peer: str) -> bool:
    return peer not in NEEDS or installed(NEEDS[peer])


def input_shape(network: str, size: int | None) -> tuple[int, int, int]:
    """(height, width, channels) of the images for a network."""
    height, width, channels = registry.info(network).input_shape
    return (height, width, channels) if size is None else (size, size, channels)
