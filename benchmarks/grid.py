"""From a finished trace to the bytes of the whole grid of heads.

Prints seconds and bytes for 12 x 12 heads at 32, 128 and 512 tokens, on a random model of GPT-2
small's shape. Goal: under 1.2 MB at every length, and 100 x faster at 512 than the 29 s that
BertViz 1.4.1 model_view took there (1.0 GB; 0.13 s and 4.0 MB at 32, 1.5 s and 63.5 MB at 128).

    python -m benchmarks.grid
"""

from __future__ import annotations

import statistics
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel

import viz
from viz.patterns import overview

BERTVIZ_SECONDS = {32: 0.13, 128: 1.5, 512: 29.0}
REPEATS = 5


def main() -> None:
    """Print the table."""
    torch.manual_seed(0)
    module = GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0)).eval()
    model = viz.wrap_model(module)
    print("tokens   seconds      bytes   BertViz seconds / ours")
    for tokens, theirs in BERTVIZ_SECONDS.items():
        stack = viz.capture(model, {"input_ids": torch.randint(0, 50_000, (1, tokens))}).stacks[
            "self"
        ]
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            _, thumbnails = overview(stack)
            payload = thumbnails.values.tobytes()
            times.append(time.perf_counter() - start)
        seconds = statistics.median(times)
        print(f"{tokens:6d}  {seconds:8.3f}  {len(payload):9,d}   {theirs / seconds:8.0f} x")


if __name__ == "__main__":
    main()
