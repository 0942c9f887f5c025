"""What a person does on the page, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

import viz
from tests.browser.pages import go_back, settle, visit

SAMPLE = "The animal didn't cross the street because it was too tired."
READY = 60_000


def open_page(page, url):
    visit(page, url)
    expect(page.get_by_role("heading", name="About this head")).to_be_visible(timeout=READY)
    expect(page.locator(".token").first).to_be_visible(timeout=READY)
    settle(page)


def titles(page) -> list[float]:
    """Return the weight that every token says when it is pointed at, all at one moment."""
    tokens = page.locator(".token")
    expect(tokens.first).to_have_attribute("title", re.compile(r"\d"))
    return [float(title) for title in tokens.evaluate_all("all => all.map((one) => one.title)")]


def as_said(weights) -> list[float]:
    """Weights as the text says them: float32, to three significant digits."""
    return [float(f"{weight:.3g}") for weight in weights.tolist()]


@pytest.fixture(scope="module")
def weights():
    """The real model's weights of the head that the tests look at."""
    trace = viz.capture(viz.load_model("demo"), SAMPLE)
    return trace.units, trace.stacks["self"].weights(2, 8)


def test_the_app_opens_with_a_sample_already_analysed(page, server):
    open_page(page, server)
    expect(page.get_by_role("heading", name="Layer 3, head 1")).to_be_visible()
    expect(page.locator(".token")).to_have_count(16)
    expect(page.locator(".readout")).to_contain_text("it (10) attends to animal 0.677")


def test_escape_lets_the_pinned_token_go_from_anywhere(page, server):
    open_page(page, server)
    expect(page.locator(".token.pinned")).to_have_text("it")
    page.keyboard.press("Escape")
    expect(page.locator(".token.pinned")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("token="))


def test_hovering_a_token_shades_the_text_by_its_exact_weights(page, server, weights):
    units, pattern = weights
    open_page(page, f"{server}/?layer=2&head=8")
    page.locator(".token", has_text="it").last.hover()
    query = units.labels.index("it")
    expect(page.locator(".readout")).to_contain_text("attends to")
    assert titles(page) == pytest.approx(as_said(pattern[query]), rel=1e-6)


def test_looked_at_by_shades_by_the_column(page, server, weights):
    _units, pattern = weights
    open_page(page, f"{server}/?layer=2&head=8")
    page.get_by_role("button", name="attended by").click()
    expect(page).to_have_url(re.compile("direction=looked"))
    page.locator(".token").nth(4).hover()
    expect(page.locator(".readout")).to_contain_text("is attended to by")
    assert titles(page) == pytest.approx(as_said(pattern[:, 4]), rel=1e-6)
    expect(page).to_have_url(re.compile("direction=looked"))


def test_clicking_a_thumbnail_selects_that_head(page, server):
    open_page(page, server)
    canvas = page.locator(".grid canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    size = (box["width"] - 28) / 12
    page.mouse.click(box["x"] + 26 + 8.5 * size, box["y"] + 18 + 2.5 * size)
    expect(page.get_by_role("heading", name="Layer 2, head 8")).to_be_visible()
    expect(page).to_have_url(re.compile(r"layer=2&head=8"))


def test_arrow_keys_walk_the_heads(page, server):
    open_page(page, server)
    page.locator(".grid").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Layer 4, head 2")).to_be_visible()


def test_a_copied_link_reproduces_the_view(page, server, another_browser):
    open_page(page, f"{server}/?layer=3&head=4")
    page.locator(".token").nth(3).click()
    expect(page).to_have_url(re.compile("token=3"))
    link = page.url
    other = another_browser()
    open_page(other, link)
    expect(other.get_by_role("heading", name="Layer 3, head 4")).to_be_visible()
    expect(other.locator(".token.pinned")).to_have_text(
        page.locator(".token.pinned").text_content()
    )


def test_a_pasted_text_is_run(page, server):
    open_page(page, server)
    page.get_by_role("textbox", name="Text", exact=True).fill("My own sentence about otters.")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".token", has_text="sentence")).to_be_visible(timeout=READY)
    expect(page).to_have_url(re.compile("otters"))


