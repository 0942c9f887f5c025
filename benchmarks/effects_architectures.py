"""Effects of every causal type of transformers: which are known, in which way, and that none is wrong.

Small random models (`benchmarks.architectures.shrink`) that read 24 tokens. Of each, two heads are knocked out at the last
position, once as single tokens where the model goes on from a cache, and once in whole passes, which must agree; and the
logit is divided among its parts, whose shares must add up to it.

    python -m benchmarks.effects_architectures [TYPE ...]      (two minutes on two cores)

Prints a line a type; the last line is one JSON object.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from typing import Any

import torch
import transformers as hf
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

import viz
from benchmarks.architectures.shrink import small_config
from viz.effects import Head
from viz.effects.captured_pass import CapturedPass, captured_pass
from viz.effects.direct_attribution import attribution_of
from viz.effects.head_states import head_states
from viz.effects.knock_out import knock_out_of
from viz.effects.one_token import one_token
from viz.effects.pass_variants import PassVariants
from viz.effects.replacements import head_edit
from viz.errors import LoupeError

TOKENS = 24

# How far single tokens and whole passes may be apart, as a share of the largest change or of the prediction.
APART = 1e-4


def main() -> None:
    """Try every type, and count."""
    logging.disable(logging.WARNING)
    found: Counter[str] = Counter()
    for name in sys.argv[1:] or MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        said = _tried(name)
        found.update(said)
        print(f"{name}: {', '.join(said)}", flush=True)
    print(json.dumps(found))


def _tried(name: str) -> list[str]:
    """Say what came of a type, in a few words each of which is counted."""
    try:
        captured = _captured(name)
    except LoupeError:
        return ["no attention or no prediction"]
    except Exception:  # Of other people's code, which small numbers do not suit.
        return ["not built"]
    try:
        states = head_states(captured)
    except LoupeError:
        return ["heads not at hand"]
    stack = next(iter(captured.trace.stacks))
    heads = [Head(layer, 0, stack) for layer in range(captured.trace.stacks[stack].layers)[:2]]
    asked: dict[str, Any] = {"heads": heads, "queries": [captured.objective.position]}
    try:
        whole = _whole(captured, heads)
        single = one_token(captured, states) is not None
        ours = knock_out_of(captured, **asked, states=states).without
    except LoupeError as error:
        return [f"knock-out refused ({type(error).__name__})"]
    size = max(abs(captured.value), *(abs(one - captured.value) for one in whole))
    apart = max(abs(a - b) for a, b in zip(ours, whole, strict=True))
    said = ["single tokens" if single else "whole passes"]
    if apart > APART * size:
        said.append("WRONG")
    try:
        shares = attribution_of(captured)
    except LoupeError:
        return [*said, "logit not divided"]
    exact = abs(shares.sum - shares.value) <= APART * max(1.0, abs(shares.value))
    return [*said, "logit divided" if exact else "WRONG"]


def _whole(captured: CapturedPass, heads: list[Head]) -> tuple[float, ...]:
    """Knock heads out in whole passes."""
    run = PassVariants(captured, [captured.objective.position])
    rows = run([[head_edit(captured.trace, one)] for one in heads])
    predicted = captured.objective.of_row(rows).tolist()
    return tuple(one + captured.value - predicted[0] for one in predicted[1:])


def _captured(name: str) -> CapturedPass:
    """Build a type, and capture a text of random tokens."""
    torch.manual_seed(0)
    kind = getattr(hf, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[name])
    config = small_config(CONFIG_MAPPING[name]())
    module = kind._from_config(config).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.is_floating_point() and parameter.ndim == 2:
                parameter.mul_(3)
    vocabulary = config.get_text_config().vocab_size
    draw = torch.Generator().manual_seed(1)
    first, last = min(5, vocabulary - 2), min(vocabulary, 200)
    ids = torch.randint(first, last, (1, TOKENS), generator=draw)
    return captured_pass(viz.wrap_model(module), {"input_ids": ids})


if __name__ == "__main__":
    main()
