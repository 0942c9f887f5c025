"""What a browser gets from the tile routes, over real HTTP on the app's own server."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx2 as httpx
import numpy as np
import pytest
import torch
from starlette.applications import Starlette

import app as launcher
from viz.effects import Target
from viz.figures import sink_of
from viz.patterns import survey
from viz.patterns.attention_sinks import sink_key
from viz.service import Analysis, Request, Workbench
from viz.service.browser_sessions import COOKIE, BrowserCookie
from viz.service.tile_routes import WAITING, tile_routes

TEXT = "The cat sat on the mat because it was tired. " * 12

# What a browser is called, and another one.
BROWSER, OTHER = "b" * 43, "o" * 43

Result = TypeVar("Result")


def finished(work: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns, in a thread of its own: a browser of other tests may run a loop here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def bench() -> Workbench:
    return visited(Workbench())


def visited(bench: Workbench) -> Workbench:
    """Let a page be open, whose results belong to "me"."""
    bench.visitors.note("me", BROWSER, lambda: True)
    return bench


def app_of(bench: Workbench, **more: Any) -> Starlette:
    given = {"find": bench.shown, "permit": bench.permit, "find_effects": bench.shown_effects}
    return Starlette(routes=tile_routes(**{**given, **more}))


def browser_on(app: Any, name: str = BROWSER) -> httpx.AsyncClient:
    transport, cookies = httpx.ASGITransport(app), {COOKIE: name} if name else {}
    return httpx.AsyncClient(transport=transport, base_url="http://loupe", cookies=cookies)


@pytest.fixture(scope="module")
def analysis(bench) -> Analysis:
    return bench.analyse("me", Request("demo", TEXT), lambda *_: None)


@pytest.fixture
def client(bench):
    app = app_of(bench)
    return lambda name=BROWSER: browser_on(app, name)


def get(client, path: str, **more: Any) -> httpx.Response:
    async def one() -> httpx.Response:
        async with client() as browser:
            return await browser.get(path, **more)

    return finished(one())


def numbers(answer: httpx.Response, dtype: str) -> np.ndarray:
    return np.frombuffer(answer.content, dtype)


def test_a_tile_is_the_weights_themselves(client, analysis):
    stack = analysis.trace.stacks["self"]
    answer = get(client, f"/loupe/{analysis.token}/self/2/3/tile/max/0/0/0")
    assert answer.status_code == 200
    shape = int(answer.headers["X-Rows"]), int(answer.headers["X-Columns"])
    got = numbers(answer, "<f2").reshape(shape).astype(np.float32)
    rows, columns = (slice(0, side) for side in shape)
    expected = stack.weights(2, 3, rows, columns).numpy()
    attended = stack.attended(2, 3, rows, columns).numpy()
    np.testing.assert_array_equal(np.isnan(got), ~attended)
    np.testing.assert_allclose(np.nan_to_num(got), expected, atol=1e-7, rtol=1e-3)
    assert answer.headers["Content-Encoding"] == "identity"
    assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.fixture(scope="module")
def spoken(bench) -> Analysis:
    """Of a model that predicts."""
    return bench.analyse("me", Request("loupe", TEXT), lambda *_: None)


@pytest.fixture(scope="module")
def effects(bench, spoken):
    """Effects of the last prediction, and where parts of a head's are."""
    target = Target()
    found = bench.effects("me", spoken.request, target, lambda *_: None)
    name = bench.effects_name("me", spoken.request, target)
    return found, lambda kind: f"/loupe/{spoken.token}/self/effects/{name}/{kind}/2/3"


@pytest.mark.parametrize("kind", ["weight_gradient", "gradient", "positive", "value_norm", "share"])
def test_a_tile_of_effects_is_shares_of_the_largest(client, effects, kind):
    found, at = effects
    answer = get(client, f"{at(kind)}/tile/max/0/0/0")
    assert answer.status_code == 200
    shape = int(answer.headers["X-Rows"]), int(answer.headers["X-Columns"])
    got = numbers(answer, "<f2").reshape(shape).astype(np.float32)
    stack = found.trace.stacks["self"]
    whole = found.weights(kind, 2, 3).numpy()
    attended = stack.attended(2, 3).numpy()
    largest = np.abs(whole[attended]).max()
    rows, columns = shape
    np.testing.assert_array_equal(np.isnan(got), ~attended[:rows, :columns])
    shares = np.where(attended, whole, 0)[:rows, :columns] / largest
    np.testing.assert_allclose(np.nan_to_num(got), shares, atol=1e-3)
    assert np.nanmax(np.abs(got)) == pytest.approx(np.abs(shares).max(), abs=1e-3)


