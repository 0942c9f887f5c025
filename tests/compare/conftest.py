"""Two real traces that differ in a word."""

from __future__ import annotations

import pytest

import viz
from tests.compare.texts import TIRED, WIDE


@pytest.fixture(scope="session")
def demo():
    return viz.load_model("demo")


@pytest.fixture(scope="session")
def tired(demo):
    return viz.capture(demo, TIRED)


@pytest.fixture(scope="session")
def wide(demo):
    return viz.capture(demo, WIDE)
