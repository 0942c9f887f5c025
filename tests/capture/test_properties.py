"""Whatever a model asks of attention, recorded weights are those of a plain float64 reference."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from viz.capture.recorder import Recorder
from viz.capture.stack import Stack
from viz.capture.tiers.registry import masked_attention, observe
from viz.inputs.units import numbered_units


@st.composite
def calls(draw):
    """Draw one attention call: shapes, grouping, mask, padding, window, scale, cap, sinks, bias."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    groups, kv_heads = draw(st.sampled_from([1, 2, 3])), draw(st.integers(1, 3))
    heads, width = groups * kv_heads, draw(st.sampled_from([4, 8]))
    value_width = draw(st.sampled_from([4, 8, 12]))
    queries = draw(st.integers(1, 20))
    square = draw(st.booleans())
    keys = queries if square else draw(st.integers(1, 20))
    allowed = torch.ones(queries, keys, dtype=torch.bool)
    if square and draw(st.booleans()):
        allowed = allowed.tril()
        if draw(st.booleans()):
            allowed &= torch.ones_like(allowed).triu(1 - draw(st.integers(1, 6)))
    padding = draw(st.integers(0, keys - 1))
    if draw(st.booleans()):
        allowed[:, :padding] = False
    elif padding:
        allowed[:, -padding:] = False
    if draw(st.booleans()):
        allowed &= torch.rand(queries, keys, generator=generator) < 0.7

    def noise(*shape):
        return torch.randn(*shape, generator=generator)

    return {
        "query": noise(1, heads, queries, width),
        "key": noise(1, kv_heads, keys, width),
        "value": noise(1, kv_heads, keys, value_width),
        "allowed": allowed,
        "scaling": draw(st.sampled_from([None, 1.0, 0.05])),
        "softcap": draw(st.sampled_from([None, 1.5])),
        "s_aux": noise(heads) if draw(st.booleans()) else None,
        "position_bias": noise(1, heads, queries, keys) if draw(st.booleans()) else None,
        "additive": draw(st.booleans()),
    }


def reference(call):
    """Weights [head, query, key] as the formula is written, in float64."""
    query, key = call["query"][0].double(), call["key"][0].double()
    key = key.repeat_interleave(len(query) // len(key), dim=0)
    scale = call["scaling"] if call["scaling"] is not None else query.shape[-1] ** -0.5
    scores = query @ key.transpose(1, 2) * scale
    if call["softcap"] is not None:
        scores = torch.tanh(scores / call["softcap"]) * call["softcap"]
    if call["position_bias"] is not None:
        scores = scores + call["position_bias"][0].double()
    scores = scores.masked_fill(~call["allowed"], -torch.inf)
    if call["s_aux"] is not None:
        sinks = call["s_aux"].double().view(-1, 1, 1).expand(-1, scores.shape[1], 1)
        return torch.cat([scores, sinks], dim=-1).softmax(-1)[..., :-1]
    return scores.softmax(-1).nan_to_num(0.0)


@settings(max_examples=200, deadline=None)
@given(calls())
def test_recorded_weights_equal_the_reference(call):
    module = nn.Identity()
    module.num_key_value_groups = call["query"].shape[1] // call["key"].shape[1]
    mask = call["allowed"][None, None]
    if call["additive"]:
        lowest = torch.finfo(torch.float32).min
        mask = torch.zeros(mask.shape).masked_fill(~mask, lowest)
    recorder = Recorder(module)
    with observe(recorder), torch.inference_mode():
        masked_attention(
            module,
            call["query"],
            call["key"],
            call["value"],
            mask,
            scaling=call["scaling"],
            softcap=call["softcap"],
            s_aux=call["s_aux"],
            position_bias=call["position_bias"],
        )
    expected = reference(call)
    units = [numbered_units("position", count) for count in call["allowed"].shape]
    stack = Stack("self", tuple(recorder.layers), *units)
    for head, pattern in enumerate(expected):
        torch.testing.assert_close(
            stack.weights(0, head).double(), pattern, atol=2e-6, rtol=0, check_dtype=False
        )
