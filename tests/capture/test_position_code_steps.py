"""Shares of a step, as they come back from units: which cells they name, and when they name none."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from viz.capture.positions.position_code_records import Coded, Scale, Side, Source
from viz.capture.positions.position_code_steps import (
    merged_size,
    nested_scales,
    scales_of,
    shares_of,
)
from viz.capture.positions.position_decoding import by_steps, is_hopeless

SIZES = [(1, 56, 56), (1, 64, 48), (2, 32, 32), (1, 40, 72), (3, 7, 9), (1, 700), (1, 4, 20, 20)]


def seen_with(size, counts):
    """What passes have shown of a plane, and of layers with so many units."""
    seen = Coded(is_first=False)
    seen.sources.append(Source("cut", size, 1, "pixel_values", 1.0))
    for number, count in enumerate(counts):
        side = Side(2 + number, torch.zeros(count, 4), torch.ones(count, 4))
        side.moves = torch.ones(count, dtype=torch.bool)
        seen.calls[f"layer {number}"] = [(side, side)]
    return seen


def groups_of(size, merged):
    """The cells of every unit where so many along each axis are one, [unit, cell], and the unit's place."""
    whole = merged_size(size, merged)
    places = list(itertools.product(*map(range, whole)))
    number = torch.arange(math.prod(size)).view(size)
    cells = []
    for first, *others in places:
        part = number[first]
        for axis, place in enumerate(others):
            start = place * merged
            part = part.narrow(axis, start, min(merged, size[axis + 1] - start))
        cells.append(part.flatten())
    return cells, places


def notes(seen, scale, cells, noise=0.0):
    """What units that are the means of some cells take of a whole step in a pass."""
    taken = shares_of(seen.sources[0], scale).flatten()
    share = torch.stack([taken[one].mean() for one in cells])
    draw = torch.Generator().manual_seed(0)
    return share + noise * torch.randn(len(share), generator=draw), torch.zeros(len(share))


def side_of(seen, number=0):
    return seen.calls[f"layer {number}"][0][0]


@pytest.mark.parametrize("size", SIZES)
def test_every_cell_is_told_whatever_the_order(size):
    count = math.prod(size)
    seen = seen_with(size, [count])
    seen.scales = scales_of(seen, 1)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    cells = list(order.split(1))
    for scale in seen.scales:
        side_of(seen).shares[scale] = notes(seen, scale, cells, noise=2e-5)
    number, places, grid = by_steps(side_of(seen), seen)
    assert (number, grid) == (0, size)
    assert torch.equal(torch.tensor(list(itertools.product(*map(range, size))))[order], places)


@pytest.mark.parametrize("size", [(1, 56, 56), (1, 64, 48), (2, 32, 32), (1, 40, 72)])
@pytest.mark.parametrize("merges", [(1, 2, 4, 8), (1, 4), (1, 2), (2, 8)])
def test_one_pair_of_passes_tells_units_of_many_cells_and_of_few(size, merges):
    units = {merged: groups_of(size, merged) for merged in merges}
    seen = seen_with(size, [len(cells) for cells, _ in units.values()])
    seen.scales = nested_scales(seen)
    assert sum(scale.axis > 0 for scale in seen.scales) == 2
    for number, (cells, places) in enumerate(units.values()):
        side = side_of(seen, number)
        order = torch.randperm(len(cells), generator=torch.Generator().manual_seed(number))
        for scale in seen.scales:
            share, miss = notes(seen, scale, cells, noise=1e-5)
            side.shares[scale] = share[order], miss
        source, found, grid = by_steps(side, seen)
        assert (source, grid) == (0, merged_size(size, merges[number]))
        assert torch.equal(torch.tensor(places)[order], found)


@pytest.mark.parametrize("merges", [(1, 2, 4, 8), (1, 4)])
def test_a_unit_of_cells_from_elsewhere_is_told_of_no_cell(merges):
    """One unit in a hundred is the mean of two that lie apart."""
    size = (1, 56, 56)
    seen = seen_with(size, [len(groups_of(size, merged)[0]) for merged in merges])
    seen.scales = nested_scales(seen)
    for number, merged in enumerate(merges):
        cells, _ = groups_of(size, merged)
        cells[5] = torch.cat([cells[5], cells[-7]])
        for scale in seen.scales:
            side_of(seen, number).shares[scale] = notes(seen, scale, cells)
        assert by_steps(side_of(seen, number), seen) is None


def test_two_units_of_one_cell_beside_one_that_is_missing_are_told_as_such():
    size = (1, 7, 9)
    seen = seen_with(size, [63])
    seen.scales = scales_of(seen, 1)
    cells = list(torch.arange(63).split(1))
    cells[4] = cells[3]
    for scale in seen.scales:
        side_of(seen).shares[scale] = notes(seen, scale, cells)
    _, places, _ = by_steps(side_of(seen), seen)
    assert torch.equal(places[3], places[4])


def test_where_all_numbers_disagree_no_further_pass_would_tell():
    size = (1, 56, 56)
    seen = seen_with(size, [3_136, 784])
    seen.scales = nested_scales(seen)
    for number, merged in enumerate((1, 2)):
        cells, _ = groups_of(size, merged)
        for scale in seen.scales:
            share, miss = notes(seen, scale, cells)
            side_of(seen, number).shares[scale] = share, miss + 0.1 * number
    assert not is_hopeless(side_of(seen, 0), seen)
    assert is_hopeless(side_of(seen, 1), seen)


def test_a_pass_along_an_axis_that_a_grid_lacks_moves_nothing():
    assert not shares_of(Source("cut", (1, 9), 1, None, 1.0), Scale(1, 2)).any()
