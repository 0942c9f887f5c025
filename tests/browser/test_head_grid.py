"""The grid of all heads, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

import viz
from tests.browser.pages import settle
from tests.browser.test_explore import SAMPLE, open_page
from viz.figures import OKABE_ITO
from viz.patterns import statistics as computed

MANY = "model=many&local=1&text=the%20cat%20sat%20on%20the%20mat"
GUTTER, HEADER, NAME = 26, 18, 14


@pytest.fixture(scope="module")
def statistics():
    """The real model's statistics, by head."""
    return computed(viz.capture(viz.load_model("demo"), SAMPLE).stacks["self"])


def point_of(page, layer, head, columns=12):
    """Where a head stands on the screen, in the usual order."""
    canvas = page.locator(".grid canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    size = (box["width"] - GUTTER - 2) / columns
    return box["x"] + GUTTER + (head + 0.5) * size, box["y"] + HEADER + (layer + 0.5) * size


def sorted_point(page, at):
    """Where the head stands that comes at a place of the order."""
    canvas = page.locator(".grid canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    room = page.locator(".grid").bounding_box()["width"]
    columns = next(n for n in range(1, 40) if (box["width"] - 4) / n < 70 and n * 48 > room - 80)
    size = (box["width"] - 4) / columns
    line, column = divmod(at, columns)
    return (
        box["x"] + 2 + (column + 0.5) * size,
        box["y"] + 2 + line * (size + NAME) + size / 2,
    )


def expect_outline(page, layer, head, colour):
    """Wait until the left edge of a head's picture has a colour; the page may still be settling."""
    page.wait_for_function(
        """([layer, head, colour, gutter, header]) => {
            const within = (root) => root.querySelector(".grid canvas")
                ?? [...root.querySelectorAll("*")].map((one) => one.shadowRoot && within(one.shadowRoot))
                    .find(Boolean);
            const canvas = within(document);
            if (!canvas) return false;
            const sharp = canvas.width / canvas.getBoundingClientRect().width;
            const size = (canvas.width / sharp - gutter - 2) / 12;
            const at = [gutter + head * size + 1, header + (layer + 0.5) * size];
            const [x, y] = at.map((one) => Math.round(one * sharp));
            const pixel = [...canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)];
            return "#" + pixel.map((one) => one.toString(16).padStart(2, "0")).join("") === colour;
        }""",
        arg=[layer, head, colour, GUTTER, HEADER],
        timeout=5_000,
    )


def test_sorted_heads_stand_in_the_order_of_the_statistic(page, server, statistics):
    open_page(page, f"{server}/?sort=entropy")
    heads = [(layer, head) for layer in range(6) for head in range(12)]
    ranked = sorted(heads, key=lambda place: float(statistics.entropy_nats[place]))
    for at in (0, 1, 9):
        layer, head = ranked[at]
        page.mouse.move(*sorted_point(page, at))
        expect(page.locator(".tip")).to_contain_text(f"layer {layer}, head {head}:")
    page.mouse.click(*sorted_point(page, 1))
    layer, head = ranked[1]
    expect(page.get_by_role("heading", name=f"Layer {layer}, head {head}")).to_be_visible()


def test_the_order_is_chosen_on_the_page_and_lies_in_the_link(
    page, server, statistics, another_browser
):
    open_page(page, f"{server}/?layer=0&head=0")
    page.get_by_role("button", name="Sort and filter").click()
    page.get_by_role("combobox", name="Sort by").click()
    page.get_by_role("option", name="weight on the first token").click()
    page.get_by_text("Largest first").click()
    expect(page).to_have_url(re.compile("sort=first&descending=1"))
    expect(page.get_by_text("largest first; named layer.head")).to_be_visible()
    other = another_browser()
    open_page(other, page.url)
    layer, head = divmod(int(statistics.first.argmax()), 12)
    other.mouse.move(*sorted_point(other, 0))
    expect(other.locator(".tip")).to_contain_text(f"layer {layer}, head {head}:")


def test_a_filter_leaves_only_what_is_within_and_can_be_cleared(page, server):
    open_page(page, f"{server}/?layer=3&head=1&keep=layer:2..4")
    expect(page.get_by_text("36 of 72 heads: layers 2 to 4.")).to_be_visible()
    page.mouse.move(*point_of(page, 0, 5))  # the first line is now layer 2
    expect(page.locator(".tip")).to_contain_text("layer 2, head 5:")
    page.get_by_role("button", name="Show all heads").click()
    expect(page.get_by_text("of 72 heads")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("keep="))


def test_a_popover_that_was_open_keeps_nothing_that_was_changed_elsewhere(page, server):
    open_page(page, f"{server}/?layer=3&head=1&keep=layer:2..4&scale=log")
    for popover in ("Sort and filter", "Display"):
        page.get_by_role("button", name=popover).click()
        expect(page.get_by_test_id("stPopoverBody")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)
    open_page(page, f"{server}/?layer=3&head=1")
    page.mouse.click(*point_of(page, 4, 10))
    expect(page).to_have_url(re.compile("layer=4&head=10"))
    settle(page)
    assert "keep" not in page.url
    assert "scale" not in page.url


def test_when_no_head_fits_the_page_says_so_and_clears(page, server):
    open_page(page, f"{server}/?keep=entropy:90..")
    expect(page.get_by_text("None of the 72 heads fits: entropy at least 90.")).to_be_visible()
    page.get_by_role("button", name="Show all heads").click()
    expect(page.locator(".grid canvas")).to_be_visible()


def test_a_click_with_a_modifier_adds_a_head_and_takes_it_away(page, server):
    open_page(page, f"{server}/?layer=3&head=1")
    click_with(page, "Shift", 4, 10)
    click_with(page, "Control", 0, 2)
    expect(page).to_have_url(re.compile(r"layer=3&head=1&also=4.10%2C0.2"))
    expect(page.get_by_role("heading", name="Layer 3, head 1")).to_be_visible()
    page.mouse.move(0, 0)
    for place, colour in zip([(3, 1), (4, 10), (0, 2)], OKABE_ITO, strict=False):
        expect_outline(page, *place, colour)
    click_with(page, "Meta", 3, 1)  # the next becomes the first
    expect(page.get_by_role("heading", name="Layer 4, head 10")).to_be_visible()
    expect(page).to_have_url(re.compile(r"layer=4&head=10&also=0.2"))


def click_with(page, modifier, layer, head):
    page.keyboard.down(modifier)
    page.mouse.click(*point_of(page, layer, head))
    page.keyboard.up(modifier)


def test_a_link_with_several_heads_comes_back(page, server):
    open_page(page, f"{server}/?layer=3&head=1&also=4.10,0.2")
    page.mouse.move(0, 0)
    for place, colour in zip([(3, 1), (4, 10), (0, 2)], OKABE_ITO, strict=False):
        expect_outline(page, *place, colour)


def test_an_eighth_head_is_not_added_and_the_reason_said(page, server):
    open_page(page, f"{server}/?layer=0&head=0&also=0.1,0.2,0.3,0.4,0.5,0.6")
    page.keyboard.down("Shift")
    page.mouse.click(*point_of(page, 2, 2))
    page.keyboard.up("Shift")
    expect(page.get_by_text("7 heads are selected")).to_be_visible()
    expect(page).to_have_url(re.compile(r"also=[^&]*0.6$"))


def test_keys_walk_add_and_choose(page, server):
    open_page(page, f"{server}/?layer=3&head=1")
    grid = page.get_by_role("listbox", name="All heads")
    grid.focus()
    page.keyboard.press("End")
    expect(page.get_by_role("heading", name="Layer 3, head 11")).to_be_visible()
    page.keyboard.press("Control+Home")
    expect(page.get_by_role("heading", name="Layer 0, head 0")).to_be_visible()
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    option = grid.get_by_role("option")
    expect(option).to_contain_text("layer 1, head 1:")
    expect(option).to_have_attribute("aria-selected", "false")
    page.keyboard.press(" ")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile(r"layer=0&head=0&also=1.1$"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Layer 1, head 1")).to_be_visible()
    expect(page).to_have_url(re.compile(r"layer=1&head=1$"))


def test_walking_fast_ends_where_the_last_key_led(page, server):
    open_page(page, f"{server}/?layer=0&head=0")
    page.locator(".grid").focus()
    for _ in range(9):
        # Each step is sent, and answers come while others are under way.
        page.keyboard.press("ArrowRight", delay=70)
    expect(page.get_by_role("heading", name="Layer 0, head 9")).to_be_visible()
    expect(page.get_by_role("listbox", name="All heads").get_by_role("option")).to_contain_text(
        "head 9:"
    )


def test_a_tap_selects(another_browser, server):
    page = another_browser(has_touch=True, viewport={"width": 390, "height": 844})
    open_page(page, f"{server}/?layer=3&head=1")
    page.touchscreen.tap(*point_of(page, 2, 8))
    expect(page.get_by_role("heading", name="Layer 2, head 8")).to_be_visible()


def test_a_thousand_heads_are_all_in_sight_and_larger_where_wanted(page, server):
    page.set_viewport_size({"width": 1280, "height": 900})
    open_page(page, f"{server}/?{MANY}")
    room = page.locator(".grid .scroll")
    assert room.evaluate("it => it.scrollHeight <= it.clientHeight + 1") is True
    page.mouse.click(*point_of(page, 31, 31, columns=32))
    expect(page.get_by_role("heading", name="Layer 31, head 31")).to_be_visible()
    for _ in range(3):
        page.get_by_role("button", name="Larger pictures").click()
    # What is larger than its room scrolls, and the canvas is never larger than what is seen.
    assert room.evaluate("it => it.scrollHeight > 1.5 * it.clientHeight") is True
    seen = room.evaluate("it => [it.clientWidth, it.clientHeight]")
    box = page.locator(".grid canvas").bounding_box()
    assert (box["width"], box["height"]) == tuple(seen)
    page.locator(".grid").focus()
    page.keyboard.press("Control+Home")
    expect(page.get_by_role("heading", name="Layer 0, head 0")).to_be_visible()
    assert room.evaluate("it => [it.scrollLeft, it.scrollTop]") == [0, 0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_thousand_heads_are_not_wider_than_a_small_screen(page, server, scheme):
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    open_page(page, f"{server}/?{MANY}&sort=distance")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".grid canvas").bounding_box()["width"] <= 360
