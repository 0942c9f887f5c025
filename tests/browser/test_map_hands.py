"""The map under a mouse, keys and fingers, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.maps import (
    HEAD,
    LAYER,
    cell_said,
    opened,
    opened_demo,
    said,
    seen,
)
from tests.browser.pages import READY, settle


def brush(page: Page, to: float) -> dict[str, float]:
    """Drag over rows from the axis of queries to so far across the map, and return where that is."""
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + to, box["y"] + 300, steps=3)
    page.mouse.up()
    return box


def drag_finger(page: Page, places: Sequence[tuple[float, float]]) -> None:
    """Touch the first place, go through all, and let go."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )

    touch("touchStart", places[0])
    for place in places[1:]:
        touch("touchMove", place)
    touch("touchEnd")


def test_what_is_seen_travels_in_the_link(page, server):
    opened(page, server)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 240, box["y"] + 220, steps=4)
    page.mouse.up()
    here = seen(page)
    expect(page).to_have_url(re.compile(r"rows=\d+-\d+"), timeout=READY)
    query = parse_qs(urlparse(page.url).query)
    assert query["rows"] == [f"{here[0]}-{here[1]}"]
    assert query["columns"] == [f"{here[2]}-{here[3]}"]
    opened(page, server, rows=query["rows"][0], columns=query["columns"][0])
    assert np.abs(np.array(seen(page)) - np.array(here)).max() <= 2


def test_every_way_of_moving_is_in_the_link(page, server):
    opened_demo(page, server)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    expect(page).to_have_url(re.compile(r"rows=\d+-\d+"), timeout=READY)
    expect(page).to_have_url(re.compile(f"rows={seen(page)[0]}-{seen(page)[1]}"), timeout=READY)
    page.locator(".map canvas.over").press("Home")
    expect(page).to_have_url(re.compile(r"rows=0-402"), timeout=READY)


def test_the_keys_of_the_browser_are_left_to_it(page, server):
    opened(page, server)
    taken = page.locator(".map canvas.over").evaluate(
        """over => ["+", "-", "0", "ArrowLeft"].map(key => {
            const event = new KeyboardEvent("keydown", {key, ctrlKey: true, cancelable: true});
            over.dispatchEvent(event);
            return event.defaultPrevented;
        })"""
    )
    assert taken == [False] * 4


def test_the_keyboard_alone_is_enough(page, server, stack):
    opened(page, server)
    over = page.locator(".map canvas.over")
    over.focus()
    over.press("ArrowDown")
    start = cell_said(page)
    over.press("ArrowDown")
    over.press("ArrowRight")
    query, key, _ = cell_said(page)
    assert query > start[0]
    assert key > start[1]
    whole = seen(page)
    for _ in range(4):
        over.press("+")
    expect(page.locator(".map")).not_to_have_attribute("data-seen", " ".join(map(str, whole)))
    # The link that is written meanwhile must not take the view back.
    expect(page).to_have_url(re.compile(r"rows=\d+-\d+"), timeout=READY)
    settle(page)
    assert seen(page)[1] - seen(page)[0] < (whole[1] - whole[0]) / 8
    before = cell_said(page)
    over.press("ArrowDown")
    assert cell_said(page)[0] == before[0] + 1  # near enough, a step is one token
    over.press("Enter")
    expect(page).to_have_url(re.compile(rf"token={before[0] + 1}\b"), timeout=READY)
    over.press("Home")
    expect(page.locator(".map")).to_have_attribute("data-seen", " ".join(map(str, whole)))


def test_a_finger_moves_a_zoomed_map(another_browser, server):
    page = another_browser(viewport={"width": 390, "height": 900}, has_touch=True)
    opened(page, server, rows="100-130", columns="90-120")
    before = seen(page)
    box = page.locator(".map canvas.over").bounding_box()
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"]
    drag_finger(page, [(x - 4 * step, y - 4 * step) for step in range(21)])
    expect(page.locator(".map")).not_to_have_attribute("data-seen", " ".join(map(str, before)))
    rows = seen(page)
    assert rows[0] > before[0]
    assert rows[2] > before[2]
    assert rows[1] - rows[0] == pytest.approx(before[1] - before[0], abs=1), "it has not zoomed"


