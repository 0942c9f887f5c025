"""Two patterns beside each other and how they differ, in a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from components.canvas.compare_view import AGREED, HUES
from tests.browser.conftest import ROOT, free_port, wait_until_healthy
from tests.browser.pages import READY, frames, settle, visit
from viz.figures import NOT_ATTENDED, diverging_rgb, hex_rgb, palette_rgb

FIRST, SECOND, THIRD = range(3)
APP = Path(__file__).parent / "apps" / "compare.py"


@pytest.fixture(scope="module")
def compare_app(tmp_path_factory):
    """Serve a page with the comparison alone."""
    port = free_port()
    log = tmp_path_factory.mktemp("compare") / "log"
    command = [sys.executable, "-m", "streamlit", "run", str(APP)]
    command += ["--server.port", str(port), "--server.headless", "true"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment)
        try:
            wait_until_healthy(f"http://localhost:{port}", process)
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
def opened(page, compare_app):
    """Open the page, of the small sides or of the large ones."""

    def open_case(case: str = "", page: Page = page) -> Page:
        visit(page, f"{compare_app}/?case={case}")
        expect(page.locator(".compare[data-box]")).to_be_visible(timeout=READY)
        # The page may still show the sides of the test before.
        drawn = page.locator('.compare[data-seen="0 5 0 5"]')
        expect(drawn).to_have_count(0 if case == "large" else 1)
        settle(page)
        return page

    return open_case


def choose_mode(page: Page, mode: str) -> None:
    page.get_by_role("radiogroup").get_by_text(mode, exact=True).click()
    expect(
        page.locator(f'.compare[data-shown="{"first" if mode == "flicker" else mode}"]')
    ).to_be_visible()
    settle(page)


def place_of(
    page: Page, panel: int, row: float, column: float, count: int = 5
) -> tuple[float, float]:
    """Where the middle of a cell lies on the page, as long as nothing is zoomed."""
    left, top, width, height = map(
        float, page.locator(".compare").get_attribute("data-box").split()
    )
    over = page.locator(".compare .over").nth(panel)
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    return (
        box["x"] + left + (column + 0.5) * width / count,
        box["y"] + top + (row + 0.5) * height / count,
    )


def colour_at(page: Page, panel: int, row: float, column: float, count: int = 5) -> tuple[int, ...]:
    """The colour of the picture, not of the marks above it, in the middle of a cell."""
    x, y = place_of(page, panel, row, column, count)
    pixel = (
        page.locator(".compare .plot canvas:first-child")
        .nth(panel)
        .evaluate(
            """(canvas, [x, y]) => {
            const box = canvas.getBoundingClientRect();
            const sharp = canvas.width / box.width;
            return [...canvas.getContext("2d").getImageData((x - box.x) * sharp, (y - box.y) * sharp, 1, 1).data];
        }""",
            [x, y],
        )
    )
    assert pixel[3] == 255
    return tuple(pixel[:3])


def colours_in(page: Page, panel: int, row: float, column: float) -> set[tuple[int, ...]]:
    """All colours of the picture in the inner part of a cell."""
    start = place_of(page, panel, row - 0.3, column - 0.3)
    stop = place_of(page, panel, row + 0.3, column + 0.3)
    pixels = (
        page.locator(".compare .plot canvas:first-child")
        .nth(panel)
        .evaluate(
            """(canvas, [left, top, width, height]) => {
            const box = canvas.getBoundingClientRect();
            const sharp = canvas.width / box.width;
            const part = [left - box.x, top - box.y, width, height].map((one) => Math.round(one * sharp));
            return [...canvas.getContext("2d").getImageData(...part).data];
        }""",
            [*start, stop[0] - start[0], stop[1] - start[1]],
        )
    )
    return {tuple(pixels[at : at + 3]) for at in range(0, len(pixels), 4)}


def marked(page: Page, panel: int, x: float, y: float) -> bool:
    """Whether something is marked over the picture at a place of the page's own panel."""
    return (
        page.locator(".compare .over")
        .nth(panel)
        .evaluate(
            """(canvas, [x, y]) => {
            const box = canvas.getBoundingClientRect();
            const sharp = canvas.width / box.width;
            return canvas.getContext("2d").getImageData((x - box.x) * sharp, (y - box.y) * sharp, 1, 1).data[3] > 0;
        }""",
            [x, y],
        )
    )


