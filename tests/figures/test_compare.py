"""Two patterns against each other, as pictures."""

from __future__ import annotations

import numpy as np
import pytest

import viz
from viz.figures import difference_figure, multiples_figure
from viz.figures.compare import MOST_SMALL, MOST_UNITS
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


def test_cells_without_a_partner_are_grey_and_those_alone(comparison):
    figure = difference_figure(comparison, dark=False)
    difference, grey = (np.asarray(one.z) for one in figure.data)
    assert (np.isnan(difference) == ~np.isnan(grey)).all()
    row = comparison.rows.labels.index("big")
    assert not np.isnan(grey[row]).any()
    assert figure.data[1].hovertemplate.startswith("%{text}<br>no partner")


def test_units_are_named_where_there_is_room(comparison, long):
    few, many = (difference_figure(one, dark=False) for one in (comparison, long))
    assert "tired → wide" in few.layout.yaxis.ticktext
    assert not many.layout.yaxis.showticklabels
    assert max(np.shape(many.data[0].z)) <= MOST_UNITS


def test_small_multiples_share_one_scale(comparison, long):
    figure = multiples_figure([comparison, long], ["a <b>", "long " * 20], dark=True)
    bars = figure.layout.coloraxis
    drawn = [np.asarray(one.z) for one in figure.data if one.coloraxis == "coloraxis"]
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
