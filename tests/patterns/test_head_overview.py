"""Statistics and thumbnails against the whole pattern."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import viz
from tests.capture.architectures import build, token_ids
from tests.reference.attention import plain_statistics
from viz.capture.layers import recorded_layer as layers_module
from viz.patterns import Statistics, overview, pool_edges, row
from viz.patterns.head_overview import THUMBNAIL_BYTES, thumbnail_side


def stack_of(name, length):
    return viz.capture(viz.wrap_model(build(name)), {"input_ids": token_ids(length)}).stacks["self"]


def max_pooled(pattern, size):
    rows, columns = (pool_edges(n, size) for n in pattern.shape)
    return np.array(
        [[pattern[a:b, c:d].max() for c, d in pairwise(columns)] for a, b in pairwise(rows)]
    )


@pytest.fixture(params=[8_000_000, 200], ids=["one block", "many blocks"])
def blocks_of(request, monkeypatch):
    """Walk through the same pattern in one block and in blocks of a few rows."""
    monkeypatch.setattr(layers_module, "BLOCK_NUMBERS", request.param)


@pytest.mark.parametrize("name", ["bert", "llama", "mistral", "modernbert"])
def test_statistics_equal_the_plain_ones(name, blocks_of):
    stack = stack_of(name, 33)
    statistics, _ = overview(stack)
    for layer in range(stack.layers):
        for head in range(stack.heads(layer)):
            expected = plain_statistics(stack.weights(layer, head).double().numpy())
            for field in Statistics.NAMES:
                got = getattr(statistics, field)[layer, head]
                assert got == pytest.approx(expected[field], abs=1e-5)


@pytest.mark.parametrize("size", [1, 7, 11, 32, 33, 100])
@pytest.mark.parametrize("name", ["bert", "mistral"])
def test_pictures_are_the_maximum_of_what_they_stand_for(name, size, blocks_of):
    stack = stack_of(name, 33)
    pattern = stack.weights(1, 2).numpy()
    _, thumbnails = overview(stack, side=size)
    index = thumbnails.layers.index(1) + 2
    assert (thumbnails.layers[index], thumbnails.heads[index]) == (1, 2)
    np.testing.assert_allclose(thumbnails.values[index], max_pooled(pattern, size), atol=1e-3)


def test_rows_and_columns_are_those_of_the_pattern():
    stack = stack_of("mistral", 20)
    pattern = stack.weights(0, 3).numpy()
    np.testing.assert_allclose(row(stack, 0, 3, 11), pattern[11], atol=1e-7)
    np.testing.assert_allclose(stack.weights(0, 3, columns=[11])[:, 0], pattern[:, 11], atol=1e-7)


@pytest.mark.parametrize("heads", [1, 72, 144, 270, 1024])
@pytest.mark.parametrize("units", [1, 32, 512, 100_000])
def test_all_thumbnails_fit_their_budget(heads, units):
    assert 2 * heads * thumbnail_side(heads, units) ** 2 <= THUMBNAIL_BYTES


def test_the_table_has_one_row_a_head():
    frame = overview(stack_of("bert", 9))[0].as_frame()
    assert list(frame.columns[:2]) == ["layer", "head"]
    assert len(frame) == 12
    assert not frame.isna().any().any()


def test_progress_is_told_and_may_cancel():
    class Cancelled(BaseException):
        pass

    def cancel(phase, share):
        assert phase == "draw"
        if share > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        overview(stack_of("bert", 9), progress=cancel)
