"""What recording costs: forward with capture, plain SDPA and eager, each in its own process.

Prints, for a random model of GPT-2 small's shape, the time of each as a ratio to plain SDPA and
the peak memory. Goal: capture at most 1.05 x SDPA, memory above SDPA's at most 1.2 x q and k.

    python -m benchmarks.capture [--tokens 512 1024 2048 4096] [--repeats 5]
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

WAYS = ("sdpa", "capture", "eager")


def measure(way: str, tokens: int, repeats: int) -> dict[str, float]:
    """Run one way in this process: least seconds (others are noise), and peak memory over what the model took."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    import viz

    torch.manual_seed(0)
    name = {"sdpa": "sdpa", "capture": "sdpa", "eager": "eager"}[way]
    config = GPT2Config(n_positions=max(1024, tokens), bos_token_id=0, eos_token_id=0)
    module = GPT2LMHeadModel._from_config(config, attn_implementation=name).eval()
    ids = torch.randint(0, config.vocab_size, (1, tokens))
    run: Callable[[], object]
    if way == "capture":
        model = viz.wrap_model(module)
        run = lambda: viz.capture(model, {"input_ids": ids})  # noqa: E731
    else:

        def run() -> object:
            with torch.inference_mode():
                return module(ids, output_attentions=way == "eager")

    reset_peak()
    before = peak_bytes()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        kept = run()
        times.append(time.perf_counter() - start)
        del kept
    return {"seconds": min(times), "bytes": float(peak_bytes() - before)}


def peak_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1])


def reset_peak() -> None:
    """Forget what loading the model took at its peak (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def in_own_process(way: str, tokens: int, repeats: int) -> dict[str, float]:
    """Measure in a fresh process, so that no way inherits another's memory."""
    command = [sys.executable, "-m", "benchmarks.capture", "--way", way]
    command += ["--tokens", str(tokens), "--repeats", str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--way", choices=WAYS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.tokens[0], options.repeats)))
        return
    print("tokens  capture/sdpa  eager/sdpa  sdpa s   peak MB: sdpa  capture  eager   extra/(q+k)")
    for tokens in options.tokens:
        # Rounds alternate the ways, because the machine's speed drifts.
        rounds = [
            {way: in_own_process(way, tokens, options.repeats) for way in WAYS}
            for _ in range(options.rounds)
        ]
        best = {
            way: {what: min(one[way][what] for one in rounds) for what in ("seconds", "bytes")}
            for way in WAYS
        }
        sdpa, captured, eager = (best[way] for way in WAYS)
        queries_and_keys = 12 * tokens * 768 * 2 * 4
        print(
            f"{tokens:6d}  {captured['seconds'] / sdpa['seconds']:12.3f}"
            f"  {eager['seconds'] / sdpa['seconds']:10.2f}  {sdpa['seconds']:6.2f}"
            f"  {sdpa['bytes'] / 1e6:13.0f}  {captured['bytes'] / 1e6:7.0f}"
            f"  {eager['bytes'] / 1e6:5.0f}"
            f"  {(captured['bytes'] - sdpa['bytes']) / queries_and_keys:12.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