def test_markup_in_a_text_stays_text(page, server):
    messages = []
    page.on("dialog", lambda dialog: (messages.append(dialog.message), dialog.dismiss()))
    open_page(page, server)
    evil = "<img src=x onerror=alert(1)> <script>alert(2)</script> **bold**"
    page.get_by_role("textbox", name="Text", exact=True).fill(evil)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".token", has_text="script").first).to_be_visible(timeout=READY)
    page.locator(".token", has_text="script").first.hover()
    assert messages == []


def test_clicking_a_cell_of_the_statistic_selects_that_head(page, server):
    open_page(page, server)
    plot = page.locator(".js-plotly-plot").last
    plot.scroll_into_view_if_needed()
    box = plot.locator(".nsewdrag").bounding_box()
    page.mouse.click(box["x"] + 4.5 / 12 * box["width"], box["y"] + 1.5 / 6 * box["height"])
    expect(page.get_by_role("heading", name="Layer 1, head 4")).to_be_visible()


def test_going_back_undoes_the_last_choice(page, server):
    open_page(page, f"{server}/?layer=2&head=8")
    page.locator(".grid").focus()
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("layer=3&head=8"))
    go_back(page)
    expect(page.get_by_role("heading", name="Layer 2, head 8")).to_be_visible()
    expect(page).to_have_url(re.compile("layer=2&head=8"))


def test_forward_returns_to_what_back_left(page, server):
    open_page(page, server)
    expect(page).to_have_url(re.compile("layer=3&head=1"))
    page.get_by_label("Model", exact=True).click()
    page.get_by_text("SmolLM2").click()
    expect(page.get_by_text("30 x 9 heads")).to_be_visible()
    page.get_by_role("textbox", name="Text", exact=True).fill("The capital of France is")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page).to_have_url(re.compile("model=smollm2"), timeout=READY)
    for _ in range(2):
        go_back(page)
        expect(page.locator(".token")).to_have_count(16, timeout=READY)
        expect(page).not_to_have_url(re.compile("smollm2"))
        page.go_forward()
        expect(page.locator(".token")).to_have_count(5, timeout=READY)
        expect(page).to_have_url(re.compile("model=smollm2"))
        expect(page.get_by_role("textbox", name="Text", exact=True)).to_have_value(
            "The capital of France is"
        )


def test_an_example_runs_at_once(page, server):
    open_page(page, server)
    page.get_by_role("button", name="Examples").click()
    page.get_by_role("menuitem").nth(1).click()
    expect(page.locator(".token.pinned")).to_have_count(0, timeout=READY)
    expect(page).to_have_url(re.compile("text="))


def test_display_choices_are_as_the_link_says_after_a_click(page, server):
    """A closed popover forgets what it was told; opening it must not change the picture."""
    open_page(page, f"{server}/?layer=2&head=8&scale=log&words=1")
    page.locator(".grid").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", name="Layer 3, head 8")).to_be_visible()
    page.get_by_role("button", name="Display").click()
    expect(page.get_by_role("switch", name="Merge sub-words into words")).to_be_checked()
    page.get_by_text("Hide special tokens").click()
    expect(page).to_have_url(re.compile(r"hide_special=1"))
    expect(page).to_have_url(re.compile(r"scale=log"))


def test_an_empty_text_is_said_and_the_picture_stays(page, server):
    open_page(page, server)
    page.get_by_role("textbox", name="Text", exact=True).fill("")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("The text is empty")).to_be_visible()
    expect(page.locator(".token")).to_have_count(16)


def test_half_a_character_is_said_and_the_picture_stays(page, server):
    open_page(page, server)
    box = page.get_by_role("textbox", name="Text", exact=True)
    box.focus()
    box.evaluate(
        """(box) => {
            const { set } = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value");
            set.call(box, "half \\ud83d here");
            box.dispatchEvent(new Event("input", { bubbles: true }));
        }"""
    )
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("lone surrogate")).to_be_visible()
    expect(page.locator(".token")).to_have_count(16)


def test_escape_lets_a_pinned_token_go(page, server):
    open_page(page, server)
    page.locator(".token").nth(3).click()
    expect(page.locator(".token.pinned")).to_have_count(1)
    page.locator(".queries").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".token.pinned")).to_have_count(0)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen(page, server, width, scheme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    open_page(page, server)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".grid canvas").bounding_box()["width"] <= width


