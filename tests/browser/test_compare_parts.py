"""Minimal pairs and checkpoints on the Compare page, and the links that lead to it, in a real browser."""

from __future__ import annotations

import re
import shutil
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.pages import READY, go_back, settle
from tests.training.test_training_run import wait_for
from viz.service.training_jobs import Trainings
from viz.training.tasks import TASKS
from viz.training.training_folder import About, runs_root
from viz.training.training_settings import Settings

EDITS = "tired -> wide\nanimal -> dog"
PAIRS = "/compare?heads=3.1&part=edits"


@pytest.fixture(scope="module")
def training():
    """Train for a moment; thrown away in the end."""
    settings = Settings(steps=20, keep_every=10, batch_size=8, test_examples=16)
    here = Trainings()
    name = here.start(About("reverse", settings, TASKS["reverse"].options))
    wait_for(lambda: here.about(name).state == "done")
    yield name
    shutil.rmtree(runs_root() / name, ignore_errors=True)


def opened(page, url, pictures=1):
    page.goto(url)
    arrived(page, pictures)


def arrived(page, pictures=1):
    """Wait for the patterns of both sides, or for those of two checkpoints too."""
    views = page.get_by_role("application", name="Two patterns")
    expect(views).to_have_count(pictures, timeout=READY)
    settle(page)


def main(page):
    """The page without its navigation."""
    return page.get_by_test_id("stMain")


def run(page):
    main(page).get_by_role("button", name="Run", exact=True).click()
    settle(page)


def pictures(page):
    return page.get_by_test_id("stPlotlyChart")


def alerts(page):
    return page.get_by_test_id("stAlert")


def test_edits_are_run_and_their_link_shows_the_same(page, server, context):
    opened(page, f"{server}{PAIRS}")
    page.get_by_role("textbox", name="Edits", exact=True).fill(EDITS)
    run(page)
    expect(pictures(page)).to_contain_text("tired → wide", timeout=READY)
    expect(pictures(page)).to_contain_text("animal → dog")
    expect(page).to_have_url(re.compile(r"edits=tired"))
    other = context.new_page()
    opened(other, page.url)
    expect(pictures(other)).to_contain_text("tired → wide", timeout=READY)
    edits = other.get_by_role("textbox", name="Edits", exact=True)
    expect(edits).to_have_value(EDITS)
    edits.fill("street -> road")
    run(other)
    expect(pictures(other)).to_contain_text("street → road", timeout=READY)
    # What is run once more stands in the box, and not what was typed over it before.
    edits.fill(EDITS)
    run(other)
    expect(pictures(other)).to_contain_text("tired → wide", timeout=READY)
    expect(edits).to_have_value(EDITS)
    edits.fill("street -> road")
    run(other)
    expect(pictures(other)).to_contain_text("street → road", timeout=READY)
    go_back(other)
    settle(other)
    expect(pictures(other)).to_contain_text("tired → wide", timeout=READY)
    expect(edits).to_have_value(EDITS)


def test_an_edit_that_cannot_be_made_is_said_and_loses_nothing(page, server):
    opened(page, f"{server}{PAIRS}&edits={quote(EDITS)}")
    expect(pictures(page)).to_contain_text("tired → wide", timeout=READY)
    page.get_by_role("textbox", name="Edits", exact=True).fill("cat -> dog")
    run(page)
    expect(alerts(page)).to_contain_text("The base text has no 'cat'")
    expect(pictures(page)).to_contain_text("tired → wide")
    page.get_by_role("textbox", name="Edits", exact=True).fill(" ")
    run(page)
    expect(alerts(page)).to_contain_text("The list of edits is empty")
    expect(pictures(page)).to_contain_text("tired → wide")


def test_a_click_on_a_line_puts_the_variant_into_the_second_side(page, server):
    opened(page, f"{server}{PAIRS}&edits={quote('tired -> wide')}")
    expect(pictures(page)).to_contain_text("tired → wide", timeout=READY)
    page.get_by_test_id("stDataFrame").click(position={"x": 18, "y": 54})
    settle(page)
    expect(page.get_by_role("textbox", name="Second text", exact=True)).to_have_value(
        re.compile("too wide")
    )


