"""Two patterns against each other, as pictures."""

from __future__ import annotations

import numpy as np
import pytest

import viz
from viz.figures import NOT_ATTENDED, difference_figure, multiples_figure
from viz.figures.compared_patterns import MOST_SMALL, MOST_UNITS
from viz.figures.palettes import PAGE

TIRED = "The animal didn't cross the street because it was too tired."
OTHER = "The big animal didn't cross the street because it was too wide."


@pytest.fixture(scope="module")
def demo():
    return viz.load_model("demo")


@pytest.fixture(scope="module")
def comparison(demo):
    traces = [viz.capture(demo, text) for text in (TIRED, OTHER)]
    return viz.compare(*traces, layer=3, head=1)


@pytest.fixture(scope="module")
def causal():
    model = viz.load_model("loupe")
    return viz.compare(*[viz.capture(model, text) for text in (TIRED, OTHER)], layer=0, head=0)


@pytest.fixture(scope="module")
def alike(demo):
    trace = viz.capture(demo, TIRED)
    return viz.compare(trace, trace, layer=3, head=1)


@pytest.fixture(scope="module")
def long(demo):
    traces = [viz.capture(demo, " ".join([text] * 22)) for text in (TIRED, OTHER)]
    return viz.compare(*traces, layer=3, head=1)


@pytest.mark.parametrize("dark", [False, True])
def test_a_difference_is_drawn_about_zero_on_the_pages_own_colour(comparison, dark):
    figure = difference_figure(comparison, dark=dark)
    heatmap = figure.data[0]
    np.testing.assert_array_equal(heatmap.z, comparison.difference())
    assert heatmap.zmax == -heatmap.zmin == pytest.approx(np.nanmax(np.abs(heatmap.z)))
    middle = dict(heatmap.colorscale)[0.5]
    assert middle == "rgb({},{},{})".format(*PAGE[dark])


def test_cells_without_a_partner_are_hatched_and_those_alone(comparison):
    figure = difference_figure(comparison, dark=False)
    difference, alone, hatched = figure.data
    assert (np.isnan(difference.z) == ~np.isnan(alone.z)).all()
    row = comparison.rows.labels.index("big")
    assert not np.isnan(alone.z[row]).any()
    assert alone.hovertemplate.startswith("%{text}<br>no partner")
    assert (hatched.x[0], hatched.x[1]) == (-0.5, len(comparison.columns) - 0.5)
    assert (hatched.y[0], hatched.y[2]) == (row - 0.5, row + 0.5)
    assert [one.name for one in figure.data if one.showlegend] == ["no partner on the other side"]


@pytest.mark.parametrize("dark", [False, True])
def test_cells_that_neither_side_may_look_at_are_the_grey_of_a_mask(causal, dark):
    figure = difference_figure(causal, dark=dark)
    difference, masked, alone, _ = figure.data
    pairs = causal.rows.paired[:, None] & causal.columns.paired
    later = np.triu(np.ones(pairs.shape, dtype=bool), 1)
    assert (~np.isnan(masked.z) == (pairs & later)).all()
    assert (~np.isnan(alone.z) == ~pairs).all()
    assert (~np.isnan(difference.z) == (pairs & ~later)).all()
    assert masked.colorscale[0][1] == NOT_ATTENDED[dark] != alone.colorscale[0][1]
    assert "neither side may look" in masked.hovertemplate


def test_kinds_of_cells_without_a_number_are_named_once(comparison, causal, alike):
    figure = multiples_figure([comparison, causal, causal], list("abc"), dark=False)
    names = [one.name for one in figure.data if one.showlegend]
    assert sorted(names) == ["no partner on the other side", "not attended"]
    assert not multiples_figure([alike], ["d"], dark=False).layout.showlegend


def test_units_are_named_where_there_is_room(comparison, long):
    few, many = (difference_figure(one, dark=False) for one in (comparison, long))
    assert "tired → wide" in few.layout.yaxis.ticktext
    assert not many.layout.yaxis.showticklabels
    # Each axis is named once.
    for figure in (few, many):
        titles = [figure.layout.xaxis.title.text, *(one.text for one in figure.layout.annotations)]
        assert titles.count("key (attended to)") == 1
    assert max(np.shape(many.data[0].z)) <= MOST_UNITS


def test_small_multiples_share_one_scale(comparison, long):
    figure = multiples_figure([comparison, long], ["a <b>", "long " * 20], dark=True)
    bars = figure.layout.coloraxis
    drawn = [np.asarray(one.z) for one in figure.select_traces({"coloraxis": "coloraxis"})]
    assert len(drawn) == 2
    assert bars.cmax == -bars.cmin == pytest.approx(max(np.nanmax(np.abs(z)) for z in drawn))
    assert all(max(z.shape) <= MOST_SMALL for z in drawn)
    titles = [one.text for one in figure.layout.annotations]
    assert titles[0] == "a &lt;b&gt;"
    assert titles[1].count("<br>") == 1
    assert titles[1].endswith("…")


def test_multiples_stand_in_rows_of_so_many(comparison):
    figure = multiples_figure([comparison] * 4, list("abcd"), dark=False, columns=2)
    across = {one.domain[0] for one in figure.select_xaxes()}
    down = {one.domain[0] for one in figure.select_yaxes()}
    assert (len(across), len(down)) == (2, 2)
    assert multiples_figure([comparison] * 4, list("abcd"), dark=False).layout.height == (
        figure.layout.height
    )