def seen(page: Page) -> list[int]:
    """First row, the one after the last, and the same of columns."""
    return [int(part) for part in page.locator(".compare").get_attribute("data-seen").split()]


def said(page: Page):
    return page.locator(".compare .said")


def test_a_cell_says_its_numbers_of_both_sides_and_their_difference(opened):
    page = opened()
    page.mouse.move(*place_of(page, SECOND, 2, 0))
    expect(said(page)).to_have_text(
        "“street → road” (2) → “[CLS]” (0): 0.09 first, 0.34 second, +0.25"
    )
    page.mouse.move(*place_of(page, FIRST, 3, 0))
    expect(said(page)).to_have_text("“tired” (3) → “[CLS]” (0): 0.36 first, 0.1 second, −0.26")
    page.mouse.move(*place_of(page, THIRD, 1, 1))
    expect(said(page)).to_have_text(
        "“<b>it</b>” (1) → “<b>it</b>” (1): 0.75 first, 1 second, +0.25"
    )


def test_what_cannot_be_compared_says_why(opened):
    page = opened()
    page.mouse.move(*place_of(page, THIRD, 4, 1))
    expect(said(page)).to_have_text(
        "“wide” (4) → “<b>it</b>” (1): no “wide” (4) in the first, 0.2 second"
    )
    page.mouse.move(*place_of(page, THIRD, 3, 3))
    expect(said(page)).to_have_text("“tired” (3) → “tired” (3): no number in the first, 0.4 second")
    page.mouse.move(*place_of(page, THIRD, 0, 2))
    expect(said(page)).to_contain_text(": not attended in the first, not attended in the second")
    expect(page.get_by_text("no partner in the other text")).to_be_visible()
    expect(page.locator(".legend").get_by_text("not attended")).to_be_visible()


def test_the_cursor_stands_at_the_same_cell_of_all_panels(opened):
    page = opened()
    edge = 0.5 - 0.02
    for panel in (FIRST, SECOND, THIRD):
        page.mouse.move(*place_of(page, panel, 2, 1))
        expect(page.locator('.compare[data-cursor="2 1"]')).to_be_visible()
        for other in (FIRST, SECOND, THIRD):
            assert marked(page, other, *place_of(page, other, 2 - edge, 3))
            assert marked(page, other, *place_of(page, other, 0, 1 - edge))
            assert not marked(page, other, *place_of(page, other, 2, 1))
    page.mouse.move(5, 5)
    expect(page.locator('.compare[data-cursor=""]')).to_be_visible()
    assert not marked(page, FIRST, *place_of(page, FIRST, 2 - edge, 3))


@pytest.mark.parametrize("dark", [False, True])
def test_both_sides_share_a_palette_and_the_difference_is_symmetric_about_zero(opened, page, dark):
    page.emulate_media(color_scheme="dark" if dark else "light")
    page = opened()
    weights = palette_rgb("cividis", dark)
    assert colour_at(page, FIRST, 1, 1) == weights[round(255 * 0.75)]
    assert colour_at(page, SECOND, 1, 1) == weights[255]
    assert colour_at(page, FIRST, 0, 1) == hex_rgb(NOT_ATTENDED[dark])
    differences = diverging_rgb(dark)
    # The largest difference is that of row 3, where the first has 0.26 more.
    assert colour_at(page, THIRD, 3, 0) == differences[0]
    assert colour_at(page, THIRD, 2, 0) == differences[round(127.5 + 127.5 * 0.25 / 0.26)]
    assert colour_at(page, THIRD, 2, 2) == differences[round(127.5 - 127.5 * 0.25 / 0.26)]
    assert colour_at(page, THIRD, 2, 1) == differences[128]


