"""The map of a long text, in a real browser."""

from __future__ import annotations

import csv
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlparse

import numpy as np
import psutil
import pytest
from playwright.sync_api import Page, expect

import viz
from tests.browser.pages import settle

READY = 120_000
LAYER, HEAD = 5, 3
TEXT = " ".join(
    f"The {who} {did} the {whom} because it was {how}."
    for who in ("cat", "dog", "queen")
    for did in ("saw", "fed")
    for whom in ("mouse", "king")
    for how in ("tired", "late", "happy")
)

DEMO_TEXT = "the cat saw a dog " * 80


@pytest.fixture(scope="module")
def stack():
    """What the map must show, computed apart from it."""
    model = viz.load_model("smollm2", device="cpu", dtype="float32")
    return viz.capture(model, TEXT).stacks["self"]


def opened(page: Page, server: str, **more: object) -> Page:
    asked = {"model": "smollm2", "text": TEXT, "layer": LAYER, "head": HEAD, **more}
    page.goto(f"{server}/?{urlencode({**asked, 'dtype': 'float32'})}")
    expect(page.locator('.map[data-state="sharp"]')).to_be_visible(timeout=READY)
    settle(page)
    page.locator(".map canvas.over").scroll_into_view_if_needed()
    return page


def seen(page: Page) -> list[int]:
    """First query, the one after the last, and the same of keys."""
    return [int(part) for part in page.locator(".map").get_attribute("data-seen").split()]


def said(page: Page) -> str:
    return page.locator(".map .said").inner_text()


def cell_said(page: Page) -> tuple[int, int, str]:
    """The query, the key and the weight that the readout names."""
    expect(page.locator(".map .said")).to_have_text(re.compile(r": ([\d.e-]+|not attended)$"))
    found = re.search(r"\((\d+)\) looks at .*\((\d+)\): (.+)$", said(page), re.DOTALL)
    return int(found[1]), int(found[2]), found[3]


def three_digits(weight: float) -> float:
    return float(f"{float(np.float16(weight)):.3g}")


def test_the_weight_under_the_pointer_is_exact_at_every_zoom(page, server, stack):
    opened(page, server)
    over = page.locator(".map canvas.over")
    box = over.bounding_box()
    for _ in range(3):
        for across, down in ((0.3, 0.6), (0.22, 0.9), (0.5, 0.7)):
            page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
            query, key, told = cell_said(page)
            if key > query:
                assert told == "not attended"
            else:
                exact = float(stack.weights(LAYER, HEAD, [query], [key])[0, 0])
                assert float(told) == pytest.approx(three_digits(exact), rel=0.01, abs=1e-6)
        page.mouse.wheel(0, -400)
        page.wait_for_timeout(200)
    rows, columns = seen(page)[:2], seen(page)[2:]
    assert rows[1] - rows[0] < len(stack.queries)
    assert columns[1] - columns[0] < len(stack.keys)


def test_what_is_seen_travels_in_the_link(page, server):
    opened(page, server)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 240, box["y"] + 220, steps=4)
    page.mouse.up()
    here = seen(page)
    expect(page).to_have_url(re.compile(r"rows=\d+-\d+"), timeout=READY)
    query = parse_qs(urlparse(page.url).query)
    assert query["rows"] == [f"{here[0]}-{here[1]}"]
    assert query["columns"] == [f"{here[2]}-{here[3]}"]
    opened(page, server, rows=query["rows"][0], columns=query["columns"][0])
    assert np.abs(np.array(seen(page)) - np.array(here)).max() <= 2


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


def test_the_heaviest_weights_off_the_sink_are_reached_and_listed(page, server, stack):
    weights = stack.weights(LAYER, HEAD).clone()
    weights[:, 0] = 0
    best = int(weights.argmax())
    opened(page, server)
    page.get_by_role("button", name="Heaviest").click()
    query, key, told = cell_said(page)
    assert (query, key) == divmod(best, len(stack.keys))
    assert float(told) == pytest.approx(float(weights.max()), rel=0.01)
    page.get_by_text("Heaviest weights as a table").click()
    rows = page.locator(".map tbody tr")
    expect(rows).to_have_count(100)
    listed = [float(row.locator("td").nth(2).inner_text()) for row in rows.all()[:20]]
    expected = weights.flatten().topk(20).values.tolist()
    np.testing.assert_allclose(listed, expected, rtol=0.01)


