"""What the benchmarks share: two implementations that run in turn, and how they compare."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping


def in_turn(timers: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each repeat, by name; one round of all goes before, to warm up.

    Whatever else the machine does meets all alike, since each runs once in every round.
    """
    times = {name: [] for name in timers}
    for number in range(1 + repeats):
        for name, timer in timers.items():
            seconds = timer()
            if number:
                times[name].append(seconds)
    return times


def compare(times: Mapping[str, list[float]]) -> None:
    """Prints the median and spread of each, and the ratio of the first to the second."""
    for name, values in times.items():
        low, median, high = (1e3 * cut for cut in statistics.quantiles(values, n=4))
        print(f"{name:20} median {median:7.1f} ms, middle half {low:.1f}..{high:.1f} ms")
    ours, theirs = (statistics.median(values) for values in times.values())
    pairs = sorted(a / b for a, b in zip(*times.values(), strict=True))
    print(f"ratio of medians {ours / theirs:.2f}; of pairs {pairs[0]:.2f}..{pairs[-1]:.2f}")
