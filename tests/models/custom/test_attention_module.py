"""The custom attention against PyTorch's, and what holds for every attention."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tests.models.custom.weights import TOLERANCE, copy_attention, noise, randomised
from viz.models.custom import Attention


def test_the_unprojected_attention_is_pytorchs_function():
    attention = Attention(12, 3, projections=False, output_projection=False).eval()
    q, k, v = (noise(2, tokens, 12, seed=tokens) for tokens in (5, 7, 8))
    v = v[:, :7]
    split = [one.unflatten(-1, (3, 4)).transpose(1, 2) for one in (q, k, v)]
    expected = functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
    for weights in (False, True):
        output, _ = attention(q, k, v, need_weights=weights)
        torch.testing.assert_close(output, expected, **TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.7}, {"enable_gqa": True}])
def test_steps_are_pytorchs_function(options, dtype):
    kv_heads = 2 if "enable_gqa" in options else 4
    temperature = 8**-0.5 / options.get("scale", 8**-0.5)
    attention = Attention(
        32, 4, kv_heads=kv_heads, causal="is_causal" in options, temperature=temperature
    )
    attention = randomised(attention).to(dtype)
    x = noise(2, 9, 32, dtype=dtype)
    one = attention.steps(x)
    expected = functional.scaled_dot_product_attention(one.query, one.key, one.value, **options)
    torch.testing.assert_close(one.heads, expected, **TOLERANCE)
    torch.testing.assert_close(attention(x)[0], one.output, **TOLERANCE)


def copied(theirs: nn.MultiheadAttention, **options) -> Attention:
    """Our attention with the weights of PyTorch's."""
    ours = Attention(
        theirs.embed_dim,
        theirs.num_heads,
        kdim=theirs.kdim,
        vdim=theirs.vdim,
        bias=theirs.in_proj_bias is not None,
        **options,
    ).double()
    copy_attention(ours, theirs)
    return ours.eval()


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("masks", ["none", "causal", "bool", "float", "padding", "heads", "all"])
def test_self_attention_is_pytorchs_module(masks, bias, fused):
    theirs = nn.MultiheadAttention(16, 4, bias=bias, batch_first=True, dtype=torch.float64)
    theirs, x = randomised(theirs), noise(2, 6, 16)
    ours = copied(theirs, fused=fused, causal=masks in ("causal", "all"))
    causal = torch.ones(6, 6).tril().bool()
    some = causal | (noise(6, 6) > 0)
    added = noise(6, 6, seed=3)
    by_head = noise(2, 4, 6, 6, seed=4)
    present = torch.ones(2, 6, dtype=torch.bool)
    present[1, 4:] = False
    asked, told = {
        "none": ({}, {}),
        "causal": ({}, {"attn_mask": ~causal}),
        "bool": ({"mask": some}, {"attn_mask": ~some}),
        "float": ({"mask": added}, {"attn_mask": added}),
        "padding": ({"present": present}, {"key_padding_mask": ~present}),
        "heads": ({"mask": by_head}, {"attn_mask": by_head.flatten(0, 1)}),
        "all": (
            {"mask": added, "present": present},
            {
                "attn_mask": added.masked_fill(~causal, -torch.inf),
                "key_padding_mask": torch.zeros(2, 6, dtype=torch.float64).masked_fill(
                    ~present, -torch.inf
                ),
            },
        ),
    }[masks]
    expected, patterns = theirs(x, x, x, average_attn_weights=False, **told)
    output, nothing = ours(x, **asked)
    assert nothing is None
    torch.testing.assert_close(output, expected, **TOLERANCE)
    stepped, weights = ours(x, need_weights=True, **asked)
    torch.testing.assert_close(stepped, expected, **TOLERANCE)
    torch.testing.assert_close(weights, patterns, **TOLERANCE)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("widths", [{}, {"kdim": 10}, {"kdim": 10, "vdim": 7}, {"vdim": 7}])
