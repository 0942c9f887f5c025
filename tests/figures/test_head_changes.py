"""How far heads moved, as a grid and as curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from viz.compare import Changed
from viz.figures import OKABE_ITO, changed_figure, curves_figure


def frame(steps, layers=3, heads=4):
    generator = np.random.default_rng(0)
    columns = pd.MultiIndex.from_product([range(layers), range(heads)], names=["layer", "head"])
    values = np.cumsum(generator.random((len(steps), layers * heads)), axis=0)
    return pd.DataFrame(values, index=pd.Index(steps, name="step"), columns=columns)


def changed_of(divergence, measured=5, of=5):
    return Changed(np.array(divergence), pd.DataFrame(), measured, of)


def test_a_click_on_the_grid_gives_layer_and_head():
    found = changed_of([[0.1, 0.2], [0.3, np.nan]])
    figure = changed_figure(found, selected=[(1, 0)], dark=False)
    points = figure.data[1]
    assert list(zip(points.y, points.x, strict=True)) == [(0, 0), (0, 1), (1, 0)]
    assert figure.data[0].zmax == 0.3
    assert figure.layout.shapes[-1].line.color == OKABE_ITO[0]


def test_a_grid_of_some_rows_says_so():
    name = changed_figure(changed_of([[0.1]], 100, 2_000), selected=[], dark=True)
    assert "100 of 2,000 rows" in name.data[0].colorbar.title.text


@pytest.mark.parametrize("value", [0.0, 1e-15, np.nan])
def test_what_rounding_leaves_is_not_drawn_as_change(value):
    figure = changed_figure(changed_of([[value]]), selected=[], dark=False)
    assert figure.data[0].zmax == 1e-3


def test_the_most_changed_and_the_selected_heads_are_named_and_others_grey():
    table = frame([0, 10, 20])
    ranked = [tuple(map(int, head)) for head in table.max().sort_values(ascending=False).index]
    figure = curves_figure(table, selected=[ranked[-1]], dark=False, top=3)
    named = {one.name: one for one in figure.data if one.name != "other heads"}
    told = [*ranked[:3], ranked[-1]]
    assert set(named) == {f"layer {layer} head {head}" for layer, head in told}
    chosen = named["layer {} head {}".format(*ranked[-1])]
    assert chosen.line.color == OKABE_ITO[0]
    assert chosen.line.width > named["layer {} head {}".format(*ranked[0])].line.width
    assert len({one.line.color for one in named.values()}) == 4


def test_every_point_of_a_curve_says_its_head():
    table = frame([0, 10, 20])
    seen = {}
    for one in curves_figure(table, selected=[], dark=True).data:
        for step, value, head in zip(one.x, one.y, one.customdata, strict=True):
            if step is not None:
                seen[step, tuple(map(int, head))] = value
    assert seen == {(s, head): table.loc[s, head] for s in table.index for head in table.columns}


def test_there_are_never_more_named_curves_than_colours():
    table = frame([0, 1])
    figure = curves_figure(table, selected=[(0, 0), (0, 1)], dark=False, top=10)
    assert len(figure.data) == len(OKABE_ITO) + 1


def test_steps_may_be_names():
    figure = curves_figure(frame(["base", "tuned"]), selected=[], dark=False)
    assert figure.layout.xaxis.type == "category"
    assert list(figure.data[-1].x) == ["base", "tuned"]


def test_heads_without_numbers_are_drawn_without_failing():
    table = frame([0, 1])
    table.loc[:, (0, 0)] = np.nan
    assert curves_figure(table, selected=[(0, 0), (9, 9)], dark=False).data
