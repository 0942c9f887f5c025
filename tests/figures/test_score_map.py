"""A score of all heads: exact numbers where one points, and room that fits the layers."""

from __future__ import annotations

import numpy as np
import pytest

from viz.figures import score_map_figure

VALUES = np.array([[0.25, 0.5], [0.125, np.nan]], dtype=np.float32)


def test_a_head_that_is_pointed_at_says_its_number_and_what_is_told():
    told = [["a", "b"], ["c", "no such head"]]
    figure = score_map_figure(VALUES, "sinks", selected=(0, 1), told=told)
    points = figure.data[1]
    assert list(zip(points.y, points.x, strict=True)) == [(0, 0), (0, 1), (1, 0)]
    assert points.customdata.tolist() == [[0.25, "a"], [0.5, "b"], [0.125, "c"]]
    assert "%{customdata[0]:.3g}%{customdata[1]}" in points.hovertemplate


def test_the_chosen_head_is_outlined():
    shapes = score_map_figure(VALUES, "sinks", selected=(1, 0)).layout.shapes
    assert {(one.x0, one.y0, one.x1, one.y1) for one in shapes} == {(-0.5, 0.5, 0.5, 1.5)}


def test_shares_begin_at_nothing_and_changes_have_it_in_the_middle():
    shares = score_map_figure(VALUES, "sinks", selected=(0, 0)).data[0]
    assert (shares.zmin, shares.zmax) == (0, 0.5)
    for changes in (
        score_map_figure(-VALUES, "copying", selected=(0, 0)).data[0],
        score_map_figure(VALUES, "change", selected=(0, 0), is_signed=True).data[0],
    ):
        assert changes.zmin == -changes.zmax


@pytest.mark.parametrize("layers", [1, 6, 12, 30, 80])
def test_more_layers_take_more_room_until_rows_grow_thin(layers):
    figure = score_map_figure(np.zeros((layers, 8), np.float32), "sinks", selected=(0, 0))
    margin = figure.layout.margin
    row = (figure.layout.height - margin.t - margin.b) / layers
    assert 16 <= row <= 38
    assert row == 38 or layers * (row + 1) > 540
