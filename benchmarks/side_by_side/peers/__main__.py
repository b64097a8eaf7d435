"""Answers requests on standard input, a line of JSON each, about one peer and one network.

``start`` builds the network, ``prepare`` makes one of its jobs ready and does its first step,
``round`` times some steps, ``end`` tells the memory that the job took, ``peak`` times a matrix
product. What cannot be done is answered by ``error``, and the process goes on.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable

from kerasnets.benchmark.measure import Session, in_one_line
from kerasnets.benchmark.network import Setting, UnsupportedError

# Where each peer is; a module loads its framework.
MODULES = {
    "kerasnets": ("keras_peers", "Kerasnets"),
    "keras.applications": ("keras_peers", "Applications"),
    "keras_hub": ("keras_peers", "KerasHub"),
    "torchvision": ("torch_peers", "Torchvision"),
    "torchvision_compiled": ("torch_peers", "CompiledTorchvision"),
    "timm": ("torch_peers", "Timm"),
}


class PeerSession(Session):
    """What one process does, request by request."""

    def __init__(self, peer: str) -> None:
        module, name = MODULES[peer]
        super().__init__(lambda setting: getattr(importlib.import_module(module), name)(setting))

    def answer(self, do: str, **arguments: object) -> dict:
        """The answer to one request."""
        if do == "start":
            return self.start(Setting(**arguments["setting"]))
        if do == "round":
            return {"seconds": self.round(**arguments)}
        return {"prepare": self.prepare, "end": self.end, "peak": self.peak}[do](**arguments)

    def peak(self) -> dict:
        return {"flops": peak_flops(self.network.product)}


def peak_flops(product: Callable[[int], Callable[[], object]]) -> float:
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


def main(peer: str) -> None:
    """Answers until the input ends."""
    if peer != "kerasnets":
        # Importing kerasnets sets it; the others are measured with TensorFlow's own choice.
        os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    session = PeerSession(peer)
    for line in sys.stdin:
        try:
            answer = session.answer(**json.loads(line))
        except Exception as error:
            traceback.print_exc()
            unsupported = isinstance(error, UnsupportedError)
            answer = {"error": in_one_line(error), "unsupported": unsupported}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main(sys.argv[1])