def test_cross_attention_is_pytorchs_module(widths, bias):
    theirs = nn.MultiheadAttention(
        16, 4, bias=bias, batch_first=True, dtype=torch.float64, **widths
    )
    ours = copied(randomised(theirs))
    x = noise(2, 6, 16)
    key = noise(2, 9, widths.get("kdim", 16), seed=1)
    value = noise(2, 9, widths.get("vdim", 16), seed=2)
    present = torch.ones(2, 9, dtype=torch.bool)
    present[0, 5:] = False
    expected, patterns = theirs(
        x, key, value, key_padding_mask=~present, average_attn_weights=False
    )
    output, weights = ours(x, key, value, present=present, need_weights=True)
    torch.testing.assert_close(weights, patterns, **TOLERANCE)
    torch.testing.assert_close(output, expected, **TOLERANCE)
    torch.testing.assert_close(ours(x, key, value, present=present)[0], expected, **TOLERANCE)


def test_cross_attention_of_a_fused_projection_is_that_of_separate_ones():
    fused = randomised(Attention(12, 3, fused=True).double())
    separate = Attention(12, 3).double().eval()
    with torch.no_grad():
        for (weight, bias), (one, other) in zip(separate.matrices(), fused.matrices(), strict=True):
            weight.copy_(one)
            bias.copy_(other)
    separate.output.load_state_dict(fused.output.state_dict())
    x, source = noise(2, 5, 12), noise(2, 8, 12, seed=1)
    torch.testing.assert_close(fused(x, source)[0], separate(x, source)[0], **TOLERANCE)
    torch.testing.assert_close(fused(x)[0], separate(x)[0], **TOLERANCE)


def test_a_query_that_may_look_at_nothing_gets_nothing_and_training_goes_on():
    attention = Attention(8, 2, output_projection=False)
    x = noise(1, 4, 8, dtype=torch.float32).requires_grad_()
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[2] = False
    for need_weights in (False, True):
        output, _ = attention(x, mask=mask, need_weights=need_weights)
        assert (output[0, 2] == 0).all()
        output.square().sum().backward()
        assert torch.isfinite(x.grad).all()


@st.composite
def attentions(draw):
    """Draw an attention with any options that fit, and tokens for it."""
    kv_heads, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    heads, d_head = kv_heads * groups, draw(st.sampled_from([2, 4, 6]))
    additive = draw(st.booleans())
    options = {
        "kv_heads": kv_heads,
        "d_head": d_head,
        "d_value": draw(st.sampled_from([None, 3, 4])),
        "fused": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "output_projection": draw(st.booleans()),
        "scores": "additive" if additive else "dot",
        "scaled": draw(st.sampled_from([None, True, False])),
        "temperature": draw(st.sampled_from([0.5, 1.0, 3.0])),
        "dropout": draw(st.sampled_from([0.0, 0.5])),
        "rotary": draw(st.booleans()),
        "causal": draw(st.booleans()),
    }
    seed = draw(st.integers(0, 2**31))
    attention = randomised(Attention(8, heads, **options).double(), seed)
    x = noise(draw(st.integers(1, 3)), draw(st.integers(1, 9)), 8, seed=seed)
    return attention, x, seed


@settings(max_examples=150, deadline=None)
@given(attentions())
def test_the_kernel_computes_what_the_steps_do(case):
    attention, x, seed = case
    present = noise(*x.shape[:2], seed=seed) > -1
    mask = noise(x.shape[1], x.shape[1], seed=seed + 1)
    for asked in ({}, {"present": present}, {"mask": mask}, {"mask": mask > -0.5}):
        stepped = attention.steps(x, **asked)
        torch.testing.assert_close(attention(x, **asked)[0], stepped.output, **TOLERANCE)
        whole = stepped.mask is None or stepped.mask.dtype != torch.bool
        sums = stepped.weights.sum(-1)
        looks = torch.isfinite(stepped.masked).any(-1)
        torch.testing.assert_close(sums, looks.double(), **TOLERANCE)
        assert (stepped.weights >= 0).all()
        if not whole:
            assert (stepped.weights.masked_select(~stepped.mask) == 0).all()


