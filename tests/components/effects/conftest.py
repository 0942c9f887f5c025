"""A small decoder, and the page that a link to it opens."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import viz
from tests.components.effects.page import MAIN, TEXT
from tests.models.folders import save_decoder


@pytest.fixture
def link(tmp_path, monkeypatch):
    """Return a way to open the page with the effects open and the view that a link asks for."""
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    save_decoder(tmp_path / "models" / "foretells", layers=2, heads=2)

    def opened(*, effects=True, **query):
        app = AppTest.from_file(str(MAIN), default_timeout=60)
        app.query_params = {"model": "foretells", "local": "1", "text": TEXT, **query}
        if effects:
            app.query_params["open"] = "effects"
        app.run()
        assert not app.exception
        return app

    return opened


@pytest.fixture
def model(link):
    folder = Path(viz.models.folders.cache_folder()) / "models" / "foretells"
    return viz.load_model(str(folder))
