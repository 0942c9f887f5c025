"""Statistics of all heads of one layer against one plain call of the kernel on the same q, k and v.

`python -m benchmarks.statistics [tokens] [causal|full]`: 8,192 tokens, 12 heads of 64 dimensions, float32.
With `--device cuda` 32,768 tokens in bfloat16, against the flash kernel.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.layers import random_layer
from viz.patterns.detail import head_detail
from viz.patterns.streamed_statistics import row_statistics

HEADS, WIDTH, ROUNDS = 12, 64, 3


def main() -> None:
    """Print ratios of time, and what was needed above q, k and v."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tokens", nargs="?", type=int)
    parser.add_argument("kinds", nargs="*", default=["causal", "full"])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    asked = parser.parse_args()
    on_gpu = asked.device == "cuda"
    tokens = asked.tokens or (32_768 if on_gpu else 8_192)
    dtype = torch.bfloat16 if on_gpu else torch.float32
    for kind in asked.kinds:
        ahead = kind == "full"
        layer = random_layer(
            HEADS, tokens, WIDTH, looks_ahead=ahead, device=asked.device, dtype=dtype
        )
        value = torch.randn_like(layer.query)[None]

        def plain(value: torch.Tensor = value, ahead: bool = ahead, layer=layer) -> None:
            torch.nn.functional.scaled_dot_product_attention(
                layer.query[None], layer.key[None], value, is_causal=not ahead
            )

        plain()
        if on_gpu:
            row_statistics(layer)  # kernels are loaded at their first call
            torch.cuda.reset_peak_memory_stats()
        before = _held(on_gpu)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(_seconds(plain, on_gpu))
            ours.append(_seconds(lambda layer=layer: row_statistics(layer), on_gpu))
        above = (_held(on_gpu) - before) / (3 * layer.query.nbytes)
        ratio = median(o / t for o, t in zip(ours, theirs, strict=True))
        totals = row_statistics(layer).totals
        detail = _seconds(lambda layer=layer, t=totals: head_detail(layer, 3, t), on_gpu)
        print(
            f"{kind} {tokens:,} tokens, {asked.device}: statistics {ratio:.2f} x SDPA "
            f"({median(theirs):.4f} s), memory above: {above:.1f} x q, k and v; one head's received "
            f"mass, top edges and largest weights {detail:.2f} s"
        )


def _seconds(work: Callable[[], object], on_gpu: bool) -> float:
    if on_gpu:
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _held(on_gpu: bool) -> int:
    """Return the most memory that was held so far, in bytes: of the GPU, or of this process."""
    if on_gpu:
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
