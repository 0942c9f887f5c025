"""What the map of a long text shows, in a real browser."""

from __future__ import annotations

import re
import time
from urllib.parse import urlparse

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.maps import (
    HEAD,
    LAYER,
    TEXT,
    cell_said,
    opened,
    opened_demo,
    seen,
    three_digits,
)
from tests.browser.pages import READY, WATCH, frames, leave, settle


def test_the_weight_under_the_pointer_is_exact_at_every_zoom(page, server, stack):
    opened(page, server)
    over = page.locator(".map canvas.over")
    box = over.bounding_box()
    for _ in range(3):
        for across, down in ((0.3, 0.6), (0.22, 0.9), (0.5, 0.7)):
            page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
            query, key, told = cell_said(page)
            if key > query:
                assert told == "not attended"
            else:
                exact = float(stack.weights(LAYER, HEAD, [query], [key])[0, 0])
                assert float(told) == pytest.approx(three_digits(exact), rel=1e-6)
        before = page.locator(".map").get_attribute("data-seen")
        page.mouse.wheel(0, -400)
        expect(page.locator(".map")).not_to_have_attribute("data-seen", before)
    rows, columns = seen(page)[:2], seen(page)[2:]
    assert rows[1] - rows[0] < len(stack.queries)
    assert columns[1] - columns[0] < len(stack.keys)


def test_means_of_blocks_may_be_drawn_instead(page, server):
    opened(page, server)
    tiles: list[str] = []
    page.on("request", lambda request: tiles.append(request.url))
    page.get_by_label("What a cell of a coarse picture is").select_option("mean")
    expect(page.locator('.map[data-state="sharp"]')).to_be_visible()
    assert any("/tile/mean/" in url for url in tiles)


def test_another_head_is_shown_at_the_same_place(page, server, stack):
    opened(page, server, rows="100-130", columns="90-120")
    here = seen(page)
    page.get_by_label("All heads").press("ArrowRight")
    other = page.locator(f'.map[data-head="{LAYER}.{HEAD + 1}"][data-state="sharp"]')
    expect(other).to_be_visible(timeout=READY)
    assert seen(page) == here
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    query, key, told = cell_said(page)
    if told != "not attended":
        exact = float(stack.weights(LAYER, HEAD + 1, [query], [key])[0, 0])
        assert float(told) == pytest.approx(three_digits(exact), rel=1e-6)


def test_a_token_that_is_hovered_in_the_text_is_marked_on_the_map_and_back(page, server, stack):
    opened(page, server)
    token = page.locator(".strip .token").nth(40)
    token.hover()
    # Rows of a long text are fetched where the pointer rests.
    expect(page.locator(".strip .readout")).to_contain_text("(40)  attends to")
    row = stack.weights(LAYER, HEAD)[40]
    told = re.search(r"attends to\s+\S+ ([\d.]+)", page.locator(".strip .readout").inner_text())
    assert float(told[1]) == pytest.approx(float(row.max()), rel=0.01)
    overlay = "canvas => canvas.toDataURL()"
    marked = page.locator(".map canvas.over").evaluate(overlay)
    page.locator(".strip .token").nth(90).hover()
    expect(page.locator(".strip .readout")).to_contain_text("(90)  attends to")
    frames(page)
    assert page.locator(".map canvas.over").evaluate(overlay) != marked
    page.locator(".map canvas.over").scroll_into_view_if_needed()
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"])
    query, key, _ = cell_said(page)
    linked = page.locator(".strip .token.linked")
    expect(linked).to_have_count(2)
    assert {int(one.get_attribute("data-index")) for one in linked.all()} == {query, key}


def test_a_shorter_text_forgets_where_one_was_in_the_longer(page, server):
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    opened(page, server)
    page.get_by_role("searchbox").fill("queen")
    expect(page.locator(".map .hits")).to_have_text("12 found")
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.9 * (box["width"] - 62), box["y"] + 0.97 * box["height"])
    query, _, _ = cell_said(page)
    words = page.get_by_role("textbox", name="Text", exact=True)
    words.fill(TEXT[: TEXT.index("The queen fed the king")])
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".map .hits")).to_have_text("9 found", timeout=READY)
    settle(page)
    expect(page.locator('.map[data-state="sharp"]')).to_be_visible()
    assert seen(page)[1] < query, "there is no such query any more"
    assert page.locator(".map .problem").is_hidden()
    assert not problems


def test_nothing_of_the_text_before_stays_on_the_map(page, server):
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    opened_demo(page, server)
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.95 * box["height"])
    assert cell_said(page)[0] > 300
    page.get_by_role("searchbox").fill("dog")
    expect(page.locator(".map .hits")).to_have_text("80 found")
    page.get_by_role("textbox", name="Text", exact=True).fill("my queen fed the king " * 55)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".map .hits")).to_have_text("0 found", timeout=READY)
    expect(page.locator('.map[data-state="sharp"]')).to_have_attribute("data-seen", "0 277 0 277")
    expect(page.locator(".map .said")).to_contain_text("Hover a cell")
    assert not problems


def test_a_result_that_is_not_there_is_said_and_what_is_drawn_stays(page, server):
    leave(page)  # which has its tiles already
    opened(page, server)
    # The tile's address is changed on its way, so that the server's own answer is seen.
    page.route(
        "**/tile/**",
        lambda route: route.continue_(url=re.sub(r"loupe/\w+", "loupe/0", route.request.url)),
    )
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    problem = page.locator(".map .problem")
    page.get_by_label("What a cell of a coarse picture is").select_option("mean")
    expect(problem).to_contain_text(
        "No page that this browser has open has a result of that name. Press Run to make one"
    )
    assert page.locator(".map canvas").first.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_at_any_width(page, server, scheme, width):
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, server)
    box = page.locator(".map").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width + 1
    painted = page.locator(".map canvas").first.evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.filter((_, index) => index % 4 === 0)).size"
    )
    assert painted > 20, "the pattern has many shades"


def test_a_browser_without_webgl_shows_the_same(browser_type, browser_type_launch_args, server):
    without = [*browser_type_launch_args["args"], "--disable-3d-apis"]
    browser = browser_type.launch(**{**browser_type_launch_args, "args": without})
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    page.add_init_script(WATCH)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    opened(page, server)
    assert not page.evaluate("Boolean(document.createElement('canvas').getContext('webgl'))")
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"])
    cell_said(page)
    expect(page.locator(".grid canvas")).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    assert not problems
    browser.close()


def test_a_page_that_is_closed_stops_its_pass(another_browser, server):
    app = next(
        one
        for one in psutil.process_iter(["cmdline"])
        if urlparse(server).netloc.split(":")[1] in (one.info["cmdline"] or [])
    )
    page = another_browser()
    page.goto(f"{server}/?model=smollm2&dtype=float32&text=the")
    settle(page)
    page.get_by_role("textbox", name="Text", exact=True).fill("the cat saw the dog " * 1200)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("Running the model")).to_be_visible(timeout=READY)
    running = busy(app, 2)
    assert running > 0.1, "the pass takes longer than this"
    page.context.close()
    deadline = time.monotonic() + 30  # a layer that has begun is finished
    while busy(app, 2) > running / 3:
        assert time.monotonic() < deadline, "the pass goes on for nobody"


def busy(app: psutil.Process, seconds: float) -> float:
    """How many cores a process uses, over so many seconds."""
    return app.cpu_percent(seconds) / 100
