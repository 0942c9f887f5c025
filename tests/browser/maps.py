"""Pages that show the map, and what it says there."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from tests.browser.pages import READY, settle, visit

LAYER, HEAD = 5, 3
TEXT = " ".join(
    f"The {who} {did} the {whom} because it was {how}."
    for who in ("cat", "dog", "queen")
    for did in ("saw", "fed")
    for whom in ("mouse", "king")
    for how in ("tired", "late", "happy")
)

DEMO_TEXT = "the cat saw a dog " * 80


def opened(page: Page, server: str, **more: object) -> Page:
    asked = {"model": "smollm2", "text": TEXT, "layer": LAYER, "head": HEAD, **more}
    visit(page, f"{server}/?{urlencode({**asked, 'dtype': 'float32'})}")
    expect(page.locator('.map[data-state="sharp"]')).to_be_visible(timeout=READY)
    settle(page)
    page.locator(".map canvas.over").scroll_into_view_if_needed()
    return page


def opened_demo(page: Page, server: str, **more: object) -> Page:
    """The small model reads a text of 402 tokens."""
    asked = {"text": DEMO_TEXT, "layer": 2, "head": 3, **more}
    visit(page, f"{server}/?{urlencode(asked)}")
    expect(page.locator('.map[data-state="sharp"]')).to_be_visible(timeout=READY)
    settle(page)
    page.locator(".map canvas.over").scroll_into_view_if_needed()
    return page


def seen(page: Page) -> list[int]:
    """First query, the one after the last, and the same of keys."""
    return [int(part) for part in page.locator(".map").get_attribute("data-seen").split()]


def said(page: Page) -> str:
    return page.locator(".map .said").inner_text()


def cell_said(page: Page) -> tuple[int, int, str]:
    """The query, the key and the weight that the readout names."""
    expect(page.locator(".map .said")).to_have_text(re.compile(r": ([\d.e-]+|not attended)$"))
    found = re.search(r"\((\d+)\) attends to .*\((\d+)\): (.+)$", said(page), re.DOTALL)
    return int(found[1]), int(found[2]), found[3]


def three_digits(weight: float) -> float:
    return float(f"{weight:.3g}")
