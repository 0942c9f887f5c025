"""What a view finds out once it is opened: remembered, asked for where it is slow, tried again, cancelled."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest


def page():
    """Finds what the session wants, and says it."""
    import streamlit as st

    import viz
    from components.panels.find_on_demand import find_in_passes
    from components.run_panel import RunPanel

    state = st.session_state
    state.setdefault("tried", [])

    def find(tell):
        state.tried.append(state.wanted)
        if state.wanted == "refused":
            raise viz.LoupeError("There is none.", "Want another.")
        tell(2, 4)
        if state.wanted == "cancelled":
            # What the button does, and what Streamlit does then.
            RunPanel("things").stop(state.wanted)
            st.stop()
        return f"found {state.wanted}"

    found = find_in_passes(
        RunPanel("things"),
        state.wanted,
        find,
        seconds=state.seconds,
        verb="Find it",
        doing="Looking",
        ask=state.ask,
    )
    st.write(f"{found}")


@pytest.fixture
def wants():
    app = AppTest.from_function(page, default_timeout=60)

    def wanting(wanted, *, seconds=0.1, ask=False):
        for name, value in (("wanted", wanted), ("seconds", seconds), ("ask", ask)):
            app.session_state[name] = value
        app.run()
        assert not app.exception
        return app

    return wanting


def said(app):
    return [one.value for one in app.markdown]


def labels(app):
    return [one.label for one in app.button]


def test_what_was_found_last_is_not_found_again_and_another_is(wants):
    assert said(wants("one")) == ["found one"]
    assert wants("one").session_state.tried == ["one"]
    assert said(wants("other")) == ["found other"]
    assert wants("other").session_state.tried == ["one", "other"]


@pytest.mark.parametrize(
    ("how", "label"),
    [({"seconds": 90.0}, "Find it (about 2 min)"), ({"ask": True}, "Find it")],
)
def test_what_takes_long_or_is_rarely_wanted_is_asked_for(wants, how, label):
    app = wants("one", **how)
    assert labels(app) == [label]
    assert app.session_state.tried == []
    app.button[0].click().run()
    assert said(app) == ["found one"]
    assert labels(wants("other", **how)) == [label]


def test_a_failure_is_said_and_tried_again_only_by_hand(wants):
    app = wants("refused")
    assert [one.value for one in app.error] == ["There is none. Want another."]
    app = wants("refused")
    assert [one.value for one in app.error] == ["There is none. Want another."]
    assert app.session_state.tried == ["refused"]
    assert labels(app) == ["Try again"]
    app.button[0].click().run()
    assert app.session_state.tried == ["refused", "refused"]
    assert not wants("one").error


def test_what_was_cancelled_is_offered_and_not_begun_by_itself(wants):
    wants("cancelled")
    app = wants("cancelled")
    assert labels(app) == ["Find it"]
    assert app.session_state.tried == ["cancelled"]
    app.button[0].click().run()
    assert app.session_state.tried == ["cancelled", "cancelled"]
