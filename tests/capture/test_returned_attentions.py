"""What a model returns as its attentions is told by its numbers, or not at all."""

from __future__ import annotations

from math import isnan

import pytest
import torch

from viz.capture.checking.returned_attentions import explain
from viz.capture.layers.mask import causal
from viz.capture.layers.recorded_layer import RecordedLayer, ReportedLayer
from viz.capture.verification import UNVERIFIED

ALLOWED = 1e-5
HEADS, QUERIES, KEYS = 3, 5, 7


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


SCORES = numbers(HEADS, QUERIES, KEYS)
WEIGHTS = SCORES.softmax(dim=-1)


def layer(weights=WEIGHTS):
    return ReportedLayer("part", weights, UNVERIFIED)


def with_sinks():
    """A layer whose sinks take a share, its weights, and the same without that share."""
    query, key = numbers(HEADS, 6, 8, seed=1), numbers(HEADS, 6, 8, seed=2)
    sinks = numbers(HEADS, seed=3)
    mask = causal(6, torch.device("cpu"))
    scores = (query @ key.transpose(-1, -2)).masked_fill(
        ~torch.ones(6, 6).tril().bool(), -torch.inf
    )
    whole = torch.cat([scores, sinks[:, None, None].expand(-1, 6, 1)], dim=-1).softmax(dim=-1)
    record = RecordedLayer("part", query, key, 1.0, mask, None, None, sinks, UNVERIFIED)
    return record, whole, scores


def told(theirs, record=None, item=0, batch=1):
    return explain(theirs, record or layer(), item, batch, ALLOWED)


DROPPED = numbers(HEADS, QUERIES, KEYS, seed=5) > -0.5


@pytest.mark.parametrize(
    ("theirs", "note"),
    [
        (WEIGHTS[None], ""),
        (WEIGHTS, ""),  # heads folded into the batch
        (SCORES[None], "its scores, before the softmax"),
        (SCORES[None] + 4, "its scores, before the softmax"),
        (WEIGHTS.log()[None], "the logarithms of its weights"),
        (WEIGHTS.mean(0)[None], "one mean over all heads"),
        (WEIGHTS.mean(0), "one mean over all heads"),
        (WEIGHTS.mean(0).expand(1, HEADS, -1, -1), "one mean over all heads"),
        (WEIGHTS.mean(0)[None, None], "one mean over all heads"),
        (SCORES.exp()[None], "rows that are not normalised"),
        (WEIGHTS[None] * torch.tensor([0.5, 2, 3])[:, None, None], "rows that are not normalised"),
        (WEIGHTS[None] * DROPPED / 0.7, "its weights after dropout"),
        (
            WEIGHTS.transpose(1, 2)[None],
            "its weights in another layout (batch x head x key x query)",
        ),
        (
            WEIGHTS.permute(1, 2, 0)[:, :, None],
            "its weights in another layout (query x key x batch x head)",
        ),
        (WEIGHTS.permute(1, 0, 2), "its weights in another layout (query x head x key)"),
    ],
)
def test_what_is_returned_is_named_and_compared(theirs, note):
    found = told(theirs)
    assert found.note == note
    assert found.difference <= ALLOWED


def test_scores_are_told_before_and_after_the_mask():
    record, whole, scores = with_sinks()
    unmasked = record.query @ record.key.transpose(-1, -2)
    for theirs in (scores, unmasked):
        assert told(theirs[None], record).note == "its scores, before the softmax"
    assert told(whole[..., :-1][None], record).note == ""


def test_rows_without_the_share_of_a_sink_are_told():
    record, whole, scores = with_sinks()
    assert told(scores.softmax(-1)[None], record).note == "its rows without the sink's share"
    for theirs in (whole, whole.roll(1, dims=-1)):
        assert told(theirs[None], record).note == "the sink's share as one more key"


def test_the_item_that_was_kept_is_compared():
    both = torch.stack([numbers(HEADS, QUERIES, KEYS, seed=9).softmax(-1), WEIGHTS])
    assert told(both, item=1, batch=2).note == ""
    assert isnan(told(both, item=0, batch=2).difference)
    assert told(both.mean(1), item=1, batch=2).note == "one mean over all heads"
    assert told(both.flatten(0, 1), item=1, batch=2).note == ""


@pytest.mark.parametrize(
    "theirs",
    [
        numbers(1, HEADS, QUERIES, KEYS, seed=9).softmax(dim=-1),
        WEIGHTS.roll(1, dims=0)[None],
        WEIGHTS.roll(1, dims=1)[None],
        WEIGHTS.square()[None],
        WEIGHTS[None] + 1e-3,
        torch.full((1, HEADS, QUERIES, KEYS), torch.nan),
    ],
)
def test_other_weights_are_not_talked_into_being_these(theirs):
    found = told(theirs)
    assert isnan(found.difference)
    assert found.note == ""


@pytest.mark.parametrize("shape", [(1, QUERIES, 32), (2, 3, 4), (1, 2, 3, 4, 5, 6), (4,), ()])
def test_another_shape_is_named(shape):
    found = told(numbers(*shape))
    assert isnan(found.difference)
    said = " x ".join(map(str, shape)) or "one number"
    assert found.note == f"its weights in another layout ({said})"


def test_long_even_rows_in_half_precision_prove_nothing():
    even = layer(torch.full((HEADS, 64, 64), 1 / 64))
    theirs = numbers(1, HEADS, 64, 64, seed=4).mul(0.3).softmax(dim=-1)
    record, allowed = layer(numbers(HEADS, 64, 64).softmax(dim=-1)), 5e-2
    assert explain(theirs.mean(1), even, 0, 1, allowed).note != "one mean over all heads"
    assert isnan(explain(theirs.mean(1), record, 0, 1, allowed).difference)
