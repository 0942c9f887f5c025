"""Eight people at once, who run, look, ask for effects, cancel, close and come back: each sees what is theirs."""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.service.tile_browser import app_of, browser_on
from viz.effects import Target
from viz.errors import BusyError
from viz.service import Request, Workbench
from viz.service.limits import Limits

PEOPLE = ["otter", "zebra", "heron", "camel", "lynx", "moose", "gecko", "tapir"]
ACTS = ["run", "run", "run", "look", "look", "pry", "pry", "effects", "cancel", "close", "twice"]
STEPS = 10
LONGEST = 120


class Cancelled(BaseException):
    """As Streamlit stops a script."""


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The server's loop, in a thread of its own."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(LONGEST)
    made.close()


class Person:
    """Somebody with a browser, whose pages come and go.

    Args:
        world: what all of them share.
        name: of an animal, which is in each of their texts and in nobody else's.
        seed: of what they do.
    """

    def __init__(self, world: World, name: str, seed: int) -> None:
        self.world, self.name = world, name
        self.chance = random.Random(f"{name} {seed}")
        self.browser = f"{name:_<43}"
        self.pages = 0
        self.open()

    def open(self) -> None:
        """Open a page; the one before is closed."""
        self.pages += 1
        self.owner = f"{self.name} {self.pages}"
        self.mine: list[tuple[str, str]] = []
        mine = self.owner
        self.world.bench.visitors.note(mine, self.browser, lambda: self.owner == mine)

    def live(self) -> None:
        """Do one thing after the other, and look at what comes of each."""
        for _ in range(STEPS):
            getattr(self, self.chance.choice(ACTS))()

    def text(self) -> str:
        return f"The {self.name} saw {self.chance.randint(2, 6)} of them, and the {self.name} left."

    def run(self) -> None:
        request = Request("loupe", self.text())
        found = self.world.bench.analyse(self.owner, request, lambda *_: None)
        assert found.request == request
        assert found.trace.text == request.text
        assert self.world.bench.so_far(self.owner, request) is found
        self.mine.append((found.token, request.text))
        self.world.tokens.append((self.name, self.owner, found.token))
        self.look()

    def look(self) -> None:
        """Fetch parts of a result that is on screen, as its page does."""
        if not self.mine:
            return
        token, text = self.mine[-1]
        units = self.world.get(self.browser, f"/loupe/{token}/self/units")
        assert units.status_code == 200
        labels = json.loads(units.content)["queries"]["labels"]
        assert letters(text) in letters("".join(labels))
        tile = self.world.get(self.browser, f"/loupe/{token}/self/1/2/tile/max/0/0/0")
        assert tile.status_code == 200
        rows, columns = int(tile.headers["X-Rows"]), int(tile.headers["X-Columns"])
        assert rows == columns == len(labels)
        own = self.world.bench.shown(token).trace.stacks["self"].weights(1, 2)
        got = np.frombuffer(tile.content, "<f2").reshape(rows, columns).astype(np.float32)
        np.testing.assert_allclose(np.nan_to_num(got), own.numpy(), atol=1e-3)

    def pry(self) -> None:
        """Ask for what others have, and for what one's own closed pages had."""
        if not self.world.tokens:
            return
        whose, owner, token = self.chance.choice(self.world.tokens)
        answer = self.world.get(self.browser, f"/loupe/{token}/self/1/2/tile/max/0/0/0")
        if whose != self.name or owner != self.owner:
            assert answer.status_code == 404
            assert "has a result of that name" in answer.json()["error"]

    def effects(self) -> None:
        request, target = Request("loupe", self.text()), Target()
        found = self.world.bench.effects(self.owner, request, target, lambda *_: None)
        assert found.trace.text == request.text
        assert self.world.bench.known_effects(self.owner, request, target) is found
        for name in PEOPLE:
            if name != self.name:
                assert self.world.bench.known_effects(f"{name} 1", request, target) is None

    def cancel(self) -> None:
        """Let go of a run: at once, or some way into it."""
        told, until = 0, self.chance.randint(0, 6)

        def progress(_phase: str, _share: float) -> None:
            nonlocal told
            told += 1
            if told > until:
                raise Cancelled

        request = Request("loupe", f"{self.text()} {self.chance.random()}")
        with pytest.raises(Cancelled):
            self.world.bench.analyse(self.owner, request, progress)
        assert self.world.bench.result(self.owner, request) is None

    def close(self) -> None:
        """Close the page, and open another: what the first had is gone for this browser, too."""
        before = list(self.mine)
        self.open()
        for token, _ in before[-1:]:
            assert self.world.get(self.browser, f"/loupe/{token}/self/units").status_code == 404

    def twice(self) -> None:
        """Run in two pages at once, which share a turn and nothing else."""
        second = f"{self.owner} beside"
        self.world.bench.visitors.note(second, self.browser, lambda: True)
        requests = {owner: Request("loupe", self.text()) for owner in (self.owner, second)}
        with ThreadPoolExecutor(2) as threads:
            found = list(
                threads.map(
                    lambda one: self.world.bench.analyse(*one, lambda *_: None), requests.items()
                )
            )
        assert [one.request for one in found] == list(requests.values())
        assert found[0].token != found[1].token


class World:
    """One app, and what all who use it know of."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Small enough for results to be let go of while others are looked at.
        self.bench = Workbench(limits=Limits(kept_bytes=30_000_000, kept_each_bytes=3_000_000))
        self.tokens: list[tuple[str, str, str]] = []
        self._loop, self._app = loop, app_of(self.bench)

    def get(self, browser: str, path: str):
        """Fetch something with a browser's cookie."""

        async def fetched():
            async with browser_on(self._app, browser) as client:
                return await client.get(path)

        return asyncio.run_coroutine_threadsafe(fetched(), self._loop).result(LONGEST)


def letters(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())


@pytest.mark.parametrize("seed", range(2))
def test_nobody_ever_sees_what_is_anothers(loop, seed):
    world = World(loop)
    people = [Person(world, name, seed) for name in PEOPLE]
    with ThreadPoolExecutor(len(people)) as threads:
        for done in [threads.submit(one.live) for one in people]:
            done.result(LONGEST)
    assert len(world.bench.queue) == 0
    assert world.bench.before("whoever") == 0
    assert {name for name, *_ in world.tokens} == set(PEOPLE)


def test_one_browser_has_no_more_runs_waiting_than_it_may(loop):
    bench = Workbench(limits=Limits(passes=1, waiting_each=1))
    for owner in ("first", "second", "third"):
        bench.visitors.note(owner, f"{'b':_<43}", lambda: True)
    held, ends = threading.Event(), threading.Event()

    def hold() -> None:
        with bench.turn("first", lambda *_: None):
            held.set()
            assert ends.wait(LONGEST)

    with ThreadPoolExecutor(2) as threads:
        holding = threads.submit(hold)
        assert held.wait(LONGEST)
        told = threading.Event()
        waiting = threads.submit(
            bench.analyse,
            "second",
            Request("loupe", "a"),
            lambda phase, _: phase == "wait" and told.set(),
        )
        assert told.wait(LONGEST)
        assert bench.before("somebody else") == 2
        with pytest.raises(BusyError, match="1 run is waiting in this browser already"):
            bench.analyse("third", Request("loupe", "b"), lambda *_: None)
        ends.set()
        holding.result(LONGEST)
        assert waiting.result(LONGEST).trace.text == "a"
