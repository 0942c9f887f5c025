"""Who gets the tiles of a page, with a real server and real browsers."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.maps import opened_demo

# What a server needs to notice that a page was closed, in milliseconds.
NOTICED = 20_000


def asked_for(page: Page, server: str) -> list[str]:
    """Open a page with a map, and return what it fetched beside itself."""
    fetched: list[str] = []
    page.on("request", lambda request: "/loupe/" in request.url and fetched.append(request.url))
    opened_demo(page, server)
    with page.expect_response(re.compile("/weight/")):
        page.locator(".map canvas.over").hover()
    return fetched


def test_tiles_are_for_the_browser_that_has_their_page_open(
    context, another_browser, playwright, server
):
    page = context.new_page()
    addresses = asked_for(page, server)
    assert {"tile", "units", "weight"} <= {
        part for address in addresses for part in address.split("/")
    }
    assert "loupe_browser" not in page.evaluate("document.cookie"), "no script may read it"
    other, nobody = another_browser(), playwright.request.new_context()
    asked_for(other, server)
    try:
        for address in addresses:
            assert context.request.get(address).status == 200
            assert other.context.request.get(address).status == 404
            assert nobody.get(address).status == 404
        # The same browser goes on without the page.
        remaining = context.new_page()
        remaining.goto(f"{server}/learn")
        page.close()
        gone = "async (address) => (await fetch(address)).status === 404"
        remaining.wait_for_function(gone, arg=addresses[0], polling=200, timeout=NOTICED)
        for address in addresses:
            answer = context.request.get(address)
            assert answer.status == 404
            assert "Press Run" in answer.json()["hint"]
    finally:
        nobody.dispose()


def test_two_pages_of_a_browser_keep_their_tiles(context, server):
    first, second = context.new_page(), context.new_page()
    addresses = [*asked_for(first, server), *asked_for(second, server)]
    first.reload()
    for address in addresses[-2:]:
        assert context.request.get(address).status == 200
    second.bring_to_front()
    second.get_by_role("button", name="Zoom in").click()
    expect(second).to_have_url(re.compile("rows="))
    expect(second.locator('.map[data-state="sharp"]')).to_be_visible()
    assert second.locator(".map .problem").is_hidden()
