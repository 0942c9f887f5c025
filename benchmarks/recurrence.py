"""An LSTM, a convolution and attention at growing length: path, operations and time of one layer.

`python -m benchmarks.recurrence [longest]`: 64 to 4,096 tokens, 64 dimensions, a batch of one.
"""

from __future__ import annotations

import sys
import time

from viz.analysis.recurrence_vs_attention import KINDS, LENGTHS, growth, measure


def main() -> None:
    """Print a row for each kind and length, then what doubling the length multiplies."""
    longest = int(sys.argv[1]) if len(sys.argv) > 1 else LENGTHS[-1]
    start = time.perf_counter()
    found = []
    print(f"{'layer':12} {'tokens':>7} {'path':>5} {'operations':>15} {'ms':>9}")
    for one in measure(tuple(length for length in LENGTHS if length <= longest)):
        found.append(one)
        path = "" if one.path is None else f"{one.path:,}"
        print(
            f"{one.kind:12} {one.length:7,} {path:>5} {one.operations:15,} {1e3 * one.seconds:9.2f}"
        )
    for kind in KINDS:
        mine = [one for one in found if one.kind == kind]
        lengths = [one.length for one in mine]
        counted = growth(lengths, [float(one.operations) for one in mine])
        timed = growth(lengths, [one.seconds for one in mine])
        print(f"{kind}: twice the tokens, {counted:.2f} x the operations, {timed:.2f} x the time")
    print(f"measured in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
