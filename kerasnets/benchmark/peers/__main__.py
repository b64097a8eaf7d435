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

from job import Setting, UnsupportedError, peak_flops, peak_memory, reset_memory

# Where each peer is; a module loads its framework.
MODULES = {
    "kerasnets": ("kerasnets_peer", "Kerasnets"),
    "keras.applications": ("keras_peers", "Applications"),
    "keras_hub": ("keras_peers", "KerasHub"),
    "torchvision": ("torch_peers", "Torchvision"),
    "torchvision_compiled": ("torch_peers", "CompiledTorchvision"),
    "timm": ("torch_peers", "Timm"),
}


class Session:
    """What one process does, request by request."""

    def __init__(self, peer: str) -> None:
        module, name = MODULES[peer]
        self.make = lambda setting: getattr(importlib.import_module(module), name)(setting)
        self.peer, self.run = None, None

    def start(self, setting: dict) -> dict:
        self.peer = self.make(Setting(**setting))
        started = time.perf_counter()
        self.peer.build()
        build_s = time.perf_counter() - started
        return {"build_s": build_s, **self.peer.facts()}

    def prepare(self, job: str) -> dict:
        reset_memory()
        started = time.perf_counter()
        self.run = self.peer.prepare(job)
        self.run(1)
        return {"first_s": time.perf_counter() - started}

    def round(self, steps: int) -> dict:
        started = time.perf_counter()
        self.run(steps)
        return {"seconds": (time.perf_counter() - started) / steps}

    def end(self) -> dict:
        of_device = self.peer.device_memory()
        memory = peak_memory() if of_device is None else of_device
        self.run = None
        self.peer.finish()
        return {"memory_mib": memory, "memory_of": "process" if of_device is None else "device"}

    def peak(self) -> dict:
        return {"flops": peak_flops(self.peer.product)}


def main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    session = Session(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(session, request.pop("do"))(**request)
        except Exception as error:
            traceback.print_exc()
            message = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            answer = {"error": message, "unsupported": isinstance(error, UnsupportedError)}
        print(json.dumps(answer), file=answers)


main()