def test_what_a_weight_does_and_which_do_most(client, effects):
    found, at = effects
    base = at("weight_gradient")
    whole = found.weights("weight_gradient", 2, 3)
    told = get(client, f"{base}/weight/40/12").json()["weight"]
    assert told == pytest.approx(float(whole[40, 12]), rel=1e-5)
    assert get(client, f"{base}/weight/12/40").json()["weight"] is None
    listed = get(client, f"{base}/edges").json()
    values, queries, keys = (torch.tensor(listed[name]) for name in ("weights", "queries", "keys"))
    torch.testing.assert_close(values, whole[queries, keys])
    assert float(values[0].abs()) == pytest.approx(float(whole.abs().max()))
    assert bool((values.abs().diff() <= 1e-9).all())
    summed = numbers(get(client, f"{base}/sums/queries/10/20"), "<f4")
    np.testing.assert_allclose(summed, whole[10:20].sum(dim=0).numpy(), atol=1e-6)
    summed = numbers(get(client, f"{base}/sums/keys/0/5"), "<f4")
    np.testing.assert_allclose(summed, whole[:, :5].sum(dim=1).numpy(), atol=1e-6)


def test_effects_are_for_the_browser_that_has_their_page_open(client, bench, spoken, effects):
    _, at = effects
    path = f"{at('weight_gradient')}/tile/max/0/0/0"
    assert get(lambda: client(OTHER), path).status_code == 404
    # Nor are those of another text to be had by the name of this one's result.
    other = bench.analyse("me", Request("demo", "Another text."), lambda *_: None)
    assert get(client, path.replace(spoken.token, other.token)).status_code == 410
    assert get(client, path.replace("/effects/", "/effects/0")).status_code == 410
    refused = get(client, f"{at('importance')}/tile/max/0/0/0")
    assert refused.status_code == 404
    assert "no kind of weights" in refused.json()["error"]
    assert get(client, f"{at('gradient')}/tile/max/5/0/0").status_code == 404


def test_names_are_data(client, analysis):
    stack = analysis.trace.stacks["self"]
    told = get(client, f"/loupe/{analysis.token}/self/units").json()
    assert told["queries"]["labels"] == list(stack.queries.labels)
    assert told["keys"]["labels"] == list(stack.keys.labels)


@pytest.mark.parametrize("off_sink", [0, 1])
def test_the_strongest_edges_are_the_largest_weights(client, analysis, off_sink):
    stack = analysis.trace.stacks["self"]
    weights = stack.weights(1, 0).clone()
    if off_sink:
        weights[:, sink_of(weights.numpy(), stack.keys)] = 0
    told = get(client, f"/loupe/{analysis.token}/self/1/0/edges?off_sink={off_sink}").json()
    best = weights.flatten().topk(len(told["weights"])).values
    torch.testing.assert_close(torch.tensor(told["weights"]), best, atol=1e-6, rtol=0)


@pytest.mark.parametrize("head", range(12))
def test_the_sink_is_the_key_that_takes_most_of_a_head(analysis, head):
    stack = analysis.trace.stacks["self"]
    found = sink_key(stack.record(2), head, None, stack.keys)
    assert found == sink_of(stack.weights(2, head).numpy(), stack.keys)


def test_a_weight_is_told_in_full_precision(client, analysis):
    stack = analysis.trace.stacks["self"]
    weights = stack.weights(3, 1)
    for query, key in ((0, 0), (7, 3), (len(stack.queries) - 1, len(stack.keys) - 1)):
        told = get(client, f"/loupe/{analysis.token}/self/3/1/weight/{query}/{key}").json()
        assert told["weight"] == pytest.approx(float(weights[query, key]), rel=1e-5)


def test_a_weight_where_nothing_may_be_looked_at_is_none(bench, client):
    windowed = bench.analyse("me", Request("smollm2", "the dog saw"), lambda *_: None)
    told = get(client, f"/loupe/{windowed.token}/self/0/0/weight/0/2").json()
    assert told == {"weight": None}


