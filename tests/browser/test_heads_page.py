"""The Heads page in a real browser, with surveys of a few seconds."""

from __future__ import annotations

import re
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.pages import READY, go_back, settle
from tests.training.test_training_run import wait_for
from viz.service import shared_workbench
from viz.service.survey_jobs import Surveys
from viz.service.survey_kept import Asked, surveys_root
from viz.service.survey_texts import pasted
from viz.survey import SurveySettings

TEXT = (
    "My lord, the king is in the garden. My lord, the king is not in the garden; he is dead. " * 6
)
QUICK = SurveySettings(length=64, tokens=300, probes=False, loss_windows=0)


@pytest.fixture
def heads(page, server):
    """Open the page; what was surveyed on it is thrown away in the end."""
    began = set()
    page.on("framenavigated", lambda frame: began.update(survey_of(frame.url)))
    opened(page, f"{server}/heads")
    yield page
    for name in began:
        shutil.rmtree(surveys_root() / name, ignore_errors=True)


@pytest.fixture(scope="module")
def done():
    """A survey of the demo's language model, which tests only look at."""
    here = Surveys(shared_workbench().model)
    name = here.start(Asked("loupe", pasted(TEXT), QUICK))
    wait_for(lambda: not here.works(name))
    yield name
    shutil.rmtree(surveys_root() / name, ignore_errors=True)


def survey_of(url):
    return set(parse_qs(urlsplit(url).query).get("survey", ()))


def opened(page, url):
    page.goto(url)
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible(timeout=READY)
    settle(page)


def choose(page, label, option):
    page.get_by_role("combobox", name=label, exact=True).click()
    page.get_by_role("option", name=option).first.click()
    settle(page)


def fill(page, role, name, value):
    field = page.get_by_role(role, name=name, exact=True)
    field.fill(str(value))
    field.press("Tab")
    settle(page)


def test_a_text_is_surveyed_and_an_example_opens_in_explore_at_its_head_and_token(heads):
    choose(heads, "Model", "Loupe demo")
    choose(heads, "Texts", "A text that you paste")
    fill(heads, "textbox", "Your text", TEXT)
    fill(heads, "spinbutton", "Tokens", 200)
    heads.get_by_text("Windows and device", exact=True).click()
    fill(heads, "spinbutton", "Window length", 64)
    heads.get_by_text("Also on inputs of their own").click()
    settle(heads)
    heads.get_by_role("button", name="Start", exact=True).click()
    expect(heads).to_have_url(re.compile("survey="), timeout=READY)
    expect(heads.get_by_text(re.compile(r"^It (attends|spreads)"))).to_be_visible(timeout=READY)
    settle(heads)
    title = heads.get_by_role("heading", name=re.compile(r"Layer \d head \d")).inner_text()
    layer, head = re.findall(r"\d+", title)
    expect(heads.locator(".loupe-example .loupe-query").first).to_be_visible()
    heads.get_by_text("Open in Explore →").first.click()
    expect(heads.get_by_role("heading", name=f"Layer {layer}, head {head}")).to_be_visible(
        timeout=READY
    )
    settle(heads)
    asked = parse_qs(urlsplit(heads.url).query)
    assert asked["model"] == ["loupe"]
    assert (asked["layer"], asked["head"]) == ([layer], [head])
    assert asked["text"][0].strip() in TEXT
    expect(heads.get_by_role("textbox", name="Text", exact=True)).to_have_value(asked["text"][0])
    go_back(heads)
    expect(heads.get_by_role("heading", name=title)).to_be_visible(timeout=READY)


def test_a_click_on_the_map_chooses_a_head_and_the_link_holds_it(page, server, done):
    opened(page, f"{server}/heads?survey={done}&layer=0&head=0&score=entropy")
    expect(page.get_by_role("heading", name="Layer 0 head 0")).to_be_visible(timeout=READY)
    # Marks that nobody sees lie over the cells, six a layer.
    page.locator(".st-key-heads-map .scatterlayer .points path").nth(9).click(force=True)
    expect(page.get_by_role("heading", name="Layer 1 head 3")).to_be_visible(timeout=READY)
    expect(page).to_have_url(re.compile("score=entropy&layer=1&head=3"))
    settle(page)


def test_a_telephone_shows_the_survey_before_the_form_and_cuts_nothing(page, server, done):
    page.set_viewport_size({"width": 390, "height": 800})
    opened(page, f"{server}/heads?survey={done}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = page.get_by_role("heading", name=re.compile("Layer .* head")).bounding_box()
    start = page.get_by_role("button", name="Start", exact=True).bounding_box()
    assert found["y"] < start["y"]


def test_a_telephone_shows_the_sentence_then_scores_then_spreads_then_few_examples(
    page, server, done
):
    page.set_viewport_size({"width": 390, "height": 800})
    opened(page, f"{server}/heads?survey={done}")
    places = [
        page.get_by_text(re.compile(r"^It (attends|spreads)")),
        page.locator(".st-key-heads-map"),
        page.get_by_text("All scores", exact=True),
        page.get_by_text("Spread over queries", exact=True),
        page.get_by_text("Examples", exact=True),
    ]
    tops = [one.bounding_box()["y"] for one in places]
    assert tops == sorted(tops)
    assert page.locator(".loupe-example").count() == 5
    page.get_by_role("button", name=re.compile("^Show all")).click()
    settle(page)
    assert page.locator(".loupe-example").count() > 5
    expect(page).to_have_url(re.compile("listed=all"))


def test_nothing_of_the_scores_is_cut_on_a_wide_page(page, server, done):
    opened(page, f"{server}/heads?survey={done}")
    table = page.locator(".st-key-heads_numbers table")
    around = page.locator(".st-key-heads_numbers").bounding_box()
    assert table.bounding_box()["width"] <= around["width"] + 1
    expect(table.get_by_role("columnheader", name="over")).to_be_visible()


def test_keys_move_from_head_to_head(page, server, done):
    opened(page, f"{server}/heads?survey={done}&layer=0&head=0")
    number = page.get_by_role("spinbutton", name="Head", exact=True)
    number.focus()
    number.press("ArrowUp")
    number.press("Enter")
    expect(page.get_by_role("heading", name="Layer 0 head 1")).to_be_visible(timeout=READY)
    expect(page).to_have_url(re.compile("layer=0&head=1"))
