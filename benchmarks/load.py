"""Fifty people at once, on one machine, with the default model: how long from Run to the picture, and whose it is.

Each session is what a browser is to the app: a document with its cookie, a websocket with Streamlit's own messages, tiles beside
it (`benchmarks.protocol_page`); `--browsers` of them are real Chromium pages instead, which draw what they get. Every
session has texts of its own. Run to picture is from pressing Run until the grid of all heads and one tile are there. In
one run of the app, in turn:

- alone: one session, text after text;
- a class: each session presses Run once at its own moment within half a minute, as people do who read in between;
- all at once: every session presses Run in the same moment.

Then each session asks for the tokens of its result, which have to be those of its text, and for those of five others, which have to be
refused. Memory of a session is what the process holds more, divided by the sessions that were opened.

What can be expected: a run takes a core for 0.12 s, nearly all of it in the page's script, of which Python lets one go at a time; the
picture is there after 0.07 s of it. All at once, the session at the 95th percentile has 95 % of the others before it, so
that it waits for at least 0.95 x 50 x 0.12 s: some 80 x as long as alone, whatever the cores (`at_least` says it from the same run's
figures). A class of 50 that presses Run within 30 s asks for 6 s of a core: most wait as long as alone, and where a few meet, a
few times that.

    python -m benchmarks.load [--sessions 50] [--rounds 3] [--spread 30] [--browsers 0]

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import psutil
from playwright.async_api import Browser, async_playwright, expect

from benchmarks.app import CHROMIUM, running_app
from benchmarks.growth import own_bytes, server_of
from benchmarks.protocol_page import PageError, Picture, ProtocolPage, opened

# Of one session alone, before anything is measured and in each round.
WARM_RUNS, ALONE_RUNS = 5, 15

# Others whose results each session asks for, in vain.
OTHERS = 5

WORDS = ["cat", "dog", "bird", "fish", "horse", "mouse", "cow", "sheep", "goat", "duck"]

MB = 1e6


@dataclass(slots=True)
class Counted:
    """What went wrong, and what was seen that should not have been.

    Attributes:
        failed: why runs came to nothing.
        foreign: results whose tokens were not those of the session's text.
        leaked: results of others that were answered.
    """

    failed: list[str] = field(default_factory=list)
    foreign: int = 0
    leaked: int = 0


def text_of(session: int, number: int) -> str:
    """Return a text that no other session has."""
    return f"The {WORDS[session % len(WORDS)]} of house {session} slept {number} times today."


async def ran(page: ProtocolPage, text: str, counted: Counted) -> Picture | None:
    """Run a text, and make sure that what came is of that text."""
    try:
        picture = await page.run(text)
        tokens = await page.tokens()
    except (PageError, OSError) as error:
        counted.failed.append(str(error)[:200])
        return None
    counted.foreign += plain("".join(tokens[1:-1])) != plain(text)
    return picture


def plain(text: str) -> str:
    """Reduce a text to what its tokens keep of it."""
    return text.lower().replace(" ", "").replace("##", "")


def at(share: float, values: Sequence[float]) -> float:
    """Return the value below which a share of all lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def said(seconds: Sequence[float], alone: float) -> dict[str, float]:
    """Sum up how long pictures took, in seconds and beside one session alone."""
    median, late = statistics.median(seconds), at(0.95, seconds)
    return {
        "median": round(median, 3),
        "p95": round(late, 3),
        "median_by_alone": round(median / alone, 1),
        "p95_by_alone": round(late / alone, 1),
    }


async def leaked(pages: Sequence[ProtocolPage]) -> int:
    """Let each session ask for results of others, and count those that are answered."""
    found = 0
    for number, page in enumerate(pages):
        others = [one for one in pages if one is not page]
        for other in random.Random(number).sample(others, min(OTHERS, len(others))):
            for part in ("units", "0/0/tile/max/0/0/0"):
                found += await page.status(f"{other.result}/{part}") != 404
    return found


