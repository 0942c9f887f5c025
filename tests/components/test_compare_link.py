"""What a link to the Compare page asks for in vain."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def page():
    from components.pages.compare import page

    page()


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=120)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def test_all_of_it_is_said_in_one_box():
    bad = {
        **{
            "heads": "99.99",
            "stack": "cross",
            "aggregate": "median",
            "how": "magic",
            "mode": "x-ray",
        },
        **{"row": "500", "span": "0-999999999,0-5", "part": "left", "words": "perhaps"},
        **{
            "along": "roads",
            "run": "mine",
            "edits_as": "poem",
            "other_heads": "everything",
            "other_txt": "a",
        },
    }
    app = opened(text="the cat sat", other_text="the dog sat", **bad)
    assert len(app.warning) == 1
    said = app.warning[0].value.replace("\\", "")
    assert (
        "parameter 'other_txt' is not known here, so it is left out. Did you mean 'other_text'?"
        in said
    )
    for value in (
        "median",
        "magic",
        "x-ray",
        "left",
        "perhaps",
        "roads",
        "mine",
        "poem",
        "everything",
    ):
        assert f"'{value}' is not valid" in said
    assert (
        "has no stack 'cross', layer 99 head 99, so stack 'self', layer 5 head 11 is shown" in said
    )
    assert "The link's row 500 is not valid: common rows go from 0 to" in said
    assert "The link's span '0-999999999,0-5' is not valid: there are" in said


def test_a_link_that_can_be_followed_says_nothing():
    assert not opened(text="the cat sat", other_text="the dog sat", heads="2.3").warning
