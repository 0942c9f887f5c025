"""Masks as rules."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from viz.capture.layers.mask import Dense, Spans, as_rule, causal, full

Q = torch.arange(12)[:, None]
K = torch.arange(12)[None, :]

RULES = {
    "full": torch.ones(12, 12, dtype=torch.bool),
    "causal": K <= Q,
    "causal, window of 4 tokens": (K <= Q) & (K > Q - 4),
    "causal, limited on the left": (K <= Q) & (K >= 3),
    "full, padding left out": ((K >= 2) & (K < 9)).expand(12, 12),
    "window, 2 tokens back and 2 ahead": (K - Q).abs() <= 2,
    "one run of keys for each query": (K // 4 == Q // 4) & (K < 11),
}


@pytest.mark.parametrize("words", RULES)
def test_a_run_of_keys_becomes_a_rule_that_says_its_name(words):
    rule = as_rule(RULES[words][None])
    assert isinstance(rule, Spans)
    assert rule.describe(12) == words
    assert torch.equal(rule.allowed(torch.arange(12), 0, 12)[0], RULES[words])


def test_a_mask_with_holes_is_kept_as_it_is():
    holes = (K <= Q) & (K % 2 == 0)
    rule = as_rule(holes[None])
    assert isinstance(rule, Dense)
    assert rule.describe(12) == "custom"
    assert torch.equal(rule.allowed(torch.arange(12), 2, 9)[0], holes[:, 2:9])


@given(st.data())
def test_rows_with_nothing_to_look_at_are_empty_spans(data):
    size = data.draw(st.integers(1, 9))
    starts = torch.tensor(data.draw(st.lists(st.integers(0, size), min_size=size, max_size=size)))
    widths = torch.tensor(data.draw(st.lists(st.integers(0, size), min_size=size, max_size=size)))
    at = torch.arange(size)
    mask = (at >= starts[:, None]) & (at < (starts + widths)[:, None])
    rule = as_rule(mask[None])
    assert isinstance(rule, Spans)
    assert torch.equal(rule.allowed(torch.arange(size), 0, size)[0], mask)
    first, last = rule.reach(torch.arange(size))
    assert not mask[:, :first].any()
    assert not mask[:, last:].any()


def test_named_rules_equal_their_matrices():
    everyone = torch.arange(12)
    device = torch.device("cpu")
    assert torch.equal(causal(12, device).allowed(everyone, 0, 12)[0], RULES["causal"])
    assert torch.equal(full(12, 12, device).allowed(everyone, 0, 12)[0], RULES["full"])