def test_a_span_along_an_axis_is_added_up(page, server, stack):
    opened(page, server, rows="100-130", columns="0-30")
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 300, steps=3)
    page.mouse.up()
    expect(page.locator(".map .said")).to_contain_text("together: most at")
    first, last = map(int, re.search(r"queries (\d+) to (\d+)", said(page)).groups())
    sums = stack.weights(LAYER, HEAD)[first : last + 1].sum(dim=0)
    key, told = re.search(r"most at .*?\((\d+)\) ([\d.]*\d)", said(page)).groups()
    assert int(key) == int(sums.argmax())
    assert float(told) == pytest.approx(float(sums.max()), rel=0.01)


def test_a_span_that_looks_at_nothing_is_said_to(page, server):
    """Rows of padding sum to nothing; here the answer is made so on its way."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    opened(page, server)
    page.route("**/sums/queries/**", lambda route: route.fulfill(body=bytes(4 * 400)))
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 300, steps=3)
    page.mouse.up()
    expect(page.locator(".map .said")).to_have_text(re.compile(r"^queries .* together: nothing$"))
    assert not problems


def test_a_brush_that_ends_on_the_pattern_pins_nothing_nor_does_the_small_map(page, server):
    opened(page, server, rows="100-130", columns="90-120")
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 300, steps=3)
    page.mouse.up()
    expect(page.locator(".map .said")).to_contain_text("together: most at")
    page.mouse.click(box["x"] + box["width"] - 110, box["y"] + 100)  # on the small map
    expect(page.locator(".map")).not_to_have_attribute("data-seen", "100 130 90 120")
    expect(page).not_to_have_url(re.compile("rows=100-130"), timeout=READY)
    settle(page)
    assert "token" not in parse_qs(urlparse(page.url).query)
    page.mouse.click(box["x"] + 200, box["y"] + 300)  # ends the sum
    cell_said(page)
    page.mouse.click(box["x"] + 200, box["y"] + 300)
    expect(page).to_have_url(re.compile(r"token=\d+"), timeout=READY)


def test_a_shorter_text_forgets_where_one_was_in_the_longer(page, server):
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    opened(page, server)
    page.get_by_role("searchbox").fill("queen")
    expect(page.locator(".map .hits")).to_have_text("12 found")
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.9 * (box["width"] - 62), box["y"] + 0.97 * box["height"])
    query, _, _ = cell_said(page)
    words = page.get_by_role("textbox", name="Text", exact=True)
    words.fill(TEXT[: TEXT.index("The queen fed the king")])
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".map .hits")).to_have_text("9 found", timeout=READY)
    settle(page)
    expect(page.locator('.map[data-state="sharp"]')).to_be_visible()
    assert seen(page)[1] < query, "there is no such query any more"
    assert page.locator(".map .problem").is_hidden()
    assert not problems


def test_a_search_that_is_ahead_of_the_names_finds_them(page, server):
    held: list = []
    page.route("**/units", lambda route: held.append(route))
    opened(page, server)
    find = page.get_by_role("searchbox")
    find.fill("the queen")
    expect(page.locator(".map .hits")).to_have_text("")
    assert held
    for one in held:
        one.continue_()
    expect(page.locator(".map .hits")).to_have_text("12 found")


def test_the_keys_of_the_browser_are_left_to_it(page, server):
    opened(page, server)
    taken = page.locator(".map canvas.over").evaluate(
        """over => ["+", "-", "0", "ArrowLeft"].map(key => {
            const event = new KeyboardEvent("keydown", {key, ctrlKey: true, cancelable: true});
            over.dispatchEvent(event);
            return event.defaultPrevented;
        })"""
    )
    assert taken == [False] * 4


def test_the_keyboard_alone_is_enough(page, server, stack):
    opened(page, server)
    over = page.locator(".map canvas.over")
    over.focus()
    over.press("ArrowDown")
    start = cell_said(page)
    over.press("ArrowDown")
    over.press("ArrowRight")
    query, key, _ = cell_said(page)
    assert query > start[0]
    assert key > start[1]
    whole = seen(page)
    for _ in range(4):
        over.press("+")
    expect(page.locator(".map")).not_to_have_attribute("data-seen", " ".join(map(str, whole)))
    page.wait_for_timeout(1500)  # the link is written meanwhile, and must not take the view back
    assert seen(page)[1] - seen(page)[0] < (whole[1] - whole[0]) / 8
    before = cell_said(page)
    over.press("ArrowDown")
    assert cell_said(page)[0] == before[0] + 1  # near enough, a step is one token
    over.press("Enter")
    expect(page).to_have_url(re.compile(rf"token={before[0] + 1}\b"), timeout=READY)
    over.press("Home")
    expect(page.locator(".map")).to_have_attribute("data-seen", " ".join(map(str, whole)))


def test_a_finger_moves_a_zoomed_map(browser, server):
    page = browser.new_page(viewport={"width": 390, "height": 900}, has_touch=True)
    opened(page, server, rows="100-130", columns="90-120")
    before = seen(page)
    box = page.locator(".map canvas.over").bounding_box()
    x, y = box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"]
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        places = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    touch("touchStart", (x, y))
    for step in range(1, 21):
        touch("touchMove", (x - 4 * step, y - 4 * step))
    touch("touchEnd")
    expect(page.locator(".map")).not_to_have_attribute("data-seen", " ".join(map(str, before)))
    rows = seen(page)
    assert rows[0] > before[0]
    assert rows[2] > before[2]
    assert rows[1] - rows[0] == pytest.approx(before[1] - before[0], abs=1), "it has not zoomed"
    page.close()


def test_means_of_blocks_may_be_drawn_instead(page, server):
    opened(page, server)
    tiles: list[str] = []
    page.on("request", lambda request: tiles.append(request.url))
    page.get_by_label("What a cell of a coarse picture is").select_option("mean")
    expect(page.locator('.map[data-state="sharp"]')).to_be_visible()
    assert any("/tile/mean/" in url for url in tiles)


def test_a_result_that_is_not_there_is_said_and_what_is_drawn_stays(page, server):
    opened(page, server)
    # The tile's address is changed on its way, so that the server's own answer is seen.
    page.route(
        "**/tile/**",
        lambda route: route.continue_(url=re.sub(r"loupe/\w+", "loupe/0", route.request.url)),
    )
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    problem = page.locator(".map .problem")
    page.get_by_label("What a cell of a coarse picture is").select_option("mean")
    expect(problem).to_contain_text("There is no result of that name. Press Run to make one.")
    assert page.locator(".map canvas").first.is_visible()


def test_another_head_is_shown_at_the_same_place(page, server, stack):
    opened(page, server, rows="100-130", columns="90-120")
    here = seen(page)
    page.get_by_label("All heads").press("ArrowRight")
    other = page.locator(f'.map[data-head="{LAYER}.{HEAD + 1}"][data-state="sharp"]')
    expect(other).to_be_visible(timeout=READY)
    assert seen(page) == here
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    query, key, told = cell_said(page)
    if told != "not attended":
        exact = float(stack.weights(LAYER, HEAD + 1, [query], [key])[0, 0])
        assert float(told) == pytest.approx(three_digits(exact), rel=0.01, abs=1e-6)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_at_any_width(page, server, scheme, width):
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, server)
    box = page.locator(".map").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width + 1
    painted = page.locator(".map canvas").first.evaluate(
        "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.filter((_, index) => index % 4 === 0)).size"
    )
    assert painted > 20, "the pattern has many shades"


def test_a_token_that_is_hovered_in_the_text_is_marked_on_the_map_and_back(page, server, stack):
    opened(page, server)
    token = page.locator(".strip .token").nth(40)
    token.hover()
    # Rows of a long text are fetched where the pointer rests.
    expect(page.locator(".strip .readout")).to_contain_text("(40)  looks at")
    row = stack.weights(LAYER, HEAD)[40]
    told = re.search(r"looks at\s+\S+ ([\d.]+)", page.locator(".strip .readout").inner_text())
    assert float(told[1]) == pytest.approx(float(row.max()), rel=0.01)
    overlay = "canvas => canvas.toDataURL()"
    marked = page.locator(".map canvas.over").evaluate(overlay)
    page.locator(".strip .token").nth(90).hover()
    page.wait_for_timeout(200)
    assert page.locator(".map canvas.over").evaluate(overlay) != marked
    page.locator(".map canvas.over").scroll_into_view_if_needed()
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"])
    query, key, _ = cell_said(page)
    linked = page.locator(".strip .token.linked")
    expect(linked).to_have_count(2)
    assert {int(one.get_attribute("data-index")) for one in linked.all()} == {query, key}


def test_a_browser_without_webgl_shows_the_same(browser_type, browser_type_launch_args, server):
    without = [*browser_type_launch_args["args"], "--disable-3d-apis"]
    browser = browser_type.launch(**{**browser_type_launch_args, "args": without})
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    opened(page, server)
    assert not page.evaluate("Boolean(document.createElement('canvas').getContext('webgl'))")
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.8 * box["height"])
    cell_said(page)
    expect(page.locator(".grid canvas")).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    assert not problems
    browser.close()


def test_a_page_that_is_closed_stops_its_pass(browser, server):
    app = next(
        one
        for one in psutil.process_iter(["cmdline"])
        if urlparse(server).netloc.split(":")[1] in (one.info["cmdline"] or [])
    )
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{server}/?model=smollm2&dtype=float32&text=the")
    settle(page)
    page.get_by_role("textbox", name="Text", exact=True).fill("the cat saw the dog " * 1200)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("Running the model")).to_be_visible(timeout=READY)
    assert busy(app, 2) > 0.5, "the pass takes longer than this"
    context.close()
    deadline = time.monotonic() + 30  # a layer that has begun is finished
    while busy(app, 2) > 0.2:
        assert time.monotonic() < deadline, "the pass goes on for nobody"


def busy(app: psutil.Process, seconds: float) -> float:
    """How many cores a process uses, over so many seconds."""
    return app.cpu_percent(seconds) / 100


def test_the_heaviest_weights_are_a_file(page, server, stack):
    opened(page, server)
    page.get_by_text("Heaviest weights as a table").click()
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


def opened_demo(page: Page, server: str, **more: object) -> Page:
    """The small model reads a text of 402 tokens."""
    asked = {"text": DEMO_TEXT, "layer": 2, "head": 3, **more}
    page.goto(f"{server}/?{urlencode(asked)}")
    expect(page.locator('.map[data-state="sharp"]')).to_be_visible(timeout=READY)
    settle(page)
    page.locator(".map canvas.over").scroll_into_view_if_needed()
    return page


def test_nothing_of_the_text_before_stays_on_the_map(page, server):
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    opened_demo(page, server)
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.95 * box["height"])
    assert cell_said(page)[0] > 300
    page.get_by_role("searchbox").fill("dog")
    expect(page.locator(".map .hits")).to_have_text("80 found")
    page.get_by_role("textbox", name="Text", exact=True).fill("my queen fed the king " * 55)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".map .hits")).to_have_text("0 found", timeout=READY)
    expect(page.locator('.map[data-state="sharp"]')).to_have_attribute("data-seen", "0 277 0 277")
    expect(page.locator(".map .said")).to_contain_text("Hover a cell")
    assert not problems


def test_every_way_of_moving_is_in_the_link(page, server):
    opened_demo(page, server)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    expect(page).to_have_url(re.compile(r"rows=\d+-\d+"), timeout=READY)
    expect(page).to_have_url(re.compile(f"rows={seen(page)[0]}-{seen(page)[1]}"), timeout=READY)
    page.locator(".map canvas.over").press("Home")
    expect(page).to_have_url(re.compile(r"rows=0-402"), timeout=READY)


def test_a_brush_or_the_small_map_pins_nothing_and_a_click_ends_the_sum(page, server):
    opened_demo(page, server, rows="100-130", columns="90-120")
    box = page.locator(".map canvas.over").bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 300, steps=3)
    page.mouse.up()
    expect(page.locator(".map .said")).to_contain_text("together: most at")
    page.mouse.click(box["x"] + 300, box["y"] + 300)
    query, _, _ = cell_said(page)
    before = seen(page)
    page.mouse.click(box["x"] + box["width"] - 80, box["y"] + 96)
    expect(page.locator(".map")).not_to_have_attribute("data-seen", " ".join(map(str, before)))
    settle(page)
    assert "token=" not in page.url
    page.mouse.click(box["x"] + 300, box["y"] + 300)
    query, _, _ = cell_said(page)
    expect(page).to_have_url(re.compile(rf"token={query}\b"), timeout=READY)


def test_a_tap_says_a_weight_and_a_finger_on_an_axis_adds_up(browser, server):
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    opened_demo(page, server)
    box = page.locator(".map canvas.over").bounding_box()
    page.touchscreen.tap(box["x"] + 200, box["y"] + 200)
    query, _, _ = cell_said(page)
    expect(page).to_have_url(re.compile(rf"token={query}\b"), timeout=READY)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *down: float) -> None:
        places = [{"x": box["x"] + 20, "y": box["y"] + y} for y in down]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    settle(page)
    touch("touchStart", 150)
    for step in range(1, 11):
        touch("touchMove", 150 + 10 * step)
    touch("touchEnd")
    expect(page.locator(".map .said")).to_contain_text("together: most at")
    first, last = map(int, re.search(r"queries (\d+) to (\d+)", said(page)).groups())
    assert last > first + 50
    page.close()


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
