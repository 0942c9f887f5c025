"""What a browser gets from the tile routes, over real HTTP on the app's own server."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import httpx2 as httpx
import numpy as np
import pytest
import torch

from tests.service.tile_browser import (
    TEXT,
    app_of,
    browser_on,
    finished,
    get,
    numbers,
)
from viz.figures import sink_of
from viz.patterns import survey
from viz.patterns.attention_sinks import sink_key
from viz.service import Analysis, Request, Workbench
from viz.service.tile_data import Tiles
from viz.service.tile_routes import WAITING


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


def test_a_tile_that_a_browser_has_is_not_sent_again(client, analysis):
    path = f"/loupe/{analysis.token}/self/2/3/tile/max/0/0/0"
    first = get(client, path)
    again = get(client, path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = get(
        client, path.replace("max", "mean"), headers={"If-None-Match": first.headers["ETag"]}
    )
    assert other.status_code == 200


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

    waits = SimpleNamespace(
        tiles=Tiles(slow),
        effect_tiles=bench.effect_tiles,
        permit=bench.permit,
        tile_threads=2,
    )
    app = app_of(waits)

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
