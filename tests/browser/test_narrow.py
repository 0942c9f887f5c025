"""A telephone, 390 pixels wide: nothing is cut, and what is pressed is in sight."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import READY, settle

WIDTH, HEIGHT = 390, 800

IS_CUT = "input => input.scrollWidth > input.clientWidth"


@pytest.fixture
def narrow(page: Page, server: str):
    """Return what opens an address on a telephone."""
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})

    def opened(path: str) -> Page:
        page.goto(server + path)
        expect(page.get_by_role("heading", level=2).first).to_be_visible(timeout=READY)
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH
        return page

    return opened


def test_run_is_in_sight_beside_settings_and_examples(narrow):
    page = narrow("/")
    run = page.get_by_role("button", name="Run", exact=True).bounding_box()
    settings = page.get_by_role("button", name="Settings").bounding_box()
    assert run["y"] + run["height"] < HEIGHT * 0.7
    assert abs(run["y"] - settings["y"]) < 2


@pytest.mark.parametrize("model", ["minilm", "smollm2", "whisper"])
def test_the_name_of_a_model_is_not_cut(narrow, model):
    page = narrow(f"/?model={model}&text=a+dog")
    assert not page.get_by_role("combobox", name="Model").evaluate(IS_CUT)


def test_next_stands_beside_back(narrow):
    page = narrow("/learn")
    back, following = (
        page.get_by_role("button", name=name, exact=True).bounding_box()
        for name in ("Back", "Next")
    )
    assert abs(back["y"] - following["y"]) < 2
    assert back["x"] < following["x"]


def test_titles_of_a_comparison_are_not_cut(narrow):
    page = narrow("/compare?text=a+dog&other_model=smollm2")
    for title in page.locator("figcaption > span").all():
        assert not title.evaluate(IS_CUT)
