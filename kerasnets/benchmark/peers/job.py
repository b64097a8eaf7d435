"""What all peers share: the setting, the random batch, the memory, the matrix product."""

from __future__ import annotations

import pathlib
import re
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEARNING_RATE, MOMENTUM = 0.01, 0.9
CLASSES = 1000


class UnsupportedError(Exception):
    """This peer has no such job."""


@dataclass(frozen=True)
class Setting:
    """What a process measures.

    Attributes:
        network: At the peer.
        input_shape: (height, width, channels).
        batch: Images.
        precision: ``"float32"`` or ``"bfloat16"``: mixed with float32, as each library does it.
        device: ``"auto"``, ``"cpu"`` or ``"gpu"``.
    """

    network: str
    input_shape: tuple[int, int, int]
    batch: int
    precision: str
    device: str

    def pixels(self) -> np.ndarray:
        """Random images, (N, H, W, C) uint8."""
        shape = (self.batch, *self.input_shape)
        return np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def images(self) -> np.ndarray:
        """The same in [0, 1], float32."""
        return self.pixels().astype(np.float32) / 255

    def labels(self) -> np.ndarray:
        """(N,) int32."""
        return np.random.default_rng(1).integers(0, CLASSES, self.batch, np.int32)


def reset_memory() -> None:
    """Forgets the peak of this process until now, where the system can (Linux)."""
    file = pathlib.Path("/proc/self/clear_refs")
    if file.exists():
        file.write_text("5")


def peak_memory() -> float:
    """Of this process, in MiB."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_flops(product: Callable[[int], Callable[[], None]]) -> float:
    """The most floating-point operations a second of products of two square matrices.

    Args:
        product: Makes, for a side, what computes one product and waits for it.
    """
    side, best = 1024, 0.0
    while True:
        run = product(side)
        run()
        times = []
        for _ in range(5):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        best = max(best, 2 * side**3 / min(times))
        if min(times) > 0.1 or side == 16384:
            return best
        side *= 2
