"""The map of a long text in a real browser: opening a head, and dragging.

Opens the app on a random model of 4 layers x 8 heads with a long text, in Chromium with software
rendering, and prints how long after a click on another head its coarse picture and the sharp one are
drawn, and, from Chromium's own trace, what a frame costs the page and how many are drawn a second while
a hand drags. Goal at 16,384 tokens: 300 ms, 1.5 s, 16 ms.

    python -m benchmarks.map_frames [tokens]
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from playwright.async_api import async_playwright
from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.app import CHROMIUM, free_port, running_app
from benchmarks.grid_frames import named, traced
from benchmarks.long_model import long_text, save_long_model

READY = 900_000

# A mouse that is moved for three seconds: moves, pixels a move, seconds between two.
MOVES, STEP, BETWEEN = 375, 0.8, 0.008


def main() -> None:
    """Print the figures."""
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 16_384
    browser = next(shutil.which(n) for n in ("chromium", "google-chrome") if shutil.which(n))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        save_long_model(Path(folder) / "long")
        os.environ["LOUPE_MODEL_FOLDERS"] = folder
        with running_app() as url:
            port = free_port()
            chromium = playwright.chromium.launch(
                executable_path=browser, args=[*CHROMIUM, f"--remote-debugging-port={port}"]
            )
            page = chromium.new_page(viewport={"width": 1280, "height": 1200})
            page.goto(f"{url}/?model=long&local=1&text=word1")
            text = page.get_by_role("textbox", name="Text", exact=True)
            expect(text).to_be_visible(timeout=READY)
            page.wait_for_timeout(3000)
            text.fill(long_text(tokens))
            page.get_by_role("button", name="Run", exact=True).click()
            expect(page.locator('.map[data-state="sharp"]')).to_be_visible(timeout=READY)
            page.locator(".map canvas.over").scroll_into_view_if_needed()
            opened = [_open_next(page) for _ in range(4)]
            frames, costs = _drag(page, port)
            chromium.close()
    coarse, sharp = zip(*opened, strict=True)
    print(
        f"{tokens:,} tokens, another head: coarse {statistics.median(coarse):.0f} ms, "
        f"sharp {statistics.median(sharp):.0f} ms (worst {max(sharp):.0f})"
    )
    print(
        f"dragging: {frames:.0f} frames a second; the page's share of a frame "
        f"{statistics.median(costs):.1f} ms, 95th percentile {sorted(costs)[int(0.95 * len(costs))]:.1f} ms"
    )


def _open_next(page: Page) -> tuple[float, float]:
    """Go to the next head by its arrow key; return milliseconds to coarse and to sharp."""
    over = page.locator(".map")
    before = over.get_attribute("data-head")
    handle = over.element_handle()
    page.evaluate(
        """map => {
            window.seen = [];
            const note = () => window.seen.push([map.dataset.head, map.dataset.state, performance.now()]);
            window.watch?.disconnect();
            window.watch = new MutationObserver(note);
            window.watch.observe(map, { attributes: true });
            window.start = performance.now();
        }""",
        handle,
    )
    page.get_by_label("All heads").press("ArrowRight")
    page.wait_for_function(
        "before => window.seen.some(([head, state]) => head !== before && state === 'sharp')",
        arg=before,
        timeout=READY,
        polling=20,
    )
    start, seen = page.evaluate("[window.start, window.seen]")
    first = next(at for head, _, at in seen if head != before)
    last = next(at for head, state, at in seen if head != before and state == "sharp")
    return first - start, last - start


def _drag(page: Page, port: int) -> tuple[float, list[float]]:
    """Drag a zoomed map; return frames a second and what each costs the page, in ms."""
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    page.wait_for_timeout(2000)
    box = page.locator(".map canvas.over").bounding_box()
    browser = page.context.browser
    assert box is not None
    assert browser is not None
    x, y = box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"]
    before = page.locator(".map").get_attribute("data-seen")
    page.mouse.move(x, y)
    page.mouse.down()

    def drag() -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _hand(port, x, y)).result()

    events = traced(browser, drag)
    page.mouse.up()
    assert page.locator(".map").get_attribute("data-seen") != before, "the map has moved"
    fired = named(events, "FireAnimationFrame")
    costs = [one["dur"] / 1000 for one in fired]
    drawn = [one["ts"] for one in named(events, "DrawFrame") if _while(one, fired)]
    return 1e6 * (len(drawn) - 1) / (drawn[-1] - drawn[0]), costs


async def _hand(port: int, x: float, y: float) -> None:
    """Move the mouse as a hand does: the next move does not wait until the last one was drawn."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        page = next(page for context in browser.contexts for page in context.pages)
        session = await page.context.new_cdp_session(page)
        sent = []
        for step in range(MOVES):
            move = {"type": "mouseMoved", "button": "left", "buttons": 1}
            place = {"x": x - step * STEP, "y": y - step * STEP}
            sent.append(
                asyncio.create_task(session.send("Input.dispatchMouseEvent", {**move, **place}))
            )
            await asyncio.sleep(BETWEEN)
        await asyncio.gather(*sent)


def _while(event: dict, fired: list[dict]) -> bool:
    """Whether something happened while the page was drawing frames."""
    return bool(fired[0]["ts"] <= event["ts"] <= fired[-1]["ts"])


if __name__ == "__main__":
    main()
