"""Trains the first steps of every network, and keeps what its loss did.

    python -m benchmarks.learning [NETWORK ...] [--flowers folder:flowers] [--changes WORDS]

A line of `results.jsonl` for each, from which `make docs` writes docs/learning.md. A network that
has its line is not trained again; without names all that are missing are, the cheapest first.
"""

from __future__ import annotations

import argparse

import kerasnets
from benchmarks.learning.measure import cost, known, measure
from kerasnets.benchmark.measure import alone


def main() -> None:
    """Trains the networks that are missing."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="those to train, in this order")
    parser.add_argument("--flowers", default="folder:flowers", help="the photographs")
    parser.add_argument(
        "--changes", default="", help="options of the network, NAME VALUE, then flags of training"
    )
    given = parser.parse_args()
    for network in given.networks or sorted(kerasnets.list_models(), key=cost):
        # Read each time: another process may add to it.
        if any((each.network, each.changes) == (network, given.changes) for each in known()):
            continue
        # TensorFlow keeps memory of each network that was trained.
        found = alone(measure, network, given.flowers, given.changes)
        found.append()
        print(f"{network}: {found.first} to {found.last}, chance {found.chance}", flush=True)


if __name__ == "__main__":
    main()
