"""Statistics of all heads of one layer against one plain call of the kernel on the same q, k and v.

`python -m benchmarks.statistics [tokens] [causal|full]`: 8,192 tokens, 12 heads of 64 dimensions.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.layers import random_layer
from viz.patterns.detail import head_detail
from viz.patterns.streamed import row_statistics

HEADS, WIDTH, ROUNDS = 12, 64, 3


def main() -> None:
    """Print ratios of time, and what was needed above q, k and v."""
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 8192
    kinds = sys.argv[2:] or ["causal", "full"]
    for kind in kinds:
        layer = random_layer(HEADS, tokens, WIDTH, looks_ahead=kind == "full")
        value = torch.randn(1, HEADS, tokens, WIDTH)

        def plain(value: torch.Tensor = value, kind: str = kind, layer=layer) -> None:
            torch.nn.functional.scaled_dot_product_attention(
                layer.query[None], layer.key[None], value, is_causal=kind == "causal"
            )

        plain()
        before = _peak()
        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(_seconds(plain))
            ours.append(_seconds(lambda layer=layer: row_statistics(layer)))
        above = (_peak() - before) / (3 * layer.query.numel() * 4)
        ratio = median(o / t for o, t in zip(ours, theirs, strict=True))
        totals = row_statistics(layer).totals
        detail = _seconds(lambda layer=layer, totals=totals: head_detail(layer, 3, totals))
        print(
            f"{kind} {tokens:,} tokens: statistics {ratio:.2f} x SDPA ({median(theirs):.2f} s), "
            f"memory above: {above:.1f} x q, k and v; one head's received mass, top edges and "
            f"largest weights {detail:.2f} s"
        )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak() -> int:
    """Return the most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