def test_a_tap_says_a_weight_and_a_finger_on_an_axis_adds_up(another_browser, server):
    page = another_browser(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    opened_demo(page, server)
    box = page.locator(".map canvas.over").bounding_box()
    page.touchscreen.tap(box["x"] + 200, box["y"] + 200)
    query, _, _ = cell_said(page)
    expect(page).to_have_url(re.compile(rf"token={query}\b"), timeout=READY)
    settle(page)
    x, y = box["x"] + 20, box["y"] + 150
    drag_finger(page, [(x, y + 10 * step) for step in range(11)])
    expect(page.locator(".map .said")).to_contain_text("together: most at")
    first, last = map(int, re.search(r"queries (\d+) to (\d+)", said(page)).groups())
    assert last > first + 50


def test_a_span_along_an_axis_is_added_up(page, server, stack):
    opened(page, server, rows="100-130", columns="0-30")
    brush(page, to=40)
    expect(page.locator(".map .said")).to_contain_text("together: most at")
    first, last = map(int, re.search(r"queries (\d+) to (\d+)", said(page)).groups())
    sums = stack.weights(LAYER, HEAD)[first : last + 1].sum(dim=0)
    key, told = re.search(r"most at .*?\((\d+)\) ([\d.]*\d)", said(page)).groups()
    assert int(key) == int(sums.argmax())
    assert float(told) == pytest.approx(float(sums.max()), rel=0.01)


def test_a_span_that_looks_at_nothing_is_said_to(page, server):
    """Rows of padding sum to nothing; here the answer is made so on its way."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    opened(page, server)
    page.route("**/sums/queries/**", lambda route: route.fulfill(body=bytes(4 * 400)))
    brush(page, to=40)
    expect(page.locator(".map .said")).to_have_text(re.compile(r"^queries .* together: nothing$"))
    assert not problems


def test_a_brush_that_ends_on_the_pattern_pins_nothing_nor_does_the_small_map(page, server):
    opened(page, server, rows="100-130", columns="90-120")
    box = brush(page, to=200)
    expect(page.locator(".map .said")).to_contain_text("together: most at")
    page.mouse.click(box["x"] + box["width"] - 110, box["y"] + 100)  # on the small map
    expect(page.locator(".map")).not_to_have_attribute("data-seen", "100 130 90 120")
    expect(page).not_to_have_url(re.compile("rows=100-130"), timeout=READY)
    settle(page)
    assert "token" not in parse_qs(urlparse(page.url).query)
    page.mouse.click(box["x"] + 200, box["y"] + 300)  # ends the sum
    cell_said(page)
    page.mouse.click(box["x"] + 200, box["y"] + 300)
    expect(page).to_have_url(re.compile(r"token=\d+"), timeout=READY)


def test_a_brush_or_the_small_map_pins_nothing_and_a_click_ends_the_sum(page, server):
    opened_demo(page, server, rows="100-130", columns="90-120")
    box = brush(page, to=300)
    expect(page.locator(".map .said")).to_contain_text("together: most at")
    page.mouse.click(box["x"] + 300, box["y"] + 300)
    query, _, _ = cell_said(page)
    before = seen(page)
    page.mouse.click(box["x"] + box["width"] - 80, box["y"] + 96)
    expect(page.locator(".map")).not_to_have_attribute("data-seen", " ".join(map(str, before)))
    settle(page)
    assert "token=" not in page.url
    page.mouse.click(box["x"] + 300, box["y"] + 300)
    query, _, _ = cell_said(page)
    expect(page).to_have_url(re.compile(rf"token={query}\b"), timeout=READY)
