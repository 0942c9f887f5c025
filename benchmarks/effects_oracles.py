"""Effects held against others' libraries, on SmolLM2: TransformerLens' hooks and Captum's integrated gradients.

- knock_outs: every head silenced at the last position, beside TransformerLens with 0 in `hook_z`, a pass for each head; how
  far apart, and how many times as fast; and once more at 1,024 tokens, where three heads are timed there for all.
- shares: each head's share of the logit, beside TransformerLens' cache divided by `logit_attrs`' own steps: what each head
  writes, over the final norm's scale, times the unembedding.
- integrated_gradients: beside Captum's over as many steps of the same kind, from embeddings of 0.

    pip install transformer-lens captum        (tried with 4.3.0 and 0.9.0)
    python -m benchmarks.effects_oracles       (two minutes on two cores)

The last line is one JSON object.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import viz
from viz.effects.captured_pass import captured_pass
from viz.effects.head_states import head_states
from viz.effects.integrated_gradients import STEPS
from viz.effects.knock_out import knock_out_of
from viz.models.folders import cache_folder

TEXT = "When Mary and John went to the store, John gave a drink to"
TARGET = viz.Target(token=" Mary", against=" John")


def main() -> None:
    """Print the figures."""
    from transformer_lens.model_bridge import TransformerBridge

    model, other = (viz.load_model("smollm2", device="cpu", dtype="float32") for _ in range(2))
    # Of its own, because the bridge changes the module that it is given.
    assert model.module is not other.module
    folder = next(Path(cache_folder() / "models").glob("smollm2*"))
    bridge = TransformerBridge.boot_transformers(
        str(folder), hf_model=other.module, tokenizer=other.tokenizer, device="cpu"
    )
    begun = time.perf_counter()
    found = viz.effects(model, TEXT, TARGET)
    ours = time.perf_counter() - begun
    ids = torch.tensor(list(found.trace.units.ids))[None]
    figures: dict[str, Any] = {
        "knock_outs": _knock_outs(bridge, ids, found, ours),
        "knock_outs_at_1024": _knock_outs_of_a_long_text(bridge, model),
        "shares": _shares(bridge, ids, found),
        "integrated_gradients": _integrated(model.module, ids, found),
    }
    for name, one in figures.items():
        print(name, json.dumps(one))
    print(json.dumps(figures))


def _said(logits: Tensor, found: Any) -> float:
    return float(logits[0, -1, found.objective.token] - logits[0, -1, found.objective.against])


@torch.no_grad()
def _knock_outs(bridge: Any, ids: Tensor, found: Any, ours: float) -> dict[str, float]:
    """Silence each head by a hook of TransformerLens."""
    apart = []
    begun = time.perf_counter()
    for one, without in zip(found.at_position.heads, found.at_position.without, strict=True):

        def zero(z: Tensor, hook: Any, head: int = one.head) -> Tensor:
            apart_heads = z if z.ndim == 4 else z.unflatten(-1, (9, -1))
            apart_heads[:, -1, head] = 0
            return z

        hooks = [(f"blocks.{one.layer}.attn.hook_z", zero)]
        apart.append(abs(_said(bridge.run_with_hooks(ids, fwd_hooks=hooks), found) - without))
    theirs = time.perf_counter() - begun
    return {
        "heads": len(apart),
        "apart": float(f"{max(apart):.2g}"),
        "faster": round(theirs / ours, 1),
    }


@torch.no_grad()
def _knock_outs_of_a_long_text(bridge: Any, model: viz.Model) -> dict[str, float]:
    """Time some heads by TransformerLens at 1,024 tokens, times all of them, beside all at once."""
    ids = torch.randint(100, 40_000, (1, 1024), generator=torch.Generator().manual_seed(0))
    captured = captured_pass(model, {"input_ids": ids})
    states = head_states(captured)

    def all_at_once() -> float:
        begun = time.perf_counter()
        knock_out_of(captured, queries=[1023], states=states)
        return time.perf_counter() - begun

    def one(layer: int) -> float:
        def zero(z: Tensor, hook: Any) -> Tensor:
            (z if z.ndim == 4 else z.unflatten(-1, (9, -1)))[:, -1, 0] = 0
            return z

        begun = time.perf_counter()
        bridge.run_with_hooks(ids, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", zero)])
        return time.perf_counter() - begun

    for _ in range(2):
        ours = all_at_once()
    theirs = [one(layer) for layer in (0, 0, 15, 29)][1:]
    return {"heads": 270, "faster": round(270 * sum(theirs) / len(theirs) / ours)}


@torch.no_grad()
def _shares(bridge: Any, ids: Tensor, found: Any) -> dict[str, float]:
    """Divide the logit among heads by what TransformerLens kept of the pass."""
    _, cache = bridge.run_with_cache(ids)
    model = found.captured.model.module
    direction = (
        model.lm_head.weight[found.objective.token] - model.lm_head.weight[found.objective.against]
    )
    final = cache["blocks.29.hook_resid_post"][0, -1]
    scale = torch.rsqrt(final.square().mean() + model.model.norm.variance_epsilon)
    direction = direction * model.model.norm.weight * scale
    heads = found.direct.heads()
    apart = 0.0
    for layer in range(30):
        z = cache[f"blocks.{layer}.attn.hook_z"][0, -1].reshape(9, -1)
        weights = model.model.layers[layer].self_attn.o_proj.weight.T.unflatten(0, (9, -1))
        theirs = torch.stack([z[head] @ weights[head] @ direction for head in range(9)])
        apart = max(apart, float((theirs - heads[layer]).abs().max()))
    return {"apart": float(f"{apart:.2g}"), "largest": float(f"{float(heads.abs().max()):.3g}")}


def _integrated(module: Any, ids: Tensor, found: Any) -> dict[str, float]:
    """Integrate gradients by Captum."""
    from captum.attr import IntegratedGradients

    embedded = module.get_input_embeddings()(ids).detach()

    def said(states: Tensor) -> Tensor:
        logits = module(inputs_embeds=states, use_cache=False).logits[:, -1]
        return logits[:, found.objective.token] - logits[:, found.objective.against]

    theirs = IntegratedGradients(said).attribute(
        embedded, torch.zeros_like(embedded), n_steps=STEPS, internal_batch_size=4
    )
    ours = torch.tensor(found.tokens("integrated_gradients")["effect"].to_numpy())
    apart = (theirs[0].sum(dim=-1).double() - ours).abs().max()
    return {
        "apart": float(f"{float(apart):.2g}"),
        "largest": float(f"{float(ours.abs().max()):.3g}"),
    }


if __name__ == "__main__":
    main()
