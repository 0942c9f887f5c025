"""The map of a long text in a real browser: opening a head, and dragging.

Opens the app on a random model of 4 layers x 8 heads with a long text, in Chromium with software
rendering, and prints how long after a click on another head its coarse picture and the sharp one are
drawn, and, from Chromium's own trace, what a frame costs the page and how many are drawn a second while
a hand drags. Goal at 16,384 tokens: 300 ms, 1.5 s, 16 ms.

    python -m benchmarks.map_frames [tokens]
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from benchmarks.app import CHROMIUM, running_app
from benchmarks.grid_frames import named, traced
from benchmarks.long_model import long_text, save_long_model

READY = 900_000
STEPS = 120


def main() -> None:
    """Print the figures."""
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 16_384
    browser = next(shutil.which(n) for n in ("chromium", "google-chrome") if shutil.which(n))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        save_long_model(Path(folder) / "long")
        os.environ["LOUPE_MODEL_FOLDERS"] = folder
        with running_app() as url:
            chromium = playwright.chromium.launch(executable_path=browser, args=CHROMIUM)
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
            frames, costs = _drag(page)
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


def _drag(page: Page) -> tuple[float, list[float]]:
    """Drag a zoomed map; return frames a second and what each animation frame costs, in ms."""
    for _ in range(6):
        page.get_by_role("button", name="Zoom in").click()
    page.wait_for_timeout(2000)
    box = page.locator(".map canvas.over").bounding_box()
    assert box is not None
    browser = page.context.browser
    assert browser is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag() -> None:
        page.mouse.move(x, y)
        page.mouse.down()
        for step in range(STEPS):
            page.mouse.move(x - 1.5 * step, y - 1.5 * step)
        page.mouse.up()

    events = traced(browser, drag)
    costs = [one["dur"] / 1000 for one in named(events, "FireAnimationFrame")]
    drawn = [one["ts"] for one in named(events, "DrawFrame")]
    pauses = [after - before for before, after in pairwise(drawn)]
    return 1e6 * len(pauses) / (drawn[-1] - drawn[0]), costs


if __name__ == "__main__":
    main()
