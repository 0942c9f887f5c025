"""Waiting until a page has come to rest."""

from __future__ import annotations

from playwright.sync_api import Page, expect

READY = 120_000

# What a browser needs to lay a page out after its script has ended, in milliseconds.
LAID_OUT = 400


def settle(page: Page) -> None:
    """Wait until the page's script has ended, and what it sent stands where it will stay."""
    app = page.locator('[data-testid="stApp"]')
    for _ in range(2):
        expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=READY)
        page.wait_for_timeout(LAID_OUT)
