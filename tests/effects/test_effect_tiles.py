"""Tiles of what weights do, at every scale, against whole matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as hf

import viz
from tests.effects.test_weight_gradients import GROUPED, built
from viz.effects import Target
from viz.effects.effect_thumbnails import effect_thumbnails
from viz.effects.effect_tiles import HeadPlace, effect_tile, largest_effects, sums_of_effects
from viz.errors import CancelledError, ShapeError
from viz.patterns import Address

LENGTH = 600


@pytest.fixture(scope="module")
def found():
    config = hf.MistralConfig(**{**GROUPED, "max_position_embeddings": 1024}, sliding_window=200)
    ids = torch.randint(3, 97, (1, LENGTH), generator=torch.Generator().manual_seed(0))
    model = viz.wrap_model(built(config))
    return viz.effects(model, {"input_ids": ids}, Target(position=500, token=7, against=31))


@pytest.fixture(scope="module")
def whole(found):
    values = found.weights("weight_gradient", 1, 2).numpy()
    attended = found.trace.stacks["self"].attended(1, 2).numpy()
    return np.where(attended, values, np.nan)


PLACE = HeadPlace("weight_gradient", 1, 2)


def pooled(whole, step, how):
    """Cells of a whole matrix, one by one."""
    cells = []
    for top in range(0, len(whole), step):
        row = []
        for left in range(0, whole.shape[1], step):
            cell = whole[top : top + step, left : left + step]
            known = cell[~np.isnan(cell)]
            if not known.size:
                row.append(np.nan)
            elif how == "mean":
                row.append(known.sum() / cell.size)
            else:
                row.append(known[np.abs(known).argmax()])
        cells.append(row)
    return np.array(cells)


@pytest.mark.parametrize("how", ["max", "mean"])
def test_every_level_is_that_of_the_whole_matrix(found, whole, how):
    for level in (1, 2):
        expected = pooled(whole, 2**level, how)
        for row in range(2 if level == 1 else 1):
            for column in range(2 if level == 1 else 1):
                got = effect_tile(found, PLACE, Address(level, row, column), how)
                part = expected[256 * row : 256 * (row + 1), 256 * column : 256 * (column + 1)]
                np.testing.assert_allclose(got, part, atol=1e-7, rtol=1e-4)
    got = effect_tile(found, PLACE, Address(0, 1, 1), how)
    np.testing.assert_allclose(got, whole[256:512, 256:512], atol=1e-7, rtol=1e-4)


def test_the_largest_are_found_whatever_their_sign(found, whole):
    values, queries, keys = largest_effects(found, PLACE, count=20)
    order = np.argsort(-np.abs(np.nan_to_num(whole)), axis=None)[:20]
    np.testing.assert_allclose(np.abs(values), np.abs(np.nan_to_num(whole)).flat[order], rtol=1e-4)
    np.testing.assert_allclose(values, whole[queries, keys], rtol=1e-4)


def test_sums_over_a_span_are_those_of_the_whole_matrix(found, whole):
    numbers = np.nan_to_num(whole)
    for side, axis in (("queries", 0), ("keys", 1)):
        got = sums_of_effects(found, PLACE, side, range(100, 300))
        part = numbers[100:300] if axis == 0 else numbers[:, 100:300]
        np.testing.assert_allclose(got, part.sum(axis=axis), atol=1e-5)
    with pytest.raises(ShapeError, match="no keys 5 to 700"):
        sums_of_effects(found, PLACE, "keys", range(5, 701))


def test_what_is_no_tile_is_said_and_what_goes_on_can_be_stopped(found):
    for address in (Address(3, 0, 0), Address(0, 3, 0), Address(2, 0, 1)):
        with pytest.raises(ShapeError, match="no tile"):
            effect_tile(found, PLACE, address)

    def stop():
        raise CancelledError("Stopped.", "")

    with pytest.raises(CancelledError):
        effect_tile(found, PLACE, Address(2, 0, 0), going=stop)


def test_small_patterns_of_all_heads_are_on_one_scale(found):
    seen = []
    pictures, largest = effect_thumbnails(found, progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (8, 8)
    assert pictures.values.shape[0] == 8
    step = int(np.ceil(LENGTH / pictures.values.shape[1]))
    biggest = 0.0
    for picture, layer, head in zip(pictures.values, pictures.layers, pictures.heads, strict=True):
        values = found.weights("weight_gradient", layer, head).numpy()
        attended = found.trace.stacks["self"].attended(layer, head).numpy()
        expected = np.nan_to_num(pooled(np.where(attended, values, np.nan), step, "max"))
        np.testing.assert_allclose(picture * largest, expected, atol=2e-3 * largest)
        biggest = max(biggest, float(np.abs(expected).max()))
    assert largest == pytest.approx(biggest, rel=1e-4)
