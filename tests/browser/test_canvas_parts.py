"""Parts of the canvas components by themselves, loaded into an empty page as they are."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from components.canvas.shared.payload import module
from components.canvas.token_strip import HTML

EMPTY = "http://parts.test/"

# Text of two tokens, the second pinned.
STRIP = {
    "unit": "token",
    "two": False,
    "units": None,
    "base": None,
    "pinned": 1,
    "direction": "looks at",
    "palette": [0] * 768,
    "texts": {
        side: {
            "labels": ["the", "cat"],
            "special": [False, False],
            "starts": [True, True],
            "breaks": [False, False],
        }
        for side in ("queries", "keys")
    },
}


@pytest.fixture
def empty(page: Page) -> Page:
    """A page with nothing on it."""
    page.route(EMPTY, lambda route: route.fulfill(body="<p>empty", content_type="text/html"))
    page.goto(EMPTY)
    return page


def test_a_text_that_was_taken_off_the_page_hears_no_keys(empty):
    sent = empty.evaluate(
        """async ([code, html, data]) => {
            const url = URL.createObjectURL(new Blob([code], {type: "text/javascript"}));
            const parentElement = document.body.appendChild(document.createElement("div"));
            parentElement.innerHTML = html;
            const sent = [];
            const setTriggerValue = (name, value) => sent.push(value);
            const {default: show} = await import(url);
            const escape = () => document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
            show({data, parentElement, setTriggerValue});
            escape();
            show({data, parentElement, setTriggerValue})();
            escape();
            return sent;
        }""",
        [
            module("token_strip"),
            HTML,
            STRIP,
        ],
    )
    assert sent == [-1], "the first let go of the pinned token, the second of nothing"