def test_a_table_of_texts_is_compared_with_the_first_text(page, server):
    opened(page, f"{server}{PAIRS}")
    page.get_by_role("radio", name="CSV file").click()
    settle(page)
    content = "title,text\nmuddy,The animal didn't cross the street because it was too muddy.\n"
    page.locator('input[type="file"]').set_input_files(
        {"name": "pairs.csv", "mimeType": "text/csv", "buffer": content.encode()}
    )
    settle(page)
    run(page)
    expect(pictures(page)).to_contain_text("muddy", timeout=READY)
    expect(page).to_have_url(re.compile("edits_as=csv"))


def test_a_table_fills_a_templates_slots_and_its_link_does_too(page, server, context):
    opened(page, f"{server}{PAIRS}&edits_as=csv")
    page.locator('input[type="file"]').set_input_files(
        {"name": "pairs.csv", "mimeType": "text/csv", "buffer": b"noun,verb\ncat,slept\ncow,ran\n"}
    )
    settle(page)
    template = page.get_by_role("textbox", name="Template, where the columns are its slots")
    template.fill("The {noun} slept.")
    run(page)
    expect(alerts(page)).to_contain_text(
        "column 'verb' is no slot of the template, which has 'noun'"
    )
    template.fill("The {noun} {verb} {well}.")
    run(page)
    expect(alerts(page)).to_contain_text(
        "slot 'well' has no column in the CSV; it has 'noun', 'verb'"
    )
    template.fill("The {noun} {verb}.")
    run(page)
    expect(pictures(page)).to_contain_text("noun → cat", timeout=READY)
    expect(alerts(page)).to_have_count(0)
    expect(page.get_by_text("Against the base “The noun verb.”")).to_be_visible()
    other = context.new_page()
    opened(other, page.url)
    expect(pictures(other)).to_contain_text("noun → cow", timeout=READY)
    again = other.get_by_role("textbox", name="Template, where the columns are its slots")
    expect(again).to_have_value("The {noun} {verb}.")
    # The table of the link is read once more under another template, and Back shows the one before.
    again.fill("A {noun} {verb}.")
    run(other)
    expect(other.get_by_text("Against the base “A noun verb.”")).to_be_visible(timeout=READY)
    go_back(other)
    settle(other)
    expect(other.get_by_text("Against the base “The noun verb.”")).to_be_visible(timeout=READY)
    expect(again).to_have_value("The {noun} {verb}.")


def test_without_a_training_the_way_to_one_is_shown(page, server):
    opened(page, f"{server}/compare?heads=3.1&part=steps")
    expect(page.get_by_text("Nothing was trained in this session yet")).to_be_visible()
    main(page).get_by_role("link", name="Train a small model").click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible(timeout=READY)


def test_a_trainings_checkpoints_are_followed_and_a_step_is_chosen(page, server, training):
    opened(page, f"{server}/train?run={training}", pictures=0)
    main(page).get_by_role("link", name="Compare checkpoints").click(timeout=READY)
    arrived(page, pictures=2)
    expect(page).to_have_url(re.compile(f"run={training}"))
    expect(pictures(page)).to_contain_text("layer 0 head 1")
    expect(alerts(page)).to_have_count(0)
    page.get_by_role("slider").press("ArrowLeft")
    settle(page)
    expect(page).to_have_url(re.compile("step=10"))


def test_models_are_followed_from_the_base_and_their_link_shows_the_same(page, server, context):
    sides = (
        f"heads=0.0&model={quote('tuned/step-20')}&local=1&text={quote('the cat sat on the mat')}"
    )
    opened(page, f"{server}/compare?{sides}&part=steps")
    page.get_by_role("radio", name="Along models").click()
    settle(page)
    page.get_by_role("button", name="Use the 3 folders beside step-20").click()
    arrived(page, pictures=2)
    expect(pictures(page)).to_contain_text("step-100")
    models = page.get_by_role("textbox", name="Models", exact=True)
    expect(models).to_have_value("tuned/step-0\ntuned/step-20\ntuned/step-100")
    slider = page.get_by_role("slider")
    expect(slider).to_have_attribute("aria-valuetext", "step-100")
    slider.press("ArrowLeft")
    settle(page)
    expect(page).to_have_url(re.compile(r"models=tuned.*step=1"))
    other = context.new_page()
    opened(other, page.url, pictures=2)
    expect(other.get_by_role("slider")).to_have_attribute("aria-valuetext", "step-20")
    # Back undoes: the last model stands beside the base again.
    go_back(page)
    settle(page)
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "step-100")
    models.fill("tuned/step-0\ntuned/step-100\nmany\nnowhere/at/all")
    run(page)
    expect(alerts(page)).to_contain_text("There is no folder nowhere/at/all")
    expect(alerts(page)).to_contain_text("32 layers of 32 heads")
    arrived(page, pictures=2)
    expect(page.get_by_role("slider")).to_have_count(0)