def test_what_has_no_partner_is_neither_a_weight_nor_merely_not_attended(opened):
    page = opened()
    never = hex_rgb(NOT_ATTENDED[False])
    hatched = [(THIRD, 4, 0), (FIRST, 4, 0), (FIRST, 3, 3), (THIRD, 3, 3), (FIRST, 0, 4)]
    for panel, row, column in hatched:
        around = colours_in(page, panel, row, column)
        assert len(around) > 1, "lines"
        assert never not in around
        assert palette_rgb("cividis", False)[0] not in around
    assert colour_at(page, SECOND, 4, 0) == palette_rgb("cividis", False)[round(255 * 0.2)]


@pytest.mark.parametrize("dark", [False, True])
def test_in_the_overlay_what_both_have_is_grey(opened, page, dark):
    page.emulate_media(color_scheme="dark" if dark else "light")
    page = opened()
    choose_mode(page, "overlay")
    assert colour_at(page, THIRD, 0, 0) == AGREED[dark]
    paper = np.array(palette_rgb("cividis", dark)[0])
    first, second = (np.array(hex_rgb(hue)) for hue in HUES[dark])
    only_first = np.round(0.75 * paper + 0.25 * first)
    assert np.abs(only_first - colour_at(page, THIRD, 1, 0)).max() <= 1
    mixed = 0.75 * np.array(AGREED[dark]) + 0.25 * second
    assert np.abs(mixed - colour_at(page, THIRD, 1, 1)).max() <= 1


def test_a_click_chooses_a_row_and_another_lets_it_go(opened):
    page = opened()
    page.mouse.click(*place_of(page, THIRD, 2, 1))
    expect(page.get_by_text("chosen: 2")).to_be_visible()
    for panel in (FIRST, SECOND, THIRD):
        assert marked(page, panel, *place_of(page, panel, 2 - 0.48, 3))
    page.mouse.move(5, 5)
    expect(said(page)).to_contain_text("The row of “street → road” (2) is chosen")
    page.mouse.click(*place_of(page, FIRST, 2, 0))
    expect(page.get_by_text("chosen: None")).to_be_visible()
    page.mouse.click(*place_of(page, FIRST, 3, 0))
    expect(page.get_by_text("chosen: 3")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("chosen: None")).to_be_visible()
    expect(page.locator('.compare[data-row=""]')).to_be_visible()


def test_the_wheel_over_one_panel_zooms_all_and_a_double_click_shows_the_whole(opened):
    page = opened("large")
    assert seen(page) == [0, 60, 0, 60]
    x, y = place_of(page, SECOND, 29.5, 29.5, 60)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -600)
    expect(page.locator(".compare")).not_to_have_attribute("data-seen", "0 60 0 60")
    rows = seen(page)[:2]
    assert rows[1] - rows[0] < 40
    assert abs(sum(rows) / 2 - 30) <= 1.5
    # The diagonal of the first, the one below of the second: each panel shows the same span.
    transforms = page.locator(".compare .over").evaluate_all(
        "(all) => all.map((one) => `${one.__zoom}`)"
    )
    assert len(set(transforms)) == 1
    page.mouse.down()
    page.mouse.move(x - 60, y - 60, steps=4)
    page.mouse.up()
    settle(page)
    assert seen(page)[0] > rows[0]
    expect(page.get_by_text("chosen: None")).to_be_visible()
    page.mouse.dblclick(x, y)
    expect(page.locator('.compare[data-seen="0 60 0 60"]')).to_be_visible()
    settle(page)
    expect(page.get_by_text("chosen: None")).to_be_visible()


