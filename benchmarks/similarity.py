"""All heads against all heads: time against one pass over their statistics, and peak memory.

Random causal models at 512 tokens: GPT-2 small's shape (144 heads), and 32 layers x 32 heads (1,024).
Goals: 144 heads within 2 x the time of one streamed pass over their statistics; 1,024 heads under 60 s
and 4 GB on 2 cores. Each number of heads in a process of its own, whose peak memory is that of the whole
process, model and libraries included.

    python -m benchmarks.similarity [--tokens 512] [--all]      # --all compares all rows too
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.capture import peak_bytes

ROUNDS = 5


def main() -> None:
    """Print one line for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--heads", type=int, choices=[144, 1024])
    asked = parser.parse_args()
    if asked.heads:
        print(json.dumps(measure(asked.heads, asked.tokens, asked.all)))
        return
    for heads in (144, 1024):
        command = [sys.executable, "-m", "benchmarks.similarity", "--heads", str(heads)]
        command += ["--tokens", str(asked.tokens), *(["--all"] if asked.all else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        one = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{heads:,} heads, {asked.tokens} tokens: {one['rows']} rows in {one['seconds']:.2f} s, "
            f"{one['ratio']:.2f} x a pass over statistics ({one['pass']:.2f} s); order "
            f"{one['order']:.2f} s, map {one['map']:.2f} s; peak {one['bytes'] / 1e9:.2f} GB",
            flush=True,
        )
        if asked.all:
            print(
                f"    all rows in {one['all']:.1f} s; against them: largest difference "
                f"{one['off']:.4f} nats, rank correlation {one['alike']:.4f}",
                flush=True,
            )


def measure(heads: int, tokens: int, with_all: bool) -> dict[str, float]:
    """Measure one model in this process."""
    import viz
    from viz.compare import order, places, similarity
    from viz.patterns import row_statistics

    torch.manual_seed(0)
    module = gpt2() if heads == 144 else llama()
    inputs = {"input_ids": torch.randint(0, 1_000, (1, tokens))}
    stack = viz.capture(viz.wrap_model(module), inputs).stacks["self"]
    passes, ours, found = [], [], None
    for _ in range(ROUNDS if heads == 144 else 1):
        # In turn, because the machine's speed drifts.
        passes.append(
            seconds(lambda: [row_statistics(stack.record(at)) for at in range(stack.layers)])[0]
        )
        took, found = seconds(lambda: similarity(stack))
        ours.append(took)
    out = {
        "rows": found.rows,
        "seconds": median(ours),
        "pass": median(passes),
        "ratio": median(one / other for one, other in zip(ours, passes, strict=True)),
        "order": seconds(lambda: order(found))[0],
        "map": seconds(lambda: places(found))[0],
    }
    if with_all:
        out["all"], whole = seconds(lambda: similarity(stack, rows="all"))
        upper = np.triu_indices(heads, 1)
        out["off"] = float(np.abs(whole.divergence - found.divergence).max())
        out["alike"] = float(spearmanr(whole.divergence[upper], found.divergence[upper])[0])
    return {**out, "bytes": float(peak_bytes())}


def gpt2() -> torch.nn.Module:
    """Make 12 layers of 12 heads of 64 dimensions."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0)).eval()


def llama() -> torch.nn.Module:
    """Make 32 layers of 32 heads of 16 dimensions."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=1_000,
        hidden_size=512,
        intermediate_size=512,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=32,
    )
    return LlamaForCausalLM(config).eval()


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long it took, and what came of it."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