def test_cancel_stops_a_list_of_models_at_once(page, server):
    text = quote("the cat sat on the mat because it was tired and " * 130)
    sides = f"heads=0.0&model={quote('tuned/step-0')}&local=1&text={text}"
    opened(page, f"{server}/compare?{sides}&part=steps&along=models")
    # The second model has 1,024 heads: its pass takes seconds.
    page.get_by_role("textbox", name="Models", exact=True).fill("tuned/step-0\nmany")
    main(page).get_by_role("button", name="Run", exact=True).click()
    main(page).get_by_role("button", name="Cancel").click()
    settle(page)
    expect(page.get_by_text("Stopped with 1 of 2 models to go; Run goes on.")).to_be_visible()
    expect(alerts(page)).to_have_count(0)


def press_mark(page, trace, number):
    """Click a mark of the last figure."""
    place = pictures(page).last.locator(".scatterlayer .trace").nth(trace).locator(".points path")
    place.nth(number).scroll_into_view_if_needed()
    box = place.nth(number).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    settle(page)


def test_a_click_on_a_curve_chooses_its_head(page, server, training):
    opened(page, f"{server}/compare?heads=0.0&part=steps&run={training}", pictures=2)
    # Both heads are drawn, one above the other; a click on each is a click on another.
    for trace in (0, 1):
        named = pictures(page).last.locator(".legendtext").nth(1 - trace).text_content()
        layer, head = re.findall(r"\d+", named)
        press_mark(page, trace, 2)
        expect(page).to_have_url(re.compile(rf"[?&]heads={layer}\.{head}\b"))


def test_a_training_that_is_not_there_is_said(page, server):
    opened(page, f"{server}/compare?heads=3.1&part=steps&run={'0' * 24}")
    expect(alerts(page).first).to_contain_text("There is no training of that name")


def test_a_links_head_that_the_model_lacks_is_said_until_another_is_chosen(page, server):
    opened(page, f"{server}/compare?heads=9.1&other_heads=3.1")
    expect(alerts(page)).to_contain_text("has no layer 9 head 1, so layer 5 head 1 is shown")
    page.get_by_role("combobox", name="First: head").click()
    page.get_by_role("option", name="2", exact=True).click()
    settle(page)
    expect(alerts(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"[?&]heads=5\.2"))


def test_explore_leads_to_its_head_beside_another_and_back_again(page, server):
    page.goto(f"{server}/?layer=3&head=1")
    link = main(page).get_by_role("link", name="Compare")
    expect(link).to_be_visible(timeout=READY)
    settle(page)
    link.click()
    arrived(page)
    expect(page).to_have_url(re.compile(r"/compare\?heads=3\.1&other_heads=3\.2"))
    expect(page.get_by_role("radio", name="Another head or layer")).to_be_checked()
    page.go_back()
    expect(page.get_by_text("About this head")).to_be_visible(timeout=READY)
    expect(page).to_have_url(re.compile(r"layer=3&head=1"))


def test_heads_like_the_one_on_explore(page, server):
    page.goto(f"{server}/?layer=3&head=1")
    main(page).get_by_role("link", name="Heads like this one").click(timeout=READY)
    arrived(page)
    expect(page.get_by_text("Heads like layer 3, head 1")).to_be_visible(timeout=READY)
    # Of the map of 6 x 12 heads the mark of layer 1, head 8.
    press_mark(page, 0, 20)
    expect(page).to_have_url(re.compile(r"[?&]heads=1\.8&"))
