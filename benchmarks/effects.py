"""What effects cost, beside the plain passes of the same model, and the worked example of docs/effects.md.

Each part in a process of its own; within a part, what is compared runs in turn.

- knock_outs: at 1,024 tokens of a model of GPT-2 small's shape and of SmolLM2, every head silenced at the last position
  in batches of single tokens, beside one forward pass and beside a plain pass for each head, whose output projection is
  handed a 0 by a hook (three of them, times the heads). Goals: 0.5 of a pass, 150 x as fast.
- gradients: a pass forward and backward that keeps every weight's gradient as a slice, beside the plain one on SDPA and
  the eager one that keeps gradients of its weights; seconds and peak memory above the model. Goals: 1.15 and 1.3 x SDPA.
- tiles: 256 x 256 gradients of a head, beside as many weights. Goal: 1.5 x.
- rollout: the last row at 8,192 tokens, beside two forward passes.
- example: every head of SmolLM2 knocked out of a sentence, beside its first-order estimate.

    python -m benchmarks.effects [PART ...]      (about ten minutes on two cores; needs 8 GB)

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.capture import peak_bytes, reset_peak

TEXT = "When Mary and John went to the store, John gave a drink to"
SHOWN = 8
TRIES = 3

Figures = dict[str, Any]


def seconds(run: Callable[[], object], tries: int = TRIES) -> float:
    """Return the median of some tries, after one that does not count."""
    run()
    times = []
    for _ in range(tries):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return sorted(times)[tries // 2]


def _model(name: str, tokens: int) -> Any:
    import torch
    import transformers as hf

    import viz

    torch.manual_seed(0)
    if name == "smollm2":
        return viz.load_model(name, device="cpu", dtype="float32")
    config = hf.GPT2Config(n_positions=max(1024, tokens))
    return viz.wrap_model(hf.GPT2LMHeadModel(config).eval())


def knock_outs(tokens: int = 1024) -> Figures:
    """Time every head's knock-out at the last position, of two models."""
    return {
        "gpt2-small": _knock_outs("gpt2-small", "transformer.h.{}.attn.c_proj", tokens),
        "smollm2": _knock_outs("smollm2", "model.layers.{}.self_attn.o_proj", tokens),
    }


