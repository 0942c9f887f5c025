"""The lines of several heads, their controls and their table, without a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import viz
from components.panels import lines_view as lines_module
from components.panels.lines_view import lines_frame, name_of
from tests.models.folders import save_small
from viz.patterns import largest_edges

MAIN = Path(__file__).parents[2] / "components" / "main.py"
TEXT = "the cat sat on the mat"


@pytest.fixture
def link(tmp_path, monkeypatch):
    """Return a way to open the page with the lines open and the view that a link asks for."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_small(tmp_path / "models" / "small")

    def opened(*, lines=True, **query):
        app = AppTest.from_file(str(MAIN), default_timeout=60)
        app.query_params = {"model": "small", "local": "1", "text": TEXT, **query}
        if lines:
            app.query_params["open"] = "lines"
        app.session_state["lines table"] = lines
        app.run()
        assert not app.exception
        return app

    return opened


@pytest.fixture
def stack(link):
    folder = Path(viz.models.folders.cache_folder()) / "models" / "small"
    return viz.capture(viz.load_model(str(folder)), TEXT).stacks["self"]


def table_of(app):
    return next(frame.value for frame in app.dataframe if "head" in frame.value.columns)


def test_closed_lines_are_not_computed(link, monkeypatch):
    monkeypatch.setattr(lines_module, "largest_edges", None)
    app = link(lines=False)
    assert not [box for box in app.multiselect if box.label == "Heads"]


def test_the_table_lists_the_largest_weights_of_every_head(link, stack):
    frame = table_of(link(also="1.2", top_k="3"))
    assert set(frame["head"]) == {name_of(0, 0), name_of(1, 2)}
    assert len(frame) == 2 * 3 * len(stack.queries)
    first = frame[frame["head"] == name_of(1, 2)].head(3)
    expected = np.sort(stack.weights(1, 2)[0].numpy())[::-1][:3]
    np.testing.assert_allclose(first["weight"], expected, atol=1e-6)


def test_a_pinned_token_has_its_own_lines_in_the_table(link):
    frame = table_of(link(token="2", top_k="4"))
    assert set(frame["query"]) == {"cat (2)"}
    looked_at = table_of(link(token="2", direction="looked at by", top_k="4"))
    assert set(looked_at["key"]) <= {"cat (2)"}


def test_heads_are_added_and_taken_away_and_the_last_one_stays(link):
    app = link()
    heads = app.multiselect(key="lines heads")
    assert heads.value == [(0, 0)]
    heads.set_value([(0, 0), (2, 1), (1, 3)]).run()
    assert app.query_params["also"] == "2.1,1.3"
    app.multiselect(key="lines heads").set_value([(2, 1), (1, 3)]).run()
    assert "Layer 2, head 1" in [heading.value for heading in app.subheader]
    assert app.query_params["also"] == "1.3"
    app.multiselect(key="lines heads").set_value([]).run()
    assert app.multiselect(key="lines heads").value == [(2, 1), (1, 3)]
    assert not app.exception


def shown_beside(widgets, name):
    """What the one widget of a name is set to; its key says how often it was changed from elsewhere."""
    (value,) = (one.value for one in widgets if str(one.key).startswith(name))
    return value


def test_choices_are_those_of_the_pattern(link):
    app = link(threshold="0.2")
    assert (table_of(app)["weight"] >= 0.2).all()
    app.toggle(key="lines without_sink").set_value(True).run()
    assert shown_beside(app.toggle, "display without_sink")
    assert any("without the sink" in one.value.replace("\\", "") for one in app.caption)
    app.slider(key="lines count").set_value(7).run()
    assert app.query_params["top_k"] == "7"
    assert shown_beside(app.number_input, "display top_k") == 7
    assert not app.exception


def test_more_heads_than_colours_are_said(link):
    app = link(also="0.1,0.2,0.3,1.0,1.1,1.2,1.3")
    assert any("the first 7 of 8 heads" in one.value for one in app.caption)
    assert len(app.multiselect(key="lines heads").value) == 7


def test_a_table_is_cut_and_says_so(link, monkeypatch):
    monkeypatch.setattr(lines_module, "MOST_TABLED", 10)
    app = link()
    assert len(table_of(app)) == 10
    assert any("The first 10 of 40 lines" in one.value for one in app.caption)


def test_a_frame_goes_by_query_then_head_then_weight():
    shares = np.random.default_rng(1).dirichlet(np.ones(6), (1, 2, 4)).astype(np.float32)
    stack = viz.load_weights(shares)
    edges = {name_of(0, head): largest_edges(stack, 0, head, 2) for head in range(2)}
    frame = lines_frame(stack, edges, None, 1000)
    assert list(frame["query"]) == [f"position {q} ({q})" for q in range(4) for _ in range(4)]
    assert list(frame["head"][:4]) == ["layer 0, head 0"] * 2 + ["layer 0, head 1"] * 2
    by_key = lines_frame(stack, edges, ("key", 3), 1000)
    assert set(by_key["key"]) == {"position 3 (3)"}
    assert len(lines_frame(stack, edges, None, 5)) == 5
