"""What recording costs, beside plain SDPA and eager.

Prints, for a random model of GPT-2 small's shape, the time of each as a ratio to plain SDPA, measured in
turn in one process, and the peak memory of each in a process of its own. The last line is one JSON object.
Goal: capture at most 1.05 x SDPA, memory above SDPA's at most 1.2 x q and k.

    python -m benchmarks.capture [--tokens 512 1024 2048 4096] [--passes 12000]
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

# Passes of eager attention tell its ratio well enough with fewer.
EAGER_EVERY = 4


def passes(ways: tuple[str, ...], tokens: int) -> dict[str, Callable[[], object]]:
    """Return what runs one pass of each way, all of one model."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    import viz

    def plain(name: str) -> GPT2LMHeadModel:
        torch.manual_seed(0)
        # Models of one configuration would share what it says of their attention.
        config = GPT2Config(n_positions=max(1024, tokens), bos_token_id=0, eos_token_id=0)
        return GPT2LMHeadModel._from_config(config, attn_implementation=name).eval()

    ids = torch.randint(0, GPT2Config().vocab_size, (1, tokens))
    made: dict[str, Callable[[], object]] = {}
    if "capture" in ways:
        model = viz.wrap_model(plain("sdpa"))
        made["capture"] = lambda: viz.capture(model, {"input_ids": ids})
    for way in ("sdpa", "eager"):
        if way in ways:
            module = plain(way)
            made[way] = torch.inference_mode()(
                lambda module=module, way=way: module(ids, output_attentions=way == "eager")
            )
    return {way: made[way] for way in ways}


def measure_memory(way: str, tokens: int) -> dict[str, float]:
    """Run one way in this process: peak memory over what the model took."""
    run = passes((way,), tokens)[way]
    reset_peak()
    before = peak_bytes()
    for _ in range(2):
        run()
    return {"bytes": float(peak_bytes() - before)}


def measure_time(tokens: int, repeats: int) -> dict[str, float]:
    """Run all ways in turn in this process: the least seconds of each, as others are noise."""
    runs = passes(WAYS, tokens)
    least = dict.fromkeys(WAYS, float("inf"))
    for run in runs.values():
        run()
    for turn in range(repeats):
        for way, run in runs.items():
            if way == "eager" and turn % EAGER_EVERY:
                continue
            start = time.perf_counter()
            kept = run()
            least[way] = min(least[way], time.perf_counter() - start)
            del kept
    return least


def peak_bytes() -> int:
    """The most memory that this process has held."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1])


def reset_peak() -> None:
    """Forget what loading the model took at its peak (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def in_own_process(way: str, tokens: int, passes: int) -> dict[str, float]:
    """Measure in a fresh process, so that no way inherits another's memory."""
    command = [sys.executable, "-m", "benchmarks.capture", "--way", way]
    command += ["--tokens", str(tokens), "--passes", str(passes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--passes", type=int, default=12_000, help="tokens that each way reads")
    parser.add_argument("--way", choices=[*WAYS, "time"])
    options = parser.parse_args()
    if options.way:
        tokens = options.tokens[0]
        repeats = max(3, options.passes // tokens)
        found = (
            measure_time(tokens, repeats)
            if options.way == "time"
            else measure_memory(options.way, tokens)
        )
        print(json.dumps(found))
        return
    print("tokens  capture/sdpa  eager/sdpa  sdpa s   peak MB: sdpa  capture  eager   extra/(q+k)")
    found = {}
    for tokens in options.tokens:
        seconds = in_own_process("time", tokens, options.passes)
        peak = {way: in_own_process(way, tokens, options.passes)["bytes"] for way in WAYS}
        extra = (peak["capture"] - peak["sdpa"]) / (12 * tokens * 768 * 2 * 4)
        ratios = {way: seconds[way] / seconds["sdpa"] for way in WAYS}
        found[tokens] = {"of_sdpa": ratios, "bytes": peak, "extra_of_queries_and_keys": extra}
        print(
            f"{tokens:6d}  {ratios['capture']:12.3f}  {ratios['eager']:10.2f}  {seconds['sdpa']:6.2f}"
            f"  {peak['sdpa'] / 1e6:13.0f}  {peak['capture'] / 1e6:7.0f}  {peak['eager'] / 1e6:5.0f}"
            f"  {extra:12.2f}",
            flush=True,
        )
    print(json.dumps({"goal": {"capture_of_sdpa": 1.05, "extra": 1.2}, "tokens": found}))


if __name__ == "__main__":
    main()
