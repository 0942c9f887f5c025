"""Texts and heavy weights found on the map, in a real browser."""

from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.maps import (
    HEAD,
    LAYER,
    cell_said,
    opened,
    seen,
    three_digits,
)
from tests.browser.pages import READY, leave, settle


def test_a_text_is_found(page, server, stack):
    opened(page, server)
    find = page.get_by_role("searchbox")
    find.fill("the queen")
    expect(page.locator(".map .hits")).to_have_text("12 found")
    find.press("Enter")
    expect(page.locator(".map .hits")).to_have_text("1 of 12")
    query, key, _ = cell_said(page)
    names = [label.replace("·", " ").strip() for label in stack.keys.labels]
    assert names[key] in ("The", "the")
    assert names[key + 1] == "queen"
    assert seen(page)[2] <= key < seen(page)[3]
    assert query >= key


def test_a_search_that_is_ahead_of_the_names_finds_them(page, server):
    held: list = []
    leave(page)  # which has the names already
    page.route("**/units", lambda route: held.append(route))
    opened(page, server)
    find = page.get_by_role("searchbox")
    find.fill("the queen")
    expect(page.locator(".map .hits")).to_have_text("")
    assert held
    for one in held:
        one.continue_()
    expect(page.locator(".map .hits")).to_have_text("12 found")


def open_table(page):
    """Open the table of the heaviest weights, if the test before has not."""
    table = page.locator(".map details").filter(has_text="Heaviest weights as a table")
    if table.get_attribute("open") is None:
        table.locator("summary").click()
    expect(table).to_have_attribute("open", "")


def test_the_heaviest_weights_off_the_sink_are_reached_and_listed(page, server, stack):
    weights = stack.weights(LAYER, HEAD).clone()
    weights[:, 0] = 0
    best = int(weights.argmax())
    opened(page, server)
    page.get_by_role("button", name="Heaviest").click()
    query, key, told = cell_said(page)
    assert (query, key) == divmod(best, len(stack.keys))
    assert float(told) == pytest.approx(float(weights.max()), rel=0.01)
    open_table(page)
    rows = page.locator(".map tbody tr")
    expect(rows).to_have_count(100)
    listed = [float(row.locator("td").nth(2).inner_text()) for row in rows.all()[:20]]
    expected = weights.flatten().topk(20).values.tolist()
    np.testing.assert_allclose(listed, expected, rtol=0.01)


def test_a_weight_of_a_long_and_short_pattern_is_gone_to_and_found(page, server):
    asked = {"model": "reader", "local": "1", "stack": "cross", "pair": "the dog saw the cat"}
    page.goto(f"{server}/?{urlencode({**asked, 'text': 'the cat saw a dog ' * 80})}")
    expect(page.locator('.map[data-state="sharp"]')).to_be_visible(timeout=READY)
    settle(page)
    queries, keys = seen(page)[1], seen(page)[3]
    assert keys > 20 * queries
    page.get_by_role("button", name="Heaviest").click()
    query, key, _ = cell_said(page)
    rows, columns = seen(page)[:2], seen(page)[2:]
    assert rows[0] <= query < rows[1]
    assert columns[0] <= key < columns[1]
    assert columns[1] - columns[0] < keys / 2, "the cell is wide enough to be seen"
    find = page.get_by_role("searchbox")
    find.fill("dog")
    find.press("Enter")
    expect(page.locator(".map .hits")).to_have_text("1 of 80")
    assert cell_said(page)[0] == query, "it is looked at from where one was looking"


def test_the_heaviest_weights_are_a_file(page, server, stack):
    opened(page, server)
    open_table(page)
    with page.expect_download() as saved:
        page.locator(".map").get_by_role("button", name="Download CSV").click()
    rows = list(csv.reader(Path(saved.value.path()).read_text().splitlines()))
    assert rows[0] == ["query", "query text", "key", "key text", "weight"]
    query, name, key, _, weight = rows[1]
    assert name == stack.queries.labels[int(query)]
    exact = float(stack.weights(LAYER, HEAD, [int(query)], [int(key)])[0, 0])
    assert float(weight) == pytest.approx(exact, abs=1e-6)
    # Another head has other weights, and the open table shows those.
    page.get_by_label("All heads").press("ArrowRight")
    other = stack.weights(LAYER, HEAD + 1).clone()
    other[:, 0] = 0
    largest = three_digits(float(other.max()))
    expect(page.locator(".map tbody td").nth(2)).to_have_text(f"{largest:g}", timeout=READY)
