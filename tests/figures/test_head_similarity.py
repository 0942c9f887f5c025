"""All heads against all heads, drawn."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from tests.compare.stacks import mixed_stack, noisy_layer, stack_of
from viz.compare import order, places, similarity
from viz.figures import OKABE_ITO, places_figure, similarity_figure


def scatters(figure: go.Figure) -> list[go.Scatter]:
    return [one for one in figure.data if one.type == "scatter"]


@pytest.mark.parametrize("dark", [False, True])
def test_cells_stand_in_the_order_of_the_tree(dark):
    found = similarity(mixed_stack(20))
    tree = order(found)
    figure = similarity_figure(found, tree, dark=dark)
    for row in (0, 5, 11):
        for column in (0, 3, 11):
            head, other = tree.rows.order[row], tree.columns.order[column]
            assert figure.data[0].z[row][column] == np.float32(found.divergence[head, other])
    layer, head = found.heads[tree.rows.order[4]]
    assert figure.layout.yaxis.ticktext[4] == f"L{layer} H{head}"
    # Rows go down.
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]


def test_the_tree_ends_at_the_places_of_its_heads():
    found = similarity(mixed_stack(20))
    figure = similarity_figure(found, order(found), dark=False)
    lying, upright = (
        next(one for one in scatters(figure) if one.xaxis == name) for name in ("x2", "x3")
    )
    ends = {x for x, y in zip(upright.x, upright.y, strict=True) if y == 0}
    assert ends == set(range(12))
    assert {y for x, y in zip(lying.x, lying.y, strict=True) if x == 0} == set(range(12))
    heights = {y for y in upright.y if y is not None}
    np.testing.assert_allclose(max(heights), order(found).rows.linkage[-1, 2])


def test_clicks_can_be_read_as_heads():
    found = similarity(mixed_stack(20))
    tree = order(found)
    figure = similarity_figure(found, tree, dark=False)
    cells, strip = (
        next(one for one in scatters(figure) if one.mode == "markers" and one.xaxis == name)
        for name in (None, "x4")
    )
    assert [tuple(one) for one in strip.customdata] == [found.heads[at] for at in tree.rows.order]
    at = 12 * 3 + 7  # the fourth row, the eighth column
    pair = tuple(cells.customdata[at])
    assert pair == found.heads[tree.rows.order[3]] + found.heads[tree.columns.order[7]]
    assert (cells.x[at], cells.y[at]) == (7, 3)


def test_many_pairs_have_no_markers_and_names_for_the_pointer_alone():
    stack = stack_of(*(noisy_layer(6, 10, seed) for seed in range(6)))
    found = similarity(stack)
    figure = similarity_figure(found, order(found), dark=True)
    assert not figure.layout.xaxis.showticklabels
    assert figure.layout.xaxis.ticktext[0].startswith("layer ")
    assert all(len(one.customdata) == 60 for one in scatters(figure) if one.mode == "markers")


def test_selected_heads_are_outlined_as_rows_and_of_one_stack_as_columns():
    found = similarity(mixed_stack(20))
    figure = similarity_figure(found, order(found), selected=[(1, 2)], dark=False)
    at = order(found).rows.order.index(found.heads.index((1, 2)))
    drawn = [one for one in figure.layout.shapes if one.line.color == OKABE_ITO[0]]
    assert {(one.y0, one.y1) for one in drawn} == {(at - 0.5, at + 0.5), (-0.5, 11.5)}
    two = similarity(mixed_stack(20), mixed_stack(20, seed=5))
    figure = similarity_figure(two, order(two), selected=[(1, 2)], dark=False)
    assert len([one for one in figure.layout.shapes if one.line.color == OKABE_ITO[0]]) == 1
    assert figure.layout.annotations[0].text == "heads of the first side"
    assert figure.layout.xaxis.title.text == "heads of the second side"


@pytest.mark.parametrize("dark", [False, True])
def test_a_map_has_every_head_and_equal_axes(dark):
    laid = places(similarity(mixed_stack(20)))
    figure = places_figure(laid, selected=[(0, 1), (9, 9)], dark=dark)
    points, rings = figure.data
    assert [tuple(one) for one in points.customdata] == list(laid.heads)
    np.testing.assert_array_equal(np.stack([points.x, points.y], axis=1), laid.points)
    assert figure.layout.yaxis.scaleanchor == "x"
    across, down = figure.layout.xaxis.range, figure.layout.yaxis.range
    assert across[1] - across[0] == pytest.approx(down[1] - down[0])
    assert across[0] < laid.points[:, 0].min()
    assert laid.points[:, 0].max() < across[1]
    # A head that is not there is not marked.
    assert list(rings.text) == ["layer 0 head 1"]


def test_one_head_can_be_drawn():
    found = similarity(stack_of(noisy_layer(6, 1, seed=1)))
    assert similarity_figure(found, order(found), dark=False).data[0].z.shape == (1, 1)
    assert len(places_figure(places(found), dark=False).data[0].x) == 1
