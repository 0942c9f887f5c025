"""Sorting, filtering and selecting heads, without a browser."""

from __future__ import annotations

import math

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import viz
from components.panels.grid_panel import slider_span
from tests.components.test_explore import MAIN
from tests.models.folders import save_decoder, save_encoder_decoder, save_small


@pytest.fixture
def opened(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_small(tmp_path / "models" / "small")

    def open_page(**choices):
        app = AppTest.from_file(str(MAIN), default_timeout=60)
        usual = {"model": "small", "local": "1", "text": "the cat sat on the mat"}
        app.query_params = {**usual, **choices}
        app.run()
        assert not app.exception
        return app

    return open_page


def table(app):
    """The statistics table, the other way to read the grid."""
    return next(one.value for one in app.dataframe if "entropy" in one.value.columns)


def captions(app):
    return " ".join(one.value for one in app.caption)


def query(app, name):
    """What the link says; AppTest keeps each as a list."""
    found = app.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def test_the_table_follows_what_heads_are_sorted_by(opened):
    app = opened()
    assert table(app)["layer"].is_monotonic_increasing
    app.selectbox(key="grid sort").set_value("entropy").run()
    assert table(app)["entropy"].is_monotonic_increasing
    app.toggle(key="grid descending").set_value(True).run()
    assert table(app)["entropy"].is_monotonic_decreasing
    assert (query(app, "sort"), query(app, "descending")) == ("entropy", "1")
    assert "By entropy, largest first" in captions(app)


def test_the_table_follows_what_heads_are_kept_by_and_the_link_says_it(opened):
    app = opened()
    everyone = len(table(app))
    app.slider(key="grid keep layer").set_value((1.0, 2.0)).run()
    assert set(table(app)["layer"]) == {1, 2}
    assert query(app, "keep") == "layer:1.."
    assert f"{len(table(app))} of {everyone} heads: layers 1 and above." in captions(app)
    again = opened(keep="layer:1..")
    assert again.slider(key="grid keep layer").value == (1.0, 2.0)
    assert len(table(again)) == len(table(app))


def test_a_filter_that_nothing_fits_says_so_and_can_be_cleared(opened):
    app = opened(keep="entropy:100..,layer:1..1")
    assert app.info[0].value.endswith("heads fits: entropy at least 100, layer 1.")
    assert len(table(app)) == 0
    next(one for one in app.button if one.label == "Show all heads").click().run()
    assert not app.info
    assert len(table(app)) > 0
    assert query(app, "keep") is None


def test_a_bound_from_a_link_stays_until_its_slider_is_moved(opened):
    app = opened(keep="entropy:..100,first:0.01..")
    low, high = app.slider(key="grid keep entropy").value
    assert (app.slider(key="grid keep entropy").max, high) == (100, 100)
    app.slider(key="grid keep layer").set_value((0.0, 1.0)).run()
    assert query(app, "keep") == "entropy:..100,first:0.01..,layer:..1"
    app.slider(key="grid keep entropy").set_value((low, 100)).run()
    assert not app.exception


def test_one_head_has_nothing_to_be_kept_by(opened, tmp_path):
    save_decoder(tmp_path / "models" / "one", layers=1, heads=1)
    app = opened(model="one")
    assert not app.slider
    assert len(table(app)) == 1


def test_a_statistic_that_a_stack_has_not_got_changes_nothing(opened, tmp_path):
    save_encoder_decoder(tmp_path / "models" / "translator")
    app = opened(
        model="translator", pair="the dog", stack="cross", sort="distance", keep="distance:..0"
    )
    assert "Row is a layer" in captions(app)
    assert len(table(app)) == 8


def test_the_order_is_that_of_the_statistics(opened):
    app = opened(sort="first")
    model = viz.load_model(str(viz.models.folders.cache_folder() / "models" / "small"))
    stack = viz.capture(model, "the cat sat on the mat").stacks["self"]
    found = viz.patterns.statistics(stack).first
    shown = [found[row.layer, row.head] for row in table(app).itertuples()]
    assert shown == sorted(shown)


@pytest.mark.parametrize(
    ("values", "bounds", "expected"),
    [
        ([0.0, 1.0], None, (0.0, 1.0, 0.01)),
        ([0.113, 0.987], None, (0.11, 0.99, 0.01)),
        ([3.0, 703.0], None, (0.0, 710.0, 10.0)),
        ([2.0, 2.0], None, (2.0, 2.00001, 1e-05)),
        ([1.0, 2.0], (-math.inf, 4.0), (1.0, 4.0, 0.05)),
        ([math.nan, math.nan], None, (0.0, 1e-05, 1e-05)),
    ],
)
def test_a_slider_holds_all_values_and_bounds_in_even_steps(values, bounds, expected):
    found = slider_span(np.array(values, dtype=np.float32), bounds)
    assert found == pytest.approx(expected)