async def measured(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Drive all sessions; see the top of this file."""
    server, counted = server_of(), Counted()
    pages = [await opened(url)]
    numbers = count()

    async def alone(runs: int) -> list[float]:
        pictures = [await ran(pages[0], text_of(0, next(numbers)), counted) for _ in range(runs)]
        return [one.seconds for one in pictures if one]

    await alone(WARM_RUNS)
    before, begun = own_bytes(server), time.perf_counter()
    pages += await asyncio.gather(*(opened(url) for _ in range(options.sessions - 1)))
    opening = time.perf_counter() - begun
    print(f"{options.sessions} sessions are open after {opening:.1f} s", flush=True)

    async def pressed(number: int, page: ProtocolPage, wait: float) -> Picture | None:
        text = text_of(number, next(numbers))
        await asyncio.sleep(wait)
        return await ran(page, text, counted)

    chance = random.Random(0)
    seconds: dict[str, list[float]] = {"alone": [], "class": [], "at_once": []}
    busy: dict[str, float] = dict.fromkeys(seconds, 0.0)
    # In turn, so that what else the machine does meets all three.
    for _ in range(options.rounds):
        for name, spread in (("alone", None), ("class", options.spread), ("at_once", 0.0)):
            used = sum(server.cpu_times()[:2])
            if spread is None:
                seconds[name] += await alone(ALONE_RUNS)
            else:
                pictures = await asyncio.gather(
                    *(
                        pressed(number, page, chance.uniform(0, spread))
                        for number, page in enumerate(pages)
                    )
                )
                seconds[name] += [one.seconds for one in pictures if one]
            busy[name] += sum(server.cpu_times()[:2]) - used
    typical = statistics.median(seconds["alone"])
    found: dict[str, Any] = {}
    for name, taken in seconds.items():
        found[name] = said(taken, typical) | {
            "runs": len(taken),
            "processor_seconds_a_run": round(busy[name] / len(taken), 3),
        }
        print(
            f"{name}: median {found[name]['median']} s, 95th percentile {found[name]['p95']} s, "
            f"{found[name]['p95_by_alone']} x alone; {found[name]['processor_seconds_a_run']} s of a core a run",
            flush=True,
        )
    found["at_once"]["at_least"] = round(
        0.95 * len(pages) * found["alone"]["processor_seconds_a_run"] / typical, 1
    )
    counted.leaked = await leaked(pages)
    found["sessions"] = len(pages)
    found["mb_a_session"] = round((own_bytes(server) - before) / MB / max(1, len(pages) - 1), 2)
    await asyncio.gather(*(page.close() for page in pages))
    if options.browsers:
        found["browsers"] = await in_browsers(url, options.browsers, counted)
    found |= {"failed": len(counted.failed), "foreign": counted.foreign, "leaked": counted.leaked}
    print(f"failed: {counted.failed or 'none'}; of others: {counted.foreign + counted.leaked}")
    return found


async def in_browsers(url: str, number: int, counted: Counted) -> dict[str, float]:
    """Press Run in so many real browsers at once, each with a profile of its own, after one alone."""
    path = next(shutil.which(n) for n in ("chromium", "google-chrome") if shutil.which(n))
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        pages = [await _browser_page(chromium, url) for _ in range(number)]

        async def pressed(session: int, word: str) -> float:
            page = pages[session]
            field = page.get_by_role("textbox", name="Text", exact=True)
            await field.fill(f"The {word} of house {session} slept.")
            begun = time.perf_counter()
            await page.get_by_role("button", name="Run", exact=True).click()
            await expect(page.locator(".token", has_text=word).first).to_be_visible(timeout=300_000)
            seconds = time.perf_counter() - begun
            shown = await page.locator(".token").all_inner_texts()
            counted.foreign += str(session) not in "".join(shown)
            return seconds

        alone = statistics.median(
            [await pressed(0, word) for word in ("cat", "dog", "bird", "fish")]
        )
        together = await asyncio.gather(*(pressed(session, "horse") for session in range(number)))
        await chromium.close()
    print(
        f"{number} browsers at once: median {statistics.median(together):.2f} s, alone {alone:.2f} s"
    )
    return said(together, alone) | {"alone": round(alone, 3), "pages": number}


async def _browser_page(chromium: Browser, url: str) -> Any:
    page = await (await chromium.new_context()).new_page()
    await page.goto(url)
    await expect(page.locator(".token").first).to_be_visible(timeout=300_000)
    return page


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spread", type=float, default=30.0)
    parser.add_argument("--browsers", type=int, default=0)
    options = parser.parse_args()
    with running_app() as url:
        found = asyncio.run(measured(url, options))
    print(json.dumps(found | {"cores": psutil.cpu_count()}))


if __name__ == "__main__":
    sys.exit(main())
