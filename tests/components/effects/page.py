"""Finding one's way about the page with its effects."""

from __future__ import annotations

from pathlib import Path

MAIN = Path(__file__).parents[3] / "components" / "main.py"
TEXT = "the cat sat on the mat"


def heads_of(app):
    return next(one.value for one in app.dataframe if "first_order" in one.value.columns)


def said(app):
    return [one.value for one in app.markdown]


def box(app, key):
    return next(one for one in app.selectbox if str(one.key).startswith(key))


def opened_part(link, part, **query):
    """The page with a part of the effects open, too."""
    app = link(**query)
    app.session_state[f"effects {part}"] = True
    app.run()
    assert not app.exception
    return app
