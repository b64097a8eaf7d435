"""Trains networks beside their peers', and keeps what was found.

    python -m benchmarks.peer_training [NETWORK|PROJECT:NETWORK:STEPS ...]

It needs torch, torchvision and timm. What is found is a line of `results.jsonl`, from which
`make docs` writes docs/peer_training.md; what has its line is not measured again.
"""

from __future__ import annotations

import argparse

from benchmarks.peer_training.cases import cases
from benchmarks.peer_training.results import known
from kerasnets.benchmark.measure import alone


def main() -> None:
    """Measures what has not been measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="all if not given")
    chosen = set(parser.parse_args().networks)
    names = {name: {name, case.network} for name, case in cases().items()}
    if unknown := chosen.difference(*names.values()):
        parser.error(f"no peer has {', '.join(sorted(unknown))}; known are {', '.join(names)}")
    from benchmarks.peer_training.measure import measure

    for name, case in cases().items():
        if name in known() or (chosen and not names[name] & chosen):
            continue
        found = alone(measure, case)
        found.append()
        print(name, found.seconds, "s", flush=True)


if __name__ == "__main__":
    main()