@pytest.mark.parametrize(("side", "axis"), [("queries", 0), ("keys", 1)])
def test_a_span_is_summed_over(client, analysis, side, axis):
    weights = analysis.trace.stacks["self"].weights(1, 2)
    part = weights[5:20] if side == "queries" else weights[:, 5:20]
    answer = get(client, f"/loupe/{analysis.token}/self/1/2/sums/{side}/5/20")
    np.testing.assert_allclose(numbers(answer, "<f4"), part.sum(axis).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("self/0/0/tile/max/0/99/0", "There is no tile 99, 0 at level 0"),
        ("self/0/0/tile/max/40/0/0", "There is no tile 0, 0 at level 40"),
        ("self/0/99/tile/max/0/0/0", "There is no head 99 in layer 0"),
        ("self/99/0/tile/max/0/0/0", "There is no layer 99"),
        ("cross/0/0/tile/max/0/0/0", "There is no stack 'cross'"),
        ("self/0/0/tile/median/0/0/0", "There is no pooling 'median'"),
        ("self/0/0/sums/rows/0/5", "There is no axis 'rows'"),
        ("self/0/0/sums/keys/5/5", "are no span"),
        ("self/0/0/sums/keys/0/99999", "are no span"),
        ("self/0/0/weight/0/99999", "There is no cell 0, 99999"),
        ("self/0/0/tile/max/0/0/" + "9" * 5000, "There is nothing"),
        ("nothing/units", "There is no stack 'nothing'"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(client, analysis, path, sentence):
    answer = get(client, f"/loupe/{analysis.token}/{path}")
    assert answer.status_code == 404
    assert sentence in answer.json()["error"]


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


def test_a_tile_that_a_browser_has_is_not_sent_again(client, analysis):
    path = f"/loupe/{analysis.token}/self/2/3/tile/max/0/0/0"
    first = get(client, path)
    again = get(client, path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = get(
        client, path.replace("max", "mean"), headers={"If-None-Match": first.headers["ETag"]}
    )
    assert other.status_code == 200


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


def test_a_thousand_tiles_at_once_are_served_or_put_off(client, analysis):
    async def all_at_once() -> list[httpx.Response]:
        async with client() as browser:
            paths = [
                f"/loupe/{analysis.token}/self/{n % 4}/{n % 3}/tile/mean/0/0/0" for n in range(1000)
            ]
            return await asyncio.gather(*(browser.get(path) for path in paths))

    answers = finished(all_at_once())
    assert {answer.status_code for answer in answers} <= {200, 429}
    served = [answer for answer in answers if answer.status_code == 200]
    assert len(served) >= WAITING
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all("at once" in answer.json()["error"] for answer in refused)


def test_the_event_loop_goes_on_while_a_tile_is_made(bench, analysis):
    """The finder is what blocks here; nothing else of the server may wait for it."""
    release = threading.Event()

    def slow(token: str) -> Analysis:
        release.wait(20)
        return bench.shown(token)

    app = app_of(bench, find=slow)

    async def both() -> float:
        async with browser_on(app) as browser:
            path = f"/loupe/{analysis.token}/self/0/0/tile/max/0/0/0"
            waiting = asyncio.create_task(browser.get(path))
            await asyncio.sleep(0.1)
            start = time.perf_counter()
            answer = await browser.get("/loupe/nowhere")
            seconds = time.perf_counter() - start
            release.set()
            assert answer.status_code == 404
            assert (await waiting).status_code == 200
            return seconds

    assert finished(both()) < 10


def test_others_cannot_name_a_result(analysis, bench):
    other = bench.analyse("you", Request("demo", TEXT), lambda *_: None)
    assert other.token != analysis.token
    assert len(other.token) > 64


def test_a_cancelled_run_goes_on_where_it_stopped():
    bench = Workbench()
    request = Request("demo", TEXT)
    phases: list[str] = []

    class Cancelled(Exception):
        pass

    def cancel(phase: str, share: float) -> None:
        phases.append(phase)
        if phase == "draw" and share > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        bench.analyse("me", request, cancel)
    assert "forward" in phases
    again: list[str] = []
    analysis = bench.analyse("me", request, lambda phase, _: again.append(phase))
    assert "forward" not in again
    whole = survey(analysis.trace.stacks["self"])
    np.testing.assert_array_equal(
        analysis.statistics["self"].entropy_nats, whole.statistics.entropy_nats
    )
