"""The formula against a plain float64 version and against torch."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.attention import plain_weights
from viz.attention_formula import attention_rows


@settings(deadline=None)
@given(
    kv_heads=st.integers(1, 3),
    groups=st.integers(1, 3),
    queries=st.integers(1, 7),
    keys=st.integers(1, 7),
    width=st.integers(1, 8),
    scale=st.floats(0.05, 2.0),
    seed=st.integers(0, 10_000),
)
def test_any_shape_mask_and_bias_equals_the_plain_formula(
    kv_heads, groups, queries, keys, width, scale, seed
):
    generator = torch.Generator().manual_seed(seed)
    heads = kv_heads * groups
    query = torch.randn(heads, queries, width, generator=generator)
    key = torch.randn(kv_heads, keys, width, generator=generator)
    bias = torch.randn(heads, queries, keys, generator=generator)
    allowed = torch.rand(queries, keys, generator=generator) > 0.3
    weights = attention_rows(query, key, scale=scale, allowed=allowed, bias=bias)
    for head in range(heads):
        expected = plain_weights(
            query[head].double().numpy(),
            key[head // groups].double().numpy(),
            scale=scale,
            allowed=allowed.numpy(),
            bias=bias[head].double().numpy(),
        )
        np.testing.assert_allclose(weights[head].numpy(), expected, atol=1e-6)


def test_weights_times_values_is_scaled_dot_product_attention():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 4, 9, 16).unbind()
    weights = attention_rows(query, key, scale=16**-0.5)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(weights @ value, expected, atol=1e-6, rtol=0)


def test_a_sink_takes_its_share_and_is_not_given_back():
    query, key = torch.zeros(1, 1, 4), torch.zeros(1, 3, 4)
    weights = attention_rows(query, key, scale=1.0, sinks=torch.zeros(1))
    torch.testing.assert_close(weights, torch.full((1, 1, 3), 0.25))


def test_a_soft_cap_bounds_the_scores():
    query, key = torch.full((1, 1, 1), 100.0), torch.tensor([[[100.0], [-100.0]]])
    weights = attention_rows(query, key, scale=1.0, softcap=1.0)
    torch.testing.assert_close(weights[0, 0], torch.softmax(torch.tensor([1.0, -1.0]), dim=0))
