"""What the prediction rests on, in a real browser."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.browser.pages import READY, settle
from tests.browser.test_explore import open_page

TEXT = "the cat saw a dog and the cat saw a"


def opened(page, server, **more):
    asked = {"model": "loupe", "text": TEXT, "layer": 0, "head": 0, **more}
    open_page(page, f"{server}/?{urlencode(asked)}")
    view = page.locator(
        "details", has=page.locator("summary").get_by_text("What the prediction rests on")
    )
    if view.get_attribute("open") is None:
        view.locator("summary").first.click()
    expect(view.get_by_role("button", name="Silence this head everywhere")).to_be_visible(
        timeout=READY
    )
    settle(page)
    return view


def test_a_click_on_a_head_selects_it_and_another_target_lies_in_the_link(page, server):
    view = opened(page, server)
    plot = view.locator(".stPlotlyChart .nsewdrag")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    # Three layers of six heads: the middle of layer 1, head 4.
    page.mouse.click(box["x"] + box["width"] * 4.5 / 6, box["y"] + box["height"] / 2)
    expect(page).to_have_url(re.compile("layer=1&head=4"))
    expect(page.get_by_role("heading", name="Layer 1, head 4")).to_be_visible()
    expect(view.get_by_text("What layer 1, head 4 reads there")).to_be_visible()
    settle(page)
    choice = view.get_by_role("combobox", name="Explain")
    choice.click()
    page.get_by_test_id("stSelectboxVirtualDropdown").get_by_role("option").nth(2).click()
    expect(page).to_have_url(re.compile(r"predict=\d+"))
    expect(page).not_to_have_url(re.compile(r"token=\d+"))
    chosen = re.search(r"predict=(\d+)", page.url)[1]
    settle(page)
    # A row of the list of predictions does the same; the canvas of its table takes the click.
    table = page.locator(".st-key-predictions canvas").first
    table.scroll_into_view_if_needed()
    rows = table.bounding_box()
    page.mouse.click(rows["x"] + 12, rows["y"] + 35 * 4.5)
    expect(page).not_to_have_url(re.compile(rf"predict={chosen}(?!\d)"))
    expect(page).to_have_url(re.compile(r"predict=\d+"))
    settle(page)
    said = view.get_by_text("logits").first.inner_text()
    view.get_by_role("radio", name="Logit share").click()
    expect(page).to_have_url(re.compile("effect=share"))
    again = page.context.new_page()
    other = opened(
        again,
        server,
        **dict(pair.split("=") for pair in page.url.split("?")[1].split("&") if "text" not in pair),
    )
    assert other.get_by_text("logits").first.inner_text() == said
    again.close()


def test_what_weights_do_is_a_map_of_both_signs(page, server):
    view = opened(page, server, weighed="weight_gradient")
    part = view.locator("summary", has_text="The pattern by what its weights do")
    part.click()
    shown = view.locator(".map")
    expect(shown).to_have_attribute("data-state", "sharp", timeout=READY)
    expect(shown).to_have_attribute("data-signed", "true")
    canvas = shown.locator("canvas.over")
    canvas.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(shown.locator(".said")).to_contain_text(
        re.compile(r"attends to .*: [+-]?[\d.e-]+ logits")
    )
    shown.get_by_role("button", name="Heaviest").click()
    expect(shown.locator(".said")).to_contain_text("logits")
    shown.get_by_text("Heaviest weights as a table").click()
    numbers = shown.locator("tbody tr td:nth-child(3)").all_inner_texts()
    assert any(float(one) < 0 for one in numbers)
    assert any(float(one) > 0 for one in numbers)


def test_cancel_stops_what_is_being_found(page, server):
    asked = {"model": "many", "local": 1, "text": TEXT * 12}
    view = opened(page, server, **asked)
    view.locator("summary", has_text="Tokens").last.click()
    view.get_by_role("radio", name="Integrated gradients").click()
    ask = view.get_by_role("button", name=re.compile("Find integrated gradients"))
    ask.click(timeout=READY)
    view.get_by_role("button", name="Cancel").click(timeout=READY)
    # What was asked for is offered again, long before 33 passes and their gradients are done.
    expect(ask).to_be_visible(timeout=10_000)
    expect(view.get_by_role("button", name="Cancel")).not_to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_small_screen(page, server, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, server)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_typed_token_that_is_none_is_said_and_what_was_there_stays(page, server):
    view = opened(page, server)
    choice = view.get_by_role("combobox", name="Explain")
    choice.click()
    choice.fill("supercalifragilistic")
    page.keyboard.press("Enter")
    expect(view.get_by_role("alert")).to_contain_text("is cut into")
    expect(view.get_by_role("button", name="Silence this head everywhere")).to_be_visible()
