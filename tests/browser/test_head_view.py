"""Lines between tokens, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

import viz
from tests.browser.pages import frames, settle
from tests.browser.test_explore import READY, SAMPLE, open_page
from viz.figures import OKABE_ITO

QUERY, KEY = ".view .looking", ".view .looked"

# Each line is counted as it is drawn, with its colour.
COUNTED = """
() => {
    if (window.strokes) return;
    window.strokes = [];
    const stroke = CanvasRenderingContext2D.prototype.stroke;
    CanvasRenderingContext2D.prototype.stroke = function () {
        if (this.canvas.closest(".view")) window.strokes.push(this.strokeStyle);
        return stroke.call(this);
    };
}
"""


@pytest.fixture(scope="module")
def stack():
    return viz.capture(viz.load_model("demo"), SAMPLE).stacks["self"]


def open_lines(page, url):
    open_page(page, url)
    page.evaluate(COUNTED)
    show_lines(page)
    page.locator(".view").scroll_into_view_if_needed()
    frames(page)


def show_lines(page):
    lines = page.locator("details", has=page.locator("summary").get_by_text("Lines", exact=True))
    if lines.get_attribute("open") is None:
        lines.locator("summary").click()
    expect(page.locator(f"{QUERY} .row").first).to_be_visible(timeout=READY)
    settle(page)


def strokes(page, act):
    """The colours of the lines that an act draws."""
    page.evaluate("window.strokes = []")
    act()
    page.wait_for_function("window.strokes.length > 0")
    settle(page)
    return page.evaluate("window.strokes")


def row(page, side, index):
    return page.locator(f'{side} .row[data-index="{index}"]')


def numbers(page):
    """The weights that are listed, by head and by token."""
    return page.locator(".view .details").evaluate(
        """(details) => Object.fromEntries([...details.querySelectorAll("section")].map((section) => [
            section.querySelector("button").textContent,
            [...section.querySelectorAll("li")].map((item) => [
                Number(item.querySelector("bdi").textContent.match(/\\((\\d+)\\)$/)[1]),
                item.querySelector("b").textContent,
            ]),
        ]))"""
    )


def said(weight):
    """Three significant digits, as a number."""
    return float(f"{weight:.3g}")


def require_exact(listed, weights):
    """Ask that each listed number is the weight of its place, and that the largest is first."""
    for place, number in listed:
        assert float(number) == said(float(weights[place]))
    assert [place for place, _ in listed][:1] == [int(weights.argmax())]


def test_hovering_a_query_shows_only_its_lines_with_exact_weights(page, server, stack):
    open_lines(page, f"{server}/?layer=2&head=8&also=3.1")
    drawn = strokes(page, lambda: row(page, QUERY, 10).hover())
    assert sorted(drawn[-10:]) == sorted(OKABE_ITO[:2] * 5)
    listed = numbers(page)
    assert list(listed) == ["layer 2, head 8", "layer 3, head 1"]
    for name, at in zip(listed, [(2, 8), (3, 1)], strict=True):
        assert len(listed[name]) == 5
        require_exact(listed[name], stack.weights(*at)[10])
    expect(page.locator(".view .title")).to_have_text("it (10) attends to")
    beside = row(page, KEY, 2).locator("b", has_text=re.compile(r"^0\.677$"))
    expect(beside).to_be_visible()


def test_hovering_a_key_shows_what_looks_at_it(page, server, stack):
    open_lines(page, f"{server}/?layer=3&head=1&top_k=16")
    row(page, KEY, 2).hover()
    expect(page.locator(".view .title")).to_have_text("animal (2) is attended to by")
    (listed,) = numbers(page).values()
    assert len(listed) == 16
    require_exact(listed, stack.weights(3, 1)[:, 2])


def test_without_a_token_every_row_in_sight_has_its_lines(page, server):
    open_lines(page, f"{server}/?layer=2&head=8&top_k=3")
    drawn = strokes(page, lambda: page.set_viewport_size({"width": 1200, "height": 900}))
    assert len(drawn) % (16 * 3) == 0
    assert len(drawn) > 0
    assert set(drawn) == {OKABE_ITO[0]}


def test_a_click_pins_in_the_link_and_escape_lets_go(page, server):
    open_lines(page, f"{server}/?layer=2&head=8")
    row(page, QUERY, 4).click()
    expect(page).to_have_url(re.compile("token=4"))
    expect(page.locator(".token.pinned")).to_have_count(1)
    row(page, KEY, 6).click()
    expect(page).to_have_url(re.compile("token=6"))
    expect(page).to_have_url(re.compile("direction=looked"))
    expect(row(page, KEY, 6)).to_have_attribute("aria-selected", "true")
    page.locator(KEY).press("Escape")
    expect(page).not_to_have_url(re.compile("token="))
    expect(page.locator(".view .row.pinned")).to_have_count(0)


def test_the_keyboard_alone_walks_follows_and_pins(page, server, stack):
    open_lines(page, f"{server}/?layer=3&head=1")
    page.locator(QUERY).focus()
    page.keyboard.press("End")
    expect(page.locator(".view .title")).to_have_text("[SEP] (15) attends to")
    page.keyboard.press("Home")
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    expect(page.locator(".view .title")).to_have_text("it (10) attends to")
    expect(page.locator(QUERY)).to_have_attribute("aria-activedescendant", "query-10")
    weight = said(float(stack.weights(3, 1)[10, 2]))
    expect(page.locator(".view .said")).to_contain_text(f"animal (2) {weight}")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".view .title")).to_have_text("animal (2) is attended to by")
    expect(page.locator(KEY)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("token=2.*direction=looked|direction=looked.*token=2"))


def test_a_head_of_the_legend_stands_alone(page, server):
    open_lines(page, f"{server}/?layer=2&head=8&also=3.1,0.0&token=10")
    button = page.locator(".view .details").get_by_role("button", name="layer 3, head 1")
    drawn = strokes(page, button.click)
    assert set(drawn) == {OKABE_ITO[1]}
    expect(button).to_have_attribute("aria-pressed", "true")
    assert set(strokes(page, button.click)) == set(OKABE_ITO[:3])


def test_heads_are_added_on_the_page(page, server):
    open_lines(page, f"{server}/?layer=2&head=8")
    page.get_by_role("combobox", name="Heads").click()
    page.keyboard.type("layer 5, head 11")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"also=5\.11"))
    legend = page.locator(".view .details button")
    expect(legend).to_have_text(["layer 2, head 8", "layer 5, head 11"])


def test_a_target_and_its_source_scroll_on_their_own(page, server):
    texts = "text=" + "the%20cat%20sat%20" * 15 + "&pair=the%20dog"
    open_lines(page, f"{server}/?model=translator&local=1&{texts}&stack=cross&layer=0&head=0")
    page.locator(KEY).evaluate("(column) => { column.scrollTop = 300; }")
    expect(row(page, KEY, 20)).to_be_visible()
    assert page.locator(QUERY).evaluate("(column) => column.scrollTop") == 0
    row(page, KEY, 20).click()
    expect(page.locator(".view .row.pinned")).to_have_count(1)
    row(page, QUERY, 2).click()
    expect(page).to_have_url(re.compile("token=2"))


def test_of_a_long_text_only_the_rows_in_sight_exist(page, server):
    open_page(page, f"{server}/?model=long&local=1&text=the%20cat&layer=0&head=0&also=0.1")
    words = "the cat sat on the mat because it was tired, and the dog did not. " * 150
    page.get_by_role("textbox", name="Text", exact=True).fill(words)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("a coarse cell").first).to_be_visible(timeout=READY)
    show_lines(page)
    expect(row(page, QUERY, 0)).to_be_visible(timeout=READY)
    page.locator(".view").scroll_into_view_if_needed()
    page.locator(QUERY).focus()
    page.keyboard.press("End")
    last = page.locator(f"{QUERY} .row:visible").last
    expect(page.locator(".view .title")).to_contain_text("[SEP]")
    count = int(last.get_attribute("aria-setsize"))
    assert count > 2000
    expect(row(page, KEY, count - 1)).to_be_visible()
    assert page.locator(".view .row").count() < 60


def test_a_pinned_token_of_a_long_text_is_in_sight(page, server):
    text = "the%20cat%20sat%20on%20the%20mat%20" * 30
    open_lines(page, f"{server}/?layer=0&head=0&token=150&text={text}")
    expect(page.locator(".view .row.pinned")).to_be_in_viewport()
    expect(row(page, KEY, 150)).to_be_in_viewport()
    top = page.locator(QUERY).evaluate("(column) => column.scrollTop")
    page.locator(".view canvas").hover()
    page.mouse.wheel(0, -660)
    expect(row(page, QUERY, 150)).not_to_be_in_viewport()
    # Its lines now begin at the edge, which says how many they are.
    assert page.locator(QUERY).evaluate("(column) => column.scrollTop") == top - 660


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_fit_a_small_screen(page, server, scheme):
    page.set_viewport_size({"width": 390, "height": 900})
    page.emulate_media(color_scheme=scheme)
    open_lines(page, f"{server}/?layer=3&head=1&also=2.8&token=10")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".view").bounding_box()["width"] <= 390
    expect(row(page, KEY, 2).locator("bdi")).to_have_text("animal")


def test_markup_and_any_script_stay_text(page, server):
    open_page(page, server)
    box = page.get_by_role("textbox", name="Text", exact=True)
    box.fill("<img src=x onerror=alert(1)> **החתול** 猫")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".token", has_text="猫")).to_be_visible(timeout=READY)
    show_lines(page)
    expect(row(page, QUERY, 2)).to_be_visible(timeout=READY)
    page.locator(QUERY).press("End")
    expect(page.locator(f"{QUERY} .row bdi", has_text="猫")).to_be_visible()
    assert page.locator(".view img").count() == 0
