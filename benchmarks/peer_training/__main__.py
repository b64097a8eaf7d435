"""Trains networks beside their peers', and keeps what was found.

    python -m benchmarks.peer_training [NETWORK|PROJECT:NETWORK:STEPS ...]

It needs torch, torchvision and timm. What is found is a line of `results.jsonl`, from which
`make docs` writes docs/peer_training.md; what has its line is not measured again.
"""

from __future__ import annotations

import argparse
import contextlib

# LLVM of Triton, which PyTorch's builds for CUDA bring, crashes where TensorFlow's came first.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

from benchmarks.peer_training.cases import cases
from benchmarks.peer_training.results import known


def main() -> None:
    """Measures what has not been measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="all if not given")
    chosen = parser.parse_args().networks
    from benchmarks.peer_training.measure import measure

    for name, case in cases().items():
        if name in known() or (chosen and not {name, case.network} & set(chosen)):
            continue
        found = measure(case)
        found.append()
        print(name, found.seconds, "s", flush=True)


if __name__ == "__main__":
    main()