def test_cells_grow_to_forty_pixels_and_no_further(opened):
    page = opened("large")
    page.locator(".compare .panels").focus()
    for _ in range(8):
        page.keyboard.press("+")
        frames(page)
    settle(page)
    k = page.locator(".compare .over").first.evaluate("(one) => one.__zoom.k")
    _, _, width, _ = map(float, page.locator(".compare").get_attribute("data-box").split())
    assert k * width / 60 == pytest.approx(40)
    page.keyboard.press("0")
    expect(page.locator('.compare[data-seen="0 60 0 60"]')).to_be_visible()


def test_another_mode_redraws_and_keeps_what_is_seen(opened):
    page = opened("large")
    page.locator(".compare .panels").focus()
    page.keyboard.press("+")
    expect(page.locator(".compare")).not_to_have_attribute("data-seen", "0 60 0 60")
    settle(page)
    before = seen(page)
    page.locator(".compare").evaluate("(root) => { root.known = true; }")
    choose_mode(page, "overlay")
    assert seen(page) == before
    assert page.locator(".compare").evaluate("(root) => root.known") is True


def test_arrow_keys_walk_and_enter_chooses(opened):
    page = opened()
    page.keyboard.press("Tab")
    page.locator(".compare .panels").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator('.compare[data-cursor="1 1"]')).to_be_visible()
    expect(said(page)).to_contain_text("0.75 first, 1 second, +0.25")
    page.keyboard.press("Enter")
    expect(page.get_by_text("chosen: 1")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("chosen: None")).to_be_visible()


def test_a_row_that_the_page_chooses_comes_into_sight(opened):
    page = opened("large")
    page.locator(".compare .panels").focus()
    page.keyboard.press("ArrowRight")
    for _ in range(3):
        page.keyboard.press("+")
    settle(page)
    assert seen(page)[1] <= 50
    page.get_by_role("button", name="Choose row 50").click()
    expect(page.locator('.compare[data-row="50"]')).to_be_visible()
    settle(page)
    start, stop, *_ = seen(page)
    assert start <= 50 < stop


def test_flicker_shows_one_side_after_the_other_until_it_is_paused(opened, context):
    page = opened(page=context.new_page())
    page.clock.install()
    choose_mode(page, "flicker")
    for side in ("second", "first", "second"):
        expect(page.locator(f'.compare[data-shown="{side}"]')).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    side = page.locator(".compare").get_attribute("data-shown")
    other = {"first": "second", "second": "first"}[side]
    page.clock.fast_forward(1_200)
    expect(page.locator(".compare")).to_have_attribute("data-shown", side)
    page.get_by_role("button", name="Flip").click()
    expect(page.locator(".compare")).to_have_attribute("data-shown", other)
    expect(page.locator("figcaption b").nth(THIRD)).to_have_text(f"Flicker: {other}")


def test_nothing_moves_by_itself_where_little_motion_is_asked_for(opened, context):
    page = context.new_page()
    page.emulate_media(reduced_motion="reduce")
    opened(page=page)
    page.clock.install()
    choose_mode(page, "flicker")
    weights = palette_rgb("cividis", False)
    page.clock.fast_forward(1_300)
    expect(page.locator(".compare")).to_have_attribute("data-shown", "first")
    assert colour_at(page, THIRD, 1, 1) == weights[round(255 * 0.75)]
    page.locator(".compare .panels").focus()
    page.keyboard.press(" ")
    expect(page.locator(".compare")).to_have_attribute("data-shown", "second")
    assert colour_at(page, THIRD, 1, 1) == weights[255]
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_on_a_narrow_screen_panels_stand_below_each_other(opened, page):
    page.set_viewport_size({"width": 390, "height": 844})
    page = opened()
    boxes = [page.locator(".compare figure").nth(panel).bounding_box() for panel in range(3)]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]
    assert boxes[1]["y"] + boxes[1]["height"] <= boxes[2]["y"]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    page.mouse.move(*place_of(page, SECOND, 2, 0))
    expect(said(page)).to_be_in_viewport()
    expect(said(page)).to_have_text(re.compile(r"0\.09 first, 0\.34 second"))
