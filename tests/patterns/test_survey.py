"""A pass over a stack: resumed, begun where somebody looks, given up."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.patterns.layers import CPU, recorded, whole
from viz.capture.layers.mask import Dense, causal
from viz.capture.stack import Stack
from viz.inputs.units import numbered_units
from viz.patterns import overview, pool_edges, survey
from viz.patterns.head_overview import STREAMED_FROM


def long_stack(layers: int = 3, tokens: int = STREAMED_FROM + 100) -> Stack:
    units = numbered_units("token", tokens)
    records = tuple(recorded(tokens, tokens, causal(tokens, CPU)) for _ in range(layers))
    return Stack("self", records, units, units)


class Given(Exception):
    """The user has pressed Cancel."""


def test_a_cancelled_pass_goes_on_where_it_stopped():
    stack = long_stack()
    known: dict = {}

    def stop_after_one(phase: str, share: float) -> None:
        if known:
            raise Given

    with pytest.raises(Given):
        survey(stack, known=known, progress=stop_after_one)
    assert list(known) == [0]
    first = known[0]
    found = survey(stack, known=known)
    assert found.layers[0] is first
    again = survey(stack)
    np.testing.assert_array_equal(found.thumbnails.values, again.thumbnails.values)
    np.testing.assert_array_equal(found.statistics.entropy_nats, again.statistics.entropy_nats)


def test_the_pass_begins_with_what_is_seen():
    known: dict = {}
    survey(long_stack(4), known=known, first=[2, 1])
    assert list(known) == [2, 1, 0, 3]


def test_long_and_short_texts_have_the_same_statistics():
    """The two ways are of one text here: the whole matrix pooled, and the kernel's sums."""
    stack = long_stack(1)
    streamed = survey(stack).statistics
    weights, _ = whole(stack.record(0), 1)
    logs = np.log(np.where(weights > 0, weights, 1))
    assert streamed.entropy_nats[0, 1] == pytest.approx(-(weights * logs).sum(1).mean(), rel=1e-5)
    assert streamed.first[0, 1] == pytest.approx(weights[:, 0].mean(), rel=1e-5)


def test_heads_with_masks_of_their_own_are_averaged_over_their_own_rows():
    """The first head looks from a third of the rows; the others' means are over more of them."""
    allowed = torch.rand(4, 90, 90, generator=torch.Generator().manual_seed(1)) > 0.3
    allowed[0, :60] = False
    units = numbered_units("token", 90)
    stack = Stack("self", (recorded(90, 90, Dense(allowed)),), units, units)
    means = survey(stack).statistics
    for head in range(4):
        weights, _ = whole(stack.record(0), head)
        looking = (weights.sum(1) > 0).sum()
        logs = np.log(np.where(weights > 0, weights, 1))
        entropy = -(weights * logs).sum() / looking
        assert means.entropy_nats[0, head] == pytest.approx(entropy, rel=1e-5)
        assert means.first[0, head] == pytest.approx(weights[:, 0].sum() / looking, rel=1e-5)


def test_thumbnails_of_long_texts_are_shares_of_the_largest_mean():
    _, thumbnails = overview(long_stack(1))
    assert thumbnails.pooling == "mean"
    assert thumbnails.values.max(axis=(1, 2)).tolist() == [1.0] * 4
    weights, _ = whole(long_stack(1).record(0), 2)
    bounds = pool_edges(len(weights), thumbnails.values.shape[1])
    means = np.array(
        [[weights[a:b, c:d].mean() for c, d in pairwise(bounds)] for a, b in pairwise(bounds)]
    )
    np.testing.assert_allclose(thumbnails.values[2], means / means.max(), atol=1e-3)