def test_a_long_run_can_be_cancelled_and_the_earlier_result_stays(page, server):
    open_page(page, f"{server}/?model=smollm2&text=The%20capital%20of%20France%20is")
    page.get_by_role("textbox", name="Text", exact=True).fill("The cat sat on the mat. " * 400)
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("button", name="Cancel").click(timeout=READY)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=READY)
    expect(page.locator(".token")).to_have_count(5)
    page.get_by_role("textbox", name="Text", exact=True).fill("A short one")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".token")).to_have_count(3, timeout=READY)


def test_a_long_text_travels_by_digest(page, server, another_browser):
    open_page(page, server)
    page.get_by_role("textbox", name="Text", exact=True).fill("otters swim " * 150)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page).to_have_url(re.compile("text_digest=[0-9a-f]{40}"), timeout=READY)
    other = another_browser()
    open_page(other, page.url)
    expect(other.locator(".token", has_text="swim")).to_have_count(150)


def test_nothing_is_asked_of_other_hosts(page, server):
    hosts = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2].split(":")[0]))
    open_page(page, server)
    assert {host for host in hosts if host} <= {"localhost"}


def test_a_language_model_predicts_beside_its_pattern(page, server):
    open_page(page, f"{server}/?model=smollm2&text=The%20capital%20of%20France%20is")
    expect(page.get_by_text("Most probable next tokens")).to_be_visible(timeout=READY)
    expect(page.locator(".token")).to_have_count(5)


def test_a_target_looks_at_its_source_in_a_stack_of_its_own(page, server):
    texts = "text=the%20cat%20sat%20on%20the%20mat&pair=the%20dog"
    open_page(page, f"{server}/?model=translator&local=1&{texts}&stack=cross")
    rows, columns = page.locator(".queries .token"), page.locator(".keys .token")
    expect(columns).to_have_count(8)
    rows.last.hover()
    expect(page.locator(".readout")).to_contain_text("dog (3) attends to")
    shades = [float(token.get_attribute("title")) for token in columns.all()]
    assert sum(shades) == pytest.approx(1, abs=5e-3)
    columns.nth(2).hover()
    expect(page.locator(".readout")).to_contain_text("cat (2) is attended to by")
    page.get_by_role("radio", name="encoder").or_(
        page.get_by_text("encoder", exact=True)
    ).first.click()
    expect(columns).to_have_count(0)
    expect(rows).to_have_count(8)
    expect(page).to_have_url(re.compile("stack=encoder"))


def test_the_badge_compares_with_eager_attention(page, server):
    open_page(page, server)
    page.get_by_role("button", name="exact").click()
    expect(page.get_by_text("recomputed from recorded queries and keys")).to_be_visible()
    page.get_by_role("button", name="Compare with eager attention").click()
    expect(page.get_by_text("compared with eager attention; weights differ")).to_be_visible(
        timeout=READY
    )


def test_a_text_that_was_typed_and_not_run_outlives_a_reload(page, server):
    open_page(page, server)
    expect(page.locator("html[data-drafts=kept]")).to_be_attached()
    field = page.get_by_label("Text", exact=True)
    field.fill("A dog ran. Then it slept.")
    page.reload()
    expect(field).to_have_value("A dog ran. Then it slept.", timeout=READY)
    expect(page.get_by_text("Press Run to see it")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".token", has_text="slept")).to_be_visible(timeout=READY)
    settle(page)
    page.reload()
    expect(page.locator(".token", has_text="slept")).to_be_visible(timeout=READY)
    settle(page)
    expect(field).to_have_value("A dog ran. Then it slept.")


def test_what_was_typed_over_another_text_is_not_put_back(page, server):
    open_page(page, server)
    field = page.get_by_label("Text", exact=True)
    field.fill("A dog ran.")
    page.goto(f"{server}/?text=The+cat+sat.")
    expect(page.locator(".token", has_text="sat")).to_be_visible(timeout=READY)
    page.reload()
    expect(page.locator(".token", has_text="sat")).to_be_visible(timeout=READY)
    settle(page)
    expect(field).to_have_value("The cat sat.")
