"""Parts of the canvas components by themselves, loaded into an empty page as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from components.canvas.payload import module
from components.canvas.token_strip import HTML

CANVAS = Path(__file__).parents[2] / "components" / "canvas"
EMPTY = "http://parts.test/"

# Text of two tokens, the second pinned.
STRIP = {
    "unit": "token",
    "two": False,
    "units": None,
    "base": None,
    "pinned": 1,
    "direction": "looks at",
    "palette": [0] * 768,
    "texts": {
        side: {
            "labels": ["the", "cat"],
            "special": [False, False],
            "starts": [True, True],
            "breaks": [False, False],
        }
        for side in ("queries", "keys")
    },
}


@pytest.fixture(scope="module")
def loaded(shared_page: Page) -> Page:
    """A page that holds what the map is made of."""
    page = shared_page
    page.route(EMPTY, lambda route: route.fulfill(body="<p>empty", content_type="text/html"))
    page.goto(EMPTY)
    for name in ("paint", "tile_store", "plane", "map_drawing", "map_finding", "map_words"):
        page.add_script_tag(content=(CANVAS / f"{name}.js").read_text())
    return page


@pytest.fixture
def parts(loaded: Page):
    """The page, which every test finds empty and with no answers made up."""
    yield loaded
    loaded.unroute_all()
    loaded.evaluate("document.body.replaceChildren()")


def tile(route) -> None:
    route.fulfill(body=bytes(2), headers={"X-Rows": "1", "X-Columns": "1"})


def test_a_tile_that_is_given_up_and_wanted_again_comes(parts):
    """What a hand does within one frame: away, and back before the first request has ended."""
    parts.route("**/tile/**", tile)
    came = parts.evaluate(
        """() => new Promise((done) => {
            const store = new TileStore("/head", () => store.get("max", 0, 1, 1) && done(true), done);
            store.want(["max/0/1/1"]);
            store.want(["max/0/2/2"]);
            store.want(["max/0/1/1"]);
            setTimeout(() => done("it never came"), 5000);
        })"""
    )
    assert came is True


def test_a_server_that_answers_again_is_not_said_to_be_silent(parts):
    answers = iter([lambda route: route.abort(), tile])
    parts.route("**/tile/**", lambda route: next(answers)(route))
    said = parts.evaluate(
        """() => new Promise((done) => {
            const said = [];
            const store = new TileStore("/head", () => done(said), (words) => {
                said.push(words);
                if (words) store.want(["max/0/1/1"]);
            });
            store.want(["max/0/0/0"]);
        })"""
    )
    assert [bool(words) for words in said] == [True, False]
    assert "does not answer" in said[0]


@pytest.mark.parametrize(
    ("queries", "keys"), [(10, 131_072), (131_072, 10), (16_384, 16_384), (300, 300), (1, 1)]
)
def test_no_view_needs_more_tiles_than_are_kept(parts, queries, keys):
    counted, count, kept = parts.evaluate(
        """([queries, keys]) => {
            const levels = 1 + Math.max(0, Math.ceil(Math.log2(Math.max(queries, keys) / TILE_SIDE)));
            const geometry = new Geometry(700, 560, {queries, keys});
            const level = geometry.level(levels);
            return [geometry.tileCount(level), geometry.tiles(level).length, KEPT_TILES];
        }""",
        [queries, keys],
    )
    assert 1 <= count == counted <= kept


@pytest.mark.parametrize(
    ("query", "key", "queries", "found"),
    [(5, 5, 20, 5), (9, 5, 20, 9), (2, 5, 20, 5), (5, 5, 1, 0), (3, 50, 20, 19), (0, 0, 20, 0)],
)
def test_a_hit_is_looked_at_from_a_query_that_is_there(parts, query, key, queries, found):
    assert parts.evaluate("(at) => lookingFrom(...at)", [query, key, queries]) == found


def test_a_text_that_was_taken_off_the_page_hears_no_keys(parts):
    sent = parts.evaluate(
        """async ([code, html, data]) => {
            const url = URL.createObjectURL(new Blob([code], {type: "text/javascript"}));
            const parentElement = document.body.appendChild(document.createElement("div"));
            parentElement.innerHTML = html;
            const sent = [];
            const setTriggerValue = (name, value) => sent.push(value);
            const {default: show} = await import(url);
            const escape = () => document.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
            show({data, parentElement, setTriggerValue});
            escape();
            show({data, parentElement, setTriggerValue})();
            escape();
            return sent;
        }""",
        [module("token_strip", "linked", "tile_store", "token_text"), HTML, STRIP],
    )
    assert sent == [-1], "the first let go of the pinned token, the second of nothing"


@pytest.mark.parametrize("weight", [0.064439, 0.12345, 0.99951, 1.2345e-4, 3.4567e-8])
def test_the_text_says_the_digits_of_the_float32_weight(parts, weight):
    """Of float16 they would often be others: 0.064439 is 0.06445 there, and was said as 0.0645."""
    said = parts.evaluate(
        """async ([code, html, data, weight]) => {
            const url = URL.createObjectURL(new Blob([code], {type: "text/javascript"}));
            const parentElement = document.body.appendChild(document.createElement("div"));
            parentElement.innerHTML = html;
            const {default: show} = await import(url);
            const column = {toArray: () => Float32Array.from([1, 0, weight, 1 - weight])};
            show({data: {...data, table: {getChildAt: () => column}}, parentElement, setTriggerValue() {}});
            return parentElement.querySelector(".token").title;
        }""",
        [module("token_strip", "linked", "tile_store", "token_text"), HTML, STRIP, weight],
    )
    assert float(said) == pytest.approx(float(f"{weight:.3g}"), rel=1e-9)


def test_until_the_weight_of_a_cell_has_come_the_map_says_it_nearly(parts):
    said = parts.evaluate(
        """() => {
            const tile = {columns: 1, bits: Uint16Array.of(0x2c20)};  // 0.064453, of a weight of 0.064439
            const store = {base: "head", kept: new Map([["max/0/0/0", tile]])};
            const at = {query: 0, key: 0};
            const exact = {base: "head", ...at, weight: 0.064439};
            return [weightSaid({store: {base: "head", kept: new Map()}}, at), weightSaid({store}, at), weightSaid({store, exact}, at)];
        }"""
    )
    assert said == ["…", "≈ 0.064", "0.0644"]