def _knock_outs(name: str, projection: str, tokens: int) -> Figures:
    import torch

    from viz.effects.captured_pass import captured_pass
    from viz.effects.head_states import head_states
    from viz.effects.knock_out import knock_out_of

    model = _model(name, tokens)
    ids = torch.randint(100, 40_000, (1, tokens), generator=torch.Generator().manual_seed(0))
    captured = captured_pass(model, {"input_ids": ids})
    states = head_states(captured)
    some = (0, model.layers // 2, model.layers - 1)

    def zero(_part: Any, args: Any) -> Any:
        mixed = args[0].unflatten(-1, (model.heads, -1)).clone()
        mixed[:, -1, 0] = 0
        return (mixed.flatten(-2),)

    def one_by_one() -> list[float]:
        said = []
        for layer in some:
            part = model.module.get_submodule(projection.format(layer))
            handle = part.register_forward_pre_hook(zero)
            said.append(float(captured.objective.of(model.module(ids).logits[0])))
            handle.remove()
        return said

    def all_at_once() -> Any:
        return knock_out_of(captured, queries=[tokens - 1], states=states)

    heads = model.layers * model.heads
    with torch.inference_mode():
        forward = seconds(lambda: model.module(ids))
        plain = seconds(one_by_one, tries=1) / len(some) * heads
        expected = one_by_one()
    taken = seconds(all_at_once)
    found = all_at_once()
    ours = {
        (one.layer, one.head): said for one, said in zip(found.heads, found.without, strict=True)
    }
    return {
        "heads": heads,
        "of_a_pass": round(taken / forward, 2),
        "faster_than_one_by_one": round(plain / taken),
        "apart": max(
            abs(ours[layer, 0] - said) for layer, said in zip(some, expected, strict=True)
        ),
    }


def gradients(tokens: int = 2048) -> Figures:
    """Time a pass forward and backward, each way in a process of its own for its peak memory."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(2):
        for way in ("sdpa", "ours", "eager"):
            one = _in_own_process("_gradients", "--way", way, "--tokens", str(tokens))
            known = best.setdefault(way, one)
            best[way] = {what: min(known[what], one[what]) for what in one}
    plain = best["sdpa"]
    return {
        way: {
            "seconds_of_sdpa": round(best[way]["seconds"] / plain["seconds"], 2),
            "memory_of_sdpa": round(best[way]["bytes"] / plain["bytes"], 2),
        }
        for way in ("ours", "eager")
    }


def _gradients(way: str, tokens: int) -> Figures:
    import torch

    from viz.effects.captured_pass import captured_pass
    from viz.effects.weight_gradients import gradients_of

    model = _model("gpt2-small", tokens)
    module = model.module
    ids = torch.randint(100, 40_000, (1, tokens), generator=torch.Generator().manual_seed(0))
    captured = captured_pass(model, {"input_ids": ids})
    chosen = captured.objective
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    if way == "eager":
        module.set_attn_implementation("eager")

    def plain() -> object:
        embedded = module.get_input_embeddings()(ids).requires_grad_()
        result = module(inputs_embeds=embedded, output_attentions=way == "eager", use_cache=False)
        wanted = [embedded, *(result.attentions if way == "eager" else ())]
        return torch.autograd.grad(chosen.of(result.logits[0]), wanted)

    def ours() -> object:
        return gradients_of(captured)

    run = ours if way == "ours" else plain
    run()
    reset_peak()
    before = peak_bytes()
    times = []
    for _ in range(TRIES):
        begun = time.perf_counter()
        kept = run()
        times.append(time.perf_counter() - begun)
        del kept
    return {"seconds": min(times), "bytes": float(peak_bytes() - before)}


def tiles(tokens: int = 2048, side: int = 256) -> Figures:
    """Time a tile of gradients and one of weights, each with its part of the pattern at full zoom."""
    import torch

    from viz.effects import weight_gradients

    model = _model("gpt2-small", tokens)
    ids = torch.randint(100, 40_000, (1, tokens), generator=torch.Generator().manual_seed(0))
    found = weight_gradients(model, {"input_ids": ids})
    rows, columns = range(tokens - side, tokens), range(tokens // 2, tokens // 2 + side)
    stack = found.trace.stacks["self"]
    weight = seconds(lambda: stack.weights(5, 3, rows, columns), tries=31)
    gradient = seconds(lambda: found.gradient(5, 3, rows, columns), tries=31)
    both = seconds(lambda: found.weight_times_gradient(5, 3, rows, columns), tries=31)
    return {
        "gradient_of_weight": round(gradient / weight, 2),
        "weight_times_gradient_of_weight": round(both / weight, 2),
    }


def rollout(tokens: int = 8192) -> Figures:
    """Time one row of a rollout through twelve layers."""
    import torch

    import viz
    from viz.effects import rollout as followed

    model = _model("gpt2-small", tokens)
    ids = torch.randint(100, 40_000, (1, tokens), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        forward = seconds(lambda: model.module.transformer(ids, use_cache=False), tries=1)
    stack = viz.capture(model, {"input_ids": ids}).stacks["self"]
    reset_peak()
    before = peak_bytes()
    taken = seconds(lambda: followed(stack, [tokens - 1]), tries=1)
    peak = peak_bytes() - before
    return {
        "of_a_pass": round(taken / forward, 2),
        "megabytes": round(peak / 1e6),
        "one_pattern_megabytes": round(4 * tokens**2 / 1e6),
    }


def example() -> Figures:
    """Knock out every head of SmolLM2, and print the table of docs/effects.md."""
    import pandas as pd

    import viz
    from viz.effects import Target, knock_out, weight_gradients

    target = Target(token=" Mary", against=" John")
    model = viz.load_model("smollm2", device="cpu", dtype="float32")
    gradients_found = weight_gradients(model, TEXT, target)
    table = knock_out(model, TEXT, target).table
    estimates = gradients_found.first_order()
    heads = zip(table["layer"], table["head"], strict=True)
    table["estimate"] = [float(estimates[layer, head]) for layer, head in heads]
    print(table.head(SHOWN).round(2).to_string(index=False))
    ranks: pd.DataFrame = table[["change", "estimate"]].corr(method="spearman")
    return {
        "value": round(gradients_found.value, 2),
        "heads": len(table),
        "rank_correlation": round(float(ranks.loc["change", "estimate"]), 2),
    }


PARTS: dict[str, Callable[[], Figures]] = {
    "knock_outs": knock_outs,
    "gradients": gradients,
    "tiles": tiles,
    "rollout": rollout,
    "example": example,
}


def _in_own_process(part: str, *more: str) -> Figures:
    command = [sys.executable, "-m", "benchmarks.effects", "--alone", part, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{part} failed:\n{done.stderr[-2000:]}")
    *said, last = done.stdout.splitlines()
    print("\n".join(said), end="\n" if said else "")
    found: Figures = json.loads(last)
    return found


def main() -> None:
    """Run the parts that are asked for, and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--alone")
    parser.add_argument("--way", default="")
    parser.add_argument("--tokens", type=int, default=0)
    options = parser.parse_args()
    if options.alone == "_gradients":
        print(json.dumps(_gradients(options.way, options.tokens)))
        return
    if options.alone:
        print(json.dumps(PARTS[options.alone]()))
        return
    found = {}
    for part in options.parts:
        found[part] = _in_own_process(part)
        print(f"{part}: {json.dumps(found[part])}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
