"""Tiles against pooling the whole matrix."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import torch

import viz
from tests.patterns.layers import LAYERS, whole
from viz.patterns.streamed_statistics import row_statistics
from viz.patterns.tile_pyramid import TILE, Address, levels, tile


def pooled(matrix: np.ndarray, step: int, how) -> np.ndarray:
    """Pool the whole matrix at once; what blocks have beyond its edges does not count."""
    tall, wide = (math.ceil(side / step) for side in matrix.shape)
    whole = np.full((tall * step, wide * step), np.nan, np.float32)
    whole[: matrix.shape[0], : matrix.shape[1]] = matrix
    return how(whole.reshape(tall, step, wide, step), axis=(1, 3))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("known", [True, False])
def test_every_tile_of_every_level_is_the_whole_matrix_pooled(name, known):
    layer = LAYERS[name]()
    totals = row_statistics(layer).totals if known else None
    weights, allowed = whole(layer, 1)
    queries, keys = layer.shape
    for level in range(levels(queries, keys)):
        step = 1 << level
        seen = pooled(allowed, step, np.nanmax) > 0
        for pooling, how in (("max", np.nanmax), ("mean", np.nanmean)):
            expected = np.where(seen, pooled(weights, step, how), np.nan)
            for row in range(math.ceil(queries / TILE / step)):
                for column in range(math.ceil(keys / TILE / step)):
                    mine = tile(layer, 1, totals, Address(level, row, column), pooling)
                    part = expected[
                        row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE
                    ]
                    np.testing.assert_allclose(mine, part, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("address", [(0, 99, 0), (0, 0, 99), (9, 0, 0), (-1, 0, 0), (0, -1, 0)])
def test_a_tile_outside_the_pattern_is_refused(address):
    layer = LAYERS["causal"]()
    with pytest.raises(viz.LoupeError, match="There is no tile"):
        tile(layer, 0, row_statistics(layer).totals, Address(*address))


def test_a_level_of_many_digits_is_refused_before_it_costs_anything():
    layer = LAYERS["one token"]()
    tracemalloc.start()
    with pytest.raises(viz.LoupeError, match="There is no tile"):
        tile(layer, 0, row_statistics(layer).totals, Address(10**8, 0, 0))
    assert tracemalloc.get_traced_memory()[1] < 10**6, "two to this power has twelve megabytes"
    tracemalloc.stop()


def test_the_last_level_is_one_tile():
    assert levels(256, 256) == 1
    assert levels(257, 3) == 2
    assert levels(1, 16_384) == 7
    assert levels(1, 1) == 1


def test_a_tile_is_given_up_when_nobody_waits_for_it():
    class Closed(Exception):
        pass

    def going() -> None:
        raise Closed

    layer = LAYERS["causal"]()
    with pytest.raises(Closed):
        tile(layer, 0, row_statistics(layer).totals, Address(1, 0, 0), going=going)


def test_columns_of_a_tile_need_no_other_columns():
    """With the log-sum-exp known, a tile costs its own cells, however long its rows are."""
    layer = LAYERS["causal"]()
    totals = row_statistics(layer).totals
    poisoned = layer.key.clone()
    poisoned[:, :TILE] = torch.nan
    broken = type(layer)(
        **{
            **{name: getattr(layer, name) for name in layer.__slots__},
            "key": poisoned,
        }
    )
    there = tile(broken, 0, totals, Address(0, 1, 1))
    np.testing.assert_array_equal(there, tile(layer, 0, totals, Address(0, 1, 1)))
