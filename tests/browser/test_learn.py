"""The Learn page in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from components.panels.learn.step_texts import STEPS
from tests.browser.pages import READY, frames, settle, visit


@pytest.fixture
def learn(page, server):
    page.goto(f"{server}/learn")
    expect(page.get_by_role("heading", name="Learn self-attention")).to_be_visible(timeout=READY)
    expect(page.locator(".matrices .cell").first).to_be_visible(timeout=READY)
    settle(page)
    return page


def open_step(page, title):
    page.get_by_role("radio", name=title, exact=True).click()
    settle(page)


def cells(page, name):
    """The numbers of a matrix, as they stand on the page."""
    figure = page.locator("figure").filter(has=page.locator("figcaption b", has_text=name)).first
    return figure.locator(".cell").all_text_contents()


def test_every_step_is_shown_with_its_formula_and_its_place_in_the_diagram(learn):
    for number, step in enumerate(STEPS.values(), 1):
        expect(learn.get_by_role("heading", name=f"{number}. {step.node}")).to_be_visible()
        expect(learn.locator(".katex").first).to_be_visible()
        expect(learn.locator(".matrices .cell").first).to_be_visible()
        expect(learn.get_by_role("img", name=f"the open step is {step.node}")).to_be_visible()
        if number < len(STEPS):
            learn.get_by_role("button", name="Next").click()
            settle(learn)
    expect(learn).to_have_url(re.compile("step=output"))


def test_pointing_at_a_score_marks_the_row_and_the_column_that_made_it(learn):
    open_step(learn, "Scores")
    view = learn.locator(".matrices").first
    query, key, scores = (view.locator("figure").nth(place) for place in range(3))
    scores.locator(".cell").nth(8).hover()
    expect(query.locator(".cell.marked")).to_have_count(3)
    expect(key.locator(".cell.marked")).to_have_count(3)
    assert query.locator(".cell.marked").first.get_attribute("data-row") == "1"
    assert key.locator(".cell.marked").first.get_attribute("data-column") == "2"
    expect(view.locator(".said")).to_contain_text("S [cat, sat] = ")


def test_rounded_numbers_that_do_not_give_the_rounded_result_are_said_so(learn):
    """Read from the page and reckoned again: `=` only where the written numbers give the written sum."""
    open_step(learn, "Scores")
    said = learn.locator(".matrices").first.evaluate(
        """(view) => [...view.querySelectorAll(".part:last-child .cell")].map((cell) => {
          cell.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
          return view.querySelector(".said").textContent;
        })"""
    )
    signs = set()
    for sentence in said:
        _, terms, sign, result = re.fullmatch(
            r"(S \[.*\]) = (.*) ([=≈]) (\S+)", sentence.replace("−", "-")
        ).groups()
        factors = [[float(one) for one in term.split(" × ")] for term in terms.split(" + ")]
        summed = sum(one * other for one, other in factors)
        assert (sign == "=") == (f"{summed:.2f}" == f"{float(result):.2f}"), sentence
        signs.add(sign)
    assert signs == {"=", "≈"}


def test_names_of_rows_stay_in_sight_on_a_narrow_screen(page, server):
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{server}/learn?step=scores&text=one+two+three+four+five+six+seven+eight+nine+ten")
    expect(page.locator(".matrices .cell").first).to_be_visible(timeout=READY)
    settle(page)
    grid = page.locator(".matrices .grid").last
    label = grid.locator(".label", has_text="three").first
    assert label.bounding_box()["width"] > 20
    grid.evaluate("(one) => { one.scrollLeft = one.scrollWidth; }")
    assert grid.evaluate("(one) => one.scrollLeft") > 0
    assert label.bounding_box()["x"] >= grid.bounding_box()["x"] - 3


def test_the_matrices_are_walked_with_the_keyboard(learn):
    open_step(learn, "Scores")
    view = learn.locator(".matrices").first
    view.locator(".grid").nth(2).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        learn.keyboard.press(key)
    expect(view.locator(".said")).to_contain_text("S [cat, cat] = ")
    learn.keyboard.press("Escape")
    expect(view.locator(".cell.marked")).to_have_count(0)


def test_breaking_a_step_changes_its_numbers_and_mending_brings_them_back(learn):
    open_step(learn, "Mask")
    before = cells(learn, "S masked")
    assert "−∞" in before
    learn.get_by_text("Leave the mask out").click()
    expect(learn.get_by_text("Broken on purpose: no mask")).to_be_visible()
    settle(learn)
    assert "−∞" not in cells(learn, "S masked")
    learn.get_by_role("button", name="Mend").click()
    settle(learn)
    assert cells(learn, "S masked") == before


def test_another_text_has_other_numbers(learn):
    field = learn.get_by_role("textbox", name="Text")
    field.fill("we saw <b>them</b>")
    field.press("Enter")
    settle(learn)
    labels = learn.locator(".matrices .label").all_text_contents()
    assert labels[:6] == ["we", "saw", "<", "b", ">", "them"]


def test_editing_a_number_changes_the_output(learn):
    learn.get_by_role("radio", name="Numbers", exact=True).click()
    settle(learn)
    open_step(learn, "Output")
    first = learn.locator(".matrices .cell").first
    expect(first).to_have_text("2.00")
    editor(learn, 3)
    learn.keyboard.type("9")
    expect(learn.locator(".gdg-input")).to_have_value("9")
    learn.keyboard.press("Enter")
    # Values of x1 and x3 now begin with 9 + 1: 0.2391 x 10 + 0.0024 x 0 + 0.7586 x 10.
    expect(first).to_have_text("9.98")


def test_an_emptied_cell_is_one_sentence_and_the_output_stays(learn):
    learn.get_by_role("radio", name="Numbers", exact=True).click()
    settle(learn)
    open_step(learn, "Output")
    before = cells(learn, "Y")
    editor(learn, 3)
    learn.keyboard.press("Delete")
    said = learn.get_by_text("There is no number in row 1, column 1 of W_V.")
    expect(said).to_be_visible()
    settle(learn)
    assert cells(learn, "Y") == before


def test_a_decimal_comma_is_refused_and_stays_as_it_was_typed(learn):
    learn.get_by_role("radio", name="Numbers", exact=True).click()
    settle(learn)
    open_step(learn, "Output")
    before = cells(learn, "Y")
    editor(learn, 3)
    learn.keyboard.press("Enter")
    cell = learn.locator(".gdg-input")
    expect(cell).to_be_focused()
    learn.keyboard.press("Control+A")
    learn.keyboard.type("1,5", delay=80)
    expect(cell).to_have_value("1,5")
    learn.keyboard.press("Enter")
    expect(learn.get_by_text("'1,5' in row 1, column 1 of W_V is not a number.")).to_be_visible()
    settle(learn)
    assert cells(learn, "Y") == before


def test_a_reload_keeps_the_work_and_back_undoes_it(learn):
    field = learn.get_by_role("textbox", name="Text")
    field.fill("we saw them")
    field.press("Enter")
    settle(learn)
    learn.reload()
    expect(field).to_have_value("we saw them", timeout=READY)
    learn.go_back()
    expect(field).to_have_value("the cat sat on the mat")
    learn.go_forward()
    expect(field).to_have_value("we saw them")
    learn.get_by_role("link", name="Train").click()
    expect(learn.get_by_role("heading", name="Train a small model")).to_be_visible()
    settle(learn)
    learn.get_by_role("link", name="Learn").click()
    expect(field).to_have_value("we saw them")
    expect(learn).to_have_url(re.compile("text=we.saw.them"))


def editor(page, number):
    """Choose the first cell of a matrix."""
    grid = page.locator('[data-testid="stDataFrame"]').nth(number)
    expect(grid.locator("canvas").first).to_be_visible()
    settle(page)
    grid.scroll_into_view_if_needed()
    settle(page)
    # Beside the column that chooses rows, below the names of columns.
    grid.hover(position={"x": 60, "y": 52})
    frames(page)
    grid.click(position={"x": 60, "y": 52}, delay=100)
    chosen = grid.locator('[role="gridcell"][aria-selected="true"]')
    expect(chosen).to_have_attribute("data-testid", "glide-cell-1-0")


def test_a_link_leads_to_a_section_and_back_undoes(learn):
    learn.get_by_role("radio", name="Textbook example").click()
    expect(learn.get_by_role("heading", name="Common slips")).to_be_visible()
    expect(learn).to_have_url(re.compile("section=textbook"))
    learn.go_back()
    expect(learn.get_by_role("heading", name="1. Embeddings + positions")).to_be_visible()


def test_explore_goes_on_where_it_was_left(page, server):
    page.goto(f"{server}/?text=a+dog+saw+me&layer=1&head=2")
    expect(page.get_by_text("Layer 1, head 2").first).to_be_visible(timeout=READY)
    settle(page)
    page.get_by_role("link", name="Learn").click()
    expect(page.get_by_role("heading", name="Learn self-attention")).to_be_visible()
    settle(page)
    page.get_by_role("link", name="Explore", exact=True).click()
    expect(page.get_by_text("Layer 1, head 2").first).to_be_visible()
    settle(page)
    expect(page).to_have_url(re.compile("text=a.dog.saw.me"))
    expect(page.locator("textarea").first).to_have_value("a dog saw me")


def test_a_use_leads_to_its_text_in_explore(page, server):
    visit(page, f"{server}/learn?section=uses")
    link = page.get_by_role("link", name=re.compile("See where every head looks")).first
    expect(link).to_be_visible(timeout=READY)
    # Examples above it that are still at work would move it from under the pointer.
    settle(page)
    link.click()
    expect(page.get_by_text("Layer 3, head 1").first).to_be_visible(timeout=READY)
    expect(page.locator("textarea").first).to_have_value(re.compile("^I laughed"))
    settle(page)
    page.go_back()
    expect(page.get_by_role("heading", name="Learn self-attention")).to_be_visible(timeout=READY)


@pytest.mark.parametrize("section", ["steps", "textbook", "why", "cheaper", "uses", "reading"])
def test_nothing_reaches_beyond_the_page(page, server, section):
    visit(page, f"{server}/learn?section={section}")
    heading = page.get_by_role("heading", name="Learn self-attention")
    expect(heading).to_be_visible(timeout=READY)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        wide = page.locator('[data-testid="stMain"]').evaluate(
            "(main) => main.scrollWidth - main.clientWidth"
        )
        assert wide <= 1


@pytest.mark.parametrize("section", ["steps", "textbook"])
def test_pointing_at_any_matrix_throws_nothing(page, server, section):
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    visit(page, f"{server}/learn?section={section}")
    expect(page.locator(".matrices .cell").first).to_be_visible(timeout=READY)
    settle(page)
    for drawn in page.locator(".matrices").all():
        if drawn.is_visible():
            drawn.locator(".cell").last.hover()
            expect(drawn).to_contain_text("=")
    assert not problems
