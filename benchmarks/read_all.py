"""What it takes to see every weight of every head: eager, ours, and TransformerLens, in one run.

A random model of SmolLM2's geometry (12 layers, 9 heads of 64 dimensions that share 3 key heads), each
way in its own process, rounds in turn:

- eager: one pass with `output_attentions=True`, which keeps the weights of all layers;
- ours: `viz.capture`, then `stack.weights(layer, out=buffer)` of every layer into one buffer, and once
  more with a buffer of float16;
- lens: `run_with_cache` of TransformerLens 4.3 for all patterns, in a virtual environment that is made
  for it in a temporary folder (`--lens PYTHON` names one that is there already);
- sdpa: the plain pass on the fast kernel, which shows no weights: no capture can take less.

Prints seconds by the clock and by the processor, their ratios to eager, and the peak memory; the last
line is one JSON object. Goal: ours at most 0.8 x eager, with the memory of one layer's weights. Where
others are at work, take the processor's time with OMP_NUM_THREADS=1: threads that wait count as working.

    python -m benchmarks.read_all [--tokens 512 2048] [--repeats 3] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from benchmarks.capture import peak_bytes, reset_peak

WAYS = ("eager", "ours", "ours float16", "sdpa", "lens")
LENS = "transformer-lens==4.3.*"
LAYERS, HEADS, KEY_HEADS, D_HEAD, D_MLP, VOCABULARY = 12, 9, 3, 64, 1536, 49_152
GOAL = 0.8

Measured = dict[str, dict[str, float]]


def measure(way: str, tokens: int, vocabulary: int, repeats: int) -> dict[str, float]:
    """Run one way in this process: least seconds by clock and processor, and peak memory above the model."""
    make = prepare_lens if way == "lens" else prepare_ours if "ours" in way else prepare_plain
    run = make(way, tokens, vocabulary)
    reset_peak()
    before = peak_bytes()
    times, worked = [], []
    for _ in range(repeats):
        start, work = time.perf_counter(), time.process_time()
        kept = run()
        worked.append(time.process_time() - work)
        times.append(time.perf_counter() - start)
        del kept
    return {
        "seconds": min(times),
        "cpu_seconds": min(worked),
        "bytes": float(peak_bytes() - before),
    }


def prepare_plain(way: str, tokens: int, vocabulary: int) -> Callable[[], object]:
    """Make the model as transformers runs it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=HEADS * D_HEAD,
        intermediate_size=D_MLP,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        max_position_embeddings=max(8192, tokens),
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=True,
    )
    name = "eager" if way == "eager" else "sdpa"
    module = LlamaForCausalLM._from_config(config, attn_implementation=name).eval()
    ids = torch.randint(0, vocabulary, (1, tokens))
    if "ours" in way:
        return lambda: (module, ids)

    def run() -> object:
        with torch.inference_mode():
            result = module(ids, use_cache=False, output_attentions=way == "eager")
        assert way != "eager" or len(result.attentions) == LAYERS
        return result

    return run


def prepare_ours(way: str, tokens: int, vocabulary: int) -> Callable[[], object]:
    """Wrap the same model."""
    import torch

    import viz

    module, ids = prepare_plain(way, tokens, vocabulary)()  # type: ignore[misc]
    model = viz.wrap_model(module)
    dtype = torch.float16 if "float16" in way else torch.float32

    def run() -> object:
        stack = viz.capture(model, {"input_ids": ids}).stacks["self"]
        buffer = None
        for layer in range(stack.layers):
            buffer = stack.weights(layer, dtype=dtype, out=buffer)
        return buffer

    return run


def prepare_lens(way: str, tokens: int, vocabulary: int) -> Callable[[], object]:
    """Put TransformerLens's bridge around the same model."""
    import torch
    from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module

    module, ids = prepare_plain("ours", tokens, vocabulary)()  # type: ignore[misc]
    bridge = build_bridge_from_module(module, "LlamaForCausalLM", hf_config=module.config)

    def run() -> object:
        with torch.inference_mode():
            result = bridge.run_with_cache(ids, names_filter=lambda n: n.endswith("hook_pattern"))
        assert len(result[1]) == LAYERS
        return result

    return run


def in_own_process(
    python: str, way: str, tokens: int, vocabulary: int, repeats: int
) -> dict[str, float]:
    """Measure in a fresh process, so that no way inherits another's memory."""
    command = [python, "-m", "benchmarks.read_all", "--way", way, "--tokens", str(tokens)]
    command += ["--vocabulary", str(vocabulary), "--repeats", str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def lens_python(folder: Path) -> str | None:
    """Install TransformerLens into a virtual environment of its own, and return its Python."""
    venv.create(folder, with_pip=True)
    found = sorted(folder.glob("*/python*"))
    python = next(str(one) for one in found if one.stem == "python")
    command = [python, "-m", "pip", "install", "--quiet", LENS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return python
    reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
    print(f"TransformerLens is left out, because {LENS} could not be installed: {reason[0]}")
    return None


def compare(options: argparse.Namespace, lens: str | None) -> dict[int, Measured]:
    """Run all ways in turn, and print a table; the least of the rounds, since others are noise."""
    ways = [way for way in WAYS if way != "lens" or lens is not None]
    found: dict[int, Measured] = {}
    print(
        "tokens  way           seconds  / eager    CPU s  / eager  peak MB    (all weights, one layer's, MB)"
    )
    for tokens in options.tokens:
        rounds: list[Measured] = []
        for _ in range(options.rounds):
            pythons = {way: lens if way == "lens" and lens else sys.executable for way in ways}
            rounds.append(
                {
                    way: in_own_process(python, way, tokens, options.vocabulary, options.repeats)
                    for way, python in pythons.items()
                }
            )
        best = {
            way: {what: min(one[way][what] for one in rounds) for what in rounds[0][way]}
            for way in ways
        }
        one_layer = 4 * HEADS * tokens**2 / 1e6
        for way in ways:
            seconds = best[way]["seconds"]
            best[way]["of_eager"] = seconds / best["eager"]["seconds"]
            best[way]["cpu_of_eager"] = best[way]["cpu_seconds"] / best["eager"]["cpu_seconds"]
            print(
                f"{tokens:6d}  {way:12s}  {seconds:7.3f}  {best[way]['of_eager']:7.2f}"
                f"  {best[way]['cpu_seconds']:7.3f}  {best[way]['cpu_of_eager']:7.2f}"
                f"  {best[way]['bytes'] / 1e6:7.0f}    ({LAYERS * one_layer:,.0f}, {one_layer:,.0f})",
                flush=True,
            )
        reached = best["ours"]["of_eager"] <= GOAL
        print(f"        goal: ours at most {GOAL} x eager: {'reached' if reached else 'missed'}")
        found[tokens] = best
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--lens", help="a Python that has TransformerLens 4.3; none to leave it out"
    )
    parser.add_argument("--way", choices=WAYS)
    options = parser.parse_args()
    if options.way:
        measured = measure(options.way, options.tokens[0], options.vocabulary, options.repeats)
        print(json.dumps(measured))
        return
    with tempfile.TemporaryDirectory() as folder:
        lens = lens_python(Path(folder)) if options.lens is None else options.lens
        found = compare(options, None if lens == "none" else lens)
    print(json.dumps({"vocabulary": options.vocabulary, "goal": GOAL, "tokens": found}))


if __name__ == "__main__":
    main()
