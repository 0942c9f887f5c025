"""A result, and the browser that has its page open."""

from __future__ import annotations

import pytest

from tests.service.tile_browser import (
    BROWSER,
    TEXT,
    app_of,
    browser_on,
    visited,
)
from viz.service import Analysis, Request, Workbench


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return visited(Workbench())


@pytest.fixture(scope="module")
def analysis(bench) -> Analysis:
    return bench.analyse("me", Request("demo", TEXT), lambda *_: None)


@pytest.fixture
def client(bench):
    app = app_of(bench)
    return lambda name=BROWSER: browser_on(app, name)
