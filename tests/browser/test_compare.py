"""The Compare page in a real browser."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.pages import READY, go_back, settle

MUDDY = "The animal didn't cross the street because it was too muddy."


@pytest.fixture
def compare(page, server):
    """Open the page and wait for its patterns."""
    opened(page, f"{server}/compare")
    return page


def opened(page, url):
    page.goto(url)
    expect(page.get_by_role("application", name="Two patterns")).to_be_visible(timeout=READY)
    settle(page)


def write(page, label, text):
    field = page.get_by_role("textbox", name=label, exact=True)
    field.fill(text)
    field.press("Control+Enter")
    settle(page)


def divergence(page):
    """Return the number that the page says."""
    metric = page.get_by_test_id("stMetric").filter(has_text="Jensen-Shannon")
    return float(metric.get_by_test_id("stMetricValue").inner_text())


def alerts(page):
    return page.get_by_test_id("stAlert")


def test_the_page_opens_on_two_texts_that_differ_in_a_word(compare):
    expect(compare.get_by_role("textbox", name="Second text", exact=True)).to_have_value(
        re.compile("wide")
    )
    assert divergence(compare) > 0
    expect(alerts(compare)).to_have_count(0)


def test_another_text_is_compared_and_its_link_shows_the_same(compare, context):
    write(compare, "Second text", MUDDY)
    expect(compare).to_have_url(re.compile(r"other_text=.*muddy"))
    said = divergence(compare)
    other = context.new_page()
    opened(other, compare.url)
    assert divergence(other) == said
    expect(other.get_by_role("textbox", name="Second text", exact=True)).to_have_value(MUDDY)


def test_a_text_that_is_being_typed_outlives_a_reload_but_not_what_undoes_it(compare):
    field = compare.get_by_role("textbox", name="Second text", exact=True)
    field.fill(MUDDY)
    compare.reload()
    expect(field).to_have_value(MUDDY, timeout=READY)
    expect(compare).to_have_url(re.compile("muddy"))
    settle(compare)
    go_back(compare)
    expect(compare).not_to_have_url(re.compile("muddy"))
    settle(compare)
    compare.reload()
    settle(compare)
    expect(field).to_have_value(re.compile("wide"))


def test_back_undoes(compare):
    before = divergence(compare)
    write(compare, "Second text", MUDDY)
    assert divergence(compare) != before
    go_back(compare)
    expect(compare).not_to_have_url(re.compile("muddy"))
    settle(compare)
    assert divergence(compare) == before


def test_another_head_of_the_same_run(compare):
    compare.get_by_role("radio", name="Another head or layer").click()
    settle(compare)
    assert divergence(compare) == 0
    compare.get_by_role("combobox", name="Second: head").click()
    compare.get_by_role("option", name="5", exact=True).click()
    settle(compare)
    expect(compare).to_have_url(re.compile(r"other_heads=3\.5"))
    assert divergence(compare) > 0


def test_texts_with_nothing_in_common_are_said_and_can_be_paired(compare):
    before = divergence(compare)
    write(compare, "Second text", "Das Tier lief.")
    expect(alerts(compare)).to_contain_text("no word in common")
    # What was on the screen is still there.
    assert divergence(compare) == before
    write(compare, "Or say it, one pair a line", "animal = Tier\nThe = Das")
    expect(alerts(compare)).to_have_count(0)
    assert divergence(compare) != before


def test_an_empty_text_is_said_and_loses_nothing(compare):
    before = divergence(compare)
    write(compare, "Second text", "")
    expect(alerts(compare)).to_contain_text("The second side cannot be run: The text is empty.")
    expect(alerts(compare)).to_contain_text("What you see below is from before.")
    assert divergence(compare) == before


def test_the_second_text_is_there_again_after_a_look_at_another_model(compare):
    text = compare.get_by_role("textbox", name="Second text", exact=True)
    write(compare, "Second text", MUDDY)
    compare.get_by_role("radio", name="Another model").click()
    settle(compare)
    expect(text).to_have_count(0)
    compare.get_by_role("radio", name="Another text").click()
    settle(compare)
    expect(text).to_have_value(MUDDY)


def test_a_model_that_cannot_be_opened_is_said_and_nothing_else(page, server):
    page.goto(f"{server}/compare?heads=3.1&other_model=no/such-model")
    settle(page)
    expect(alerts(page)).to_have_count(1)
    expect(alerts(page)).to_contain_text("The second side cannot be run:")


def test_tokens_that_a_model_does_not_know_are_counted(page, server):
    opened(
        page,
        f"{server}/compare?text={quote('龘 cat 靐')}&other_text={quote('龘 dog 靐')}&heads=3.1",
    )
    expect(
        page.get_by_text(re.compile(r"Second side: 2 of \d+ tokens are \[UNK\]"))
    ).to_be_visible()


def test_a_phrase_that_is_not_there_is_said(compare, server):
    link = (
        f"{server}/compare?heads=3.1&other_text={quote('Das Tier')}&pairing={quote('dog = Tier')}"
    )
    compare.goto(link)
    settle(compare)
    expect(alerts(compare)).to_contain_text("The first text has no 'dog'")


def test_two_tokenizers_are_compared(page, server):
    opened(page, f"{server}/compare?heads=3.1&other_model=loupe&other_heads=1.3")
    assert divergence(page) > 0
    expect(page.get_by_text("weights summed over the keys of a common unit")).to_be_visible()


def test_swapping_turns_the_centre_shift_around(compare):
    def shift():
        metric = compare.get_by_test_id("stMetric").filter(has_text="Centre shift")
        return float(metric.get_by_test_id("stMetricValue").inner_text())

    there, apart = shift(), divergence(compare)
    compare.get_by_role("button", name="Swap sides").click()
    settle(compare)
    assert shift() == -there
    assert divergence(compare) == apart


def test_what_a_link_cannot_mean_is_said(page, server):
    opened(page, f"{server}/compare?heads=x")
    expect(alerts(page)).to_contain_text("The link's heads 'x' is not valid")


def test_a_part_of_a_long_text_is_looked_at_closer_and_its_link_shows_the_same(
    page, server, context
):
    words = " ".join(f"w{number % 97}" for number in range(700))
    address = f"{server}/compare?model=long&local=1&heads=0.0&other_heads=0.1&text={quote(words)}"
    opened(page, address)
    canvas = page.locator(".compare")
    closer = page.get_by_role("button", name="Look closer")
    expect(closer).to_be_disabled()
    for _ in range(4):
        page.get_by_role("button", name="Zoom in").click()
    expect(closer).to_be_enabled()
    closer.click()
    expect(page).to_have_url(re.compile(r"span=\d+-\d+%2C\d+-\d+"))
    settle(page)
    rows = [int(edge) for edge in re.search(r"span=(\d+)-(\d+)", page.url).groups()]
    assert rows[1] - rows[0] < 700
    expect(canvas).to_have_attribute("data-seen", re.compile(rf"^0 {rows[1] - rows[0]} "))
    expect(closer).to_be_hidden()
    other = context.new_page()
    opened(other, page.url)
    expect(other.locator(".compare")).to_have_attribute(
        "data-seen", canvas.get_attribute("data-seen")
    )
    page.get_by_role("button", name="Back to the whole text").click()
    settle(page)
    expect(page).not_to_have_url(re.compile("span="))
    expect(canvas).to_have_attribute("data-seen", "0 512 0 512")
