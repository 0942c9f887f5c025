"""Which browser gets parts of which results, over real HTTP on the app's own server."""

from __future__ import annotations

import re
from typing import Any

import httpx2 as httpx
import pytest
from starlette.applications import Starlette

import app as launcher
from tests.service.tile_browser import (
    BROWSER,
    OTHER,
    TEXT,
    app_of,
    browser_on,
    finished,
    get,
    visited,
)
from viz.service import Request, Workbench
from viz.service.browser_sessions import COOKIE, BrowserCookie


@pytest.mark.parametrize("token", ["forged", "a.b", "0" * 32 + "." + "0" * 64, "%00", "ü.ü"])
def test_a_forged_token_opens_nothing(client, token):
    answer = get(client, f"/loupe/{token}/self/0/0/tile/max/0/0/0")
    assert answer.status_code == 404
    assert "has a result of that name" in answer.json()["error"]


def test_only_a_browser_that_has_the_page_open_gets_a_tile():
    bench, open_pages = Workbench(), {"me", "you"}
    bench.visitors.note("me", BROWSER, lambda: "me" in open_pages)
    bench.visitors.note("you", OTHER, lambda: "you" in open_pages)
    app = app_of(bench)
    token = bench.analyse("me", Request("demo", "the dog"), lambda *_: None).token
    paths = [
        f"/loupe/{token}/self/{rest}"
        for rest in (
            *("units", "0/0/tile/max/0/0/0", "0/0/tile/mean/0/0/0", "0/0/weight/0/1"),
            *("0/0/edges", "0/0/sums/keys/0/1", "0/0/sums/queries/0/1"),
        )
    ]

    def statuses(name: str, **more: Any) -> set[int]:
        return {get(lambda: browser_on(app, name), path, **more).status_code for path in paths}

    assert statuses(BROWSER) == {200}
    assert statuses("") == statuses("guess") == statuses(OTHER) == {404}
    known = {path: get(lambda: browser_on(app), path).headers["ETag"] for path in paths}
    assert len(set(known.values())) == len(paths)
    open_pages.remove("me")
    assert statuses(BROWSER) == {404}
    for path, tag in known.items():
        answer = get(lambda: browser_on(app), path, headers={"If-None-Match": tag})
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("No page that this browser has open")
        assert "Press Run" in answer.json()["hint"]


def test_a_page_without_a_cookie_owns_tiles_that_nobody_gets():
    bench = Workbench()
    bench.visitors.note("me", "", lambda: True)
    token = bench.analyse("me", Request("demo", "the dog"), lambda *_: None).token
    for name in ("", OTHER):
        answer = get(
            lambda name=name: browser_on(app_of(bench), name), f"/loupe/{token}/self/units"
        )
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("asked", "cookies", "named"),
    [
        ({"accept": "text/html,*/*"}, "", True),
        ({"accept": "text/html"}, f"{COOKIE}=short", True),
        ({"accept": "text/html"}, f"{COOKIE}={OTHER}", False),
        ({"accept": "image/png"}, "", False),
    ],
)
def test_a_document_names_a_browser_that_has_no_name(asked, cookies, named):
    app = BrowserCookie(Starlette())
    cookie = get(
        lambda: browser_on(app, ""), "/", headers={**asked, "cookie": cookies}
    ).headers.get("set-cookie", "")
    assert bool(cookie) == named
    if named:
        assert re.fullmatch(rf"{COOKIE}=[\w-]{{43}}; Path=/; HttpOnly; SameSite=Lax", cookie)


@pytest.mark.parametrize(
    "path",
    ["/", "/x/self/-1/0/tile/max/0/0/0", "/x/self/0/0/tile/max/0/0/-1", "/x/self/0/0/edges/1"],
)
def test_what_no_route_answers_is_refused_and_not_the_page(path):
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(launcher.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://loupe") as browser:
            return await browser.get(f"/loupe{path}", follow_redirects=True)

    answer = finished(ask())
    assert answer.status_code == 404
    assert answer.json()["hint"] == "Open the page and press Run."


def test_a_result_that_was_let_go_is_gone(client):
    bench = visited(Workbench())
    app = app_of(bench)
    token = bench.analyse("me", Request("demo", "the dog"), lambda *_: None).token
    bench._results.drop(("me", Request("demo", "the dog")))
    answer = get(lambda: browser_on(app), f"/loupe/{token}/self/0/0/tile/max/0/0/0")
    assert answer.status_code == 410
    assert "press run" in answer.json()["hint"].lower()


def test_others_cannot_name_a_result(analysis, bench):
    other = bench.analyse("you", Request("demo", TEXT), lambda *_: None)
    assert other.token != analysis.token
    assert len(other.token) > 64