@settings(max_examples=60, deadline=None)
@given(attentions(), st.data())
def test_later_tokens_never_change_earlier_outputs_of_causal_attention(case, data):
    attention, x, seed = case
    attention.causal = True
    kept = data.draw(st.integers(1, x.shape[1]))
    changed = x.clone()
    changed[:, kept:] = noise(*changed[:, kept:].shape, seed=seed + 1)
    for weights in (False, True):
        before, _ = attention(x, need_weights=weights)
        after, _ = attention(changed, need_weights=weights)
        torch.testing.assert_close(before[:, :kept], after[:, :kept], atol=1e-12, rtol=0)


@settings(max_examples=60, deadline=None)
@given(attentions())
def test_without_positions_tokens_in_another_order_give_outputs_in_that_order(case):
    attention, x, seed = case
    attention.causal = attention.rotary = False
    order = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(seed))
    shuffled, _ = attention(x[:, order])
    torch.testing.assert_close(shuffled, attention(x)[0][:, order], **TOLERANCE)


@settings(max_examples=60, deadline=None)
@given(attentions())
def test_grouped_heads_are_heads_whose_keys_and_values_are_repeated(case):
    grouped, x, _ = case
    groups = grouped.heads // grouped.kv_heads
    plain = Attention(
        8,
        grouped.heads,
        d_head=grouped.d_head,
        d_value=grouped.d_value,
        scores=grouped.scores,
        scaled=grouped.scaled,
        temperature=grouped.temperature,
        causal=grouped.causal,
        rotary=grouped.rotary,
        output_projection=grouped.output_projection,
    ).double()
    with torch.no_grad():
        for number, ((weight, bias), (shared, offset)) in enumerate(
            zip(plain.matrices(), grouped.matrices(), strict=True)
        ):
            times = 1 if number == 0 else groups
            count = grouped.heads // times
            shared = shared.unflatten(0, (count, -1)).repeat_interleave(times, 0)
            weight.copy_(shared.flatten(0, 1))
            bias.zero_()
            if offset is not None:
                offset = offset.unflatten(0, (count, -1)).repeat_interleave(times, 0)
                bias.copy_(offset.flatten())
        if grouped.scores == "additive":
            plain.vector.copy_(grouped.vector)
        if grouped.output_projection:
            plain.output.weight.copy_(grouped.output.weight)
            bias = grouped.output.bias
            plain.output.bias.copy_(0 if bias is None else bias)
    torch.testing.assert_close(grouped(x)[0], plain(x)[0], **TOLERANCE)


@settings(max_examples=60, deadline=None)
@given(attentions(), st.integers(1, 7))
def test_cross_attention_is_a_rectangle(case, keys):
    attention, x, seed = case
    attention.causal = False
    source = noise(len(x), keys, 8, seed=seed + 1)
    output, weights = attention(x, source, need_weights=True)
    assert weights.shape == (len(x), attention.heads, x.shape[1], keys)
    assert output.shape[:2] == x.shape[:2]
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]), **TOLERANCE)
    # Every input of a batch is computed as if it were alone.
    alone, own = attention(x[0], source[0], need_weights=True)
    torch.testing.assert_close(alone, output[0], **TOLERANCE)
    torch.testing.assert_close(own, weights[0], **TOLERANCE)


def test_rotary_weights_depend_on_distance_alone():
    attention = randomised(Attention(16, 2, rotary=True).double())
    tokens = noise(3, 16)
    # The same three tokens later on, behind others: their patterns among themselves have one shape.
    later = torch.cat([noise(5, 16, seed=1), tokens])
    early, late = (attention.steps(x).scores for x in (tokens, later))
    torch.testing.assert_close(early, late[:, 5:, 5:], **TOLERANCE)
    reversed_order = attention.steps(tokens.flip(0)).scores.flip(-1, -2)
    assert not torch.allclose(early, reversed_order)
