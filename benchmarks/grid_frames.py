"""The grid of 1,024 heads in a real browser: from its data to drawn, and frames while it scrolls.

Opens the app on a random model of 32 layers x 32 heads, in Chromium with software rendering, and prints
from Chromium's own trace the time from the last bytes of the grid's data to all of it drawn, and the
frames that were drawn a second while a wheel scrolls; beside it those of plain stripes without
any script, which is what browser and machine give at all. Goal: 500 ms and 50 frames a second.

    python -m benchmarks.grid_frames
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.app import CHROMIUM, running_app
from tests.models.folders import save_decoder

REPEATS = 5
WAYS = (-1, 1, -1, 1, -1, 1)  # down and up
TEXT = "+".join(["the cat sat on the mat because it was tired"] * 4).replace(" ", "+")
CATEGORIES = [
    "devtools.timeline",
    "disabled-by-default-devtools.timeline.frame",
    "blink.user_timing",
]
PIXELS_A_SECOND, PIXELS = 900, 2_400

# A message of more bytes than this is the one with the pictures.
PICTURES_BYTES = 500_000

Event = dict[str, Any]


def traced(browser: Browser, act: Callable[[], None]) -> list[Event]:
    """Do something and return what Chromium noted of it."""
    browser.start_tracing(categories=CATEGORIES)
    act()
    events: list[Event] = json.loads(browser.stop_tracing())["traceEvents"]
    return events


def named(events: list[Event], name: str) -> list[Event]:
    """Return the events of one kind, the earliest first."""
    return sorted((one for one in events if one["name"] == name), key=lambda one: one["ts"])


def drawn_ms(events: list[Event]) -> float:
    """Time from the message with the pictures to the first frame after all of them were painted."""
    painted = named(events, "head grid drawn")[0]["ts"]
    shown = next(one["ts"] for one in named(events, "DrawFrame") if one["ts"] > painted)
    came = [one["ts"] for one in named(events, "pictures came") if one["ts"] < painted]
    return (shown - came[-1]) / 1000


def measure_scroll(page: Page, selector: str, way: int) -> tuple[float, float, float]:
    """Turn a wheel evenly over an element.

    Returns:
        Frames that were drawn a second, the longest pause between two in ms, and how often a second
        the page's own canvas was painted.
    """
    session, browser = page.context.new_cdp_session(page), page.context.browser
    assert browser is not None
    box = page.locator(selector).bounding_box()
    assert box is not None
    gesture = {
        "x": box["x"] + box["width"] / 2,
        "y": box["y"] + box["height"] / 3,
        "yDistance": way * PIXELS,
        "speed": PIXELS_A_SECOND,
        "gestureSourceType": "mouse",
    }
    page.evaluate(COUNT)
    events = traced(
        browser, lambda: session.send("Input.synthesizeScrollGesture", gesture) and None
    )
    painted: list[float] = page.evaluate("window.painted")
    moved = [one["ts"] for one in named(events, "ScrollLayer")]
    frames = [one["ts"] for one in named(events, "DrawFrame") if moved[0] <= one["ts"] <= moved[-1]]
    pauses = [after - before for before, after in pairwise(frames)]
    seconds = (frames[-1] - frames[0]) / 1e6
    return len(pauses) / seconds, max(pauses) / 1000, len(painted) / seconds


# Chromium's trace holds the time of each message, but not its whole size.
MARK = f"""
    window.WebSocket = class extends WebSocket {{
        constructor(...address) {{
            super(...address);
            this.addEventListener("message", ({{ data }}) => {{
                if ((data.byteLength ?? data.size) > {PICTURES_BYTES}) performance.mark("pictures came");
            }});
        }}
    }};
"""

# Every time that the grid is painted it is cleared once.
COUNT = """() => {
    window.painted = [];
    const { prototype } = CanvasRenderingContext2D;
    window.clear ??= prototype.clearRect;
    prototype.clearRect = function (...box) {
        window.painted.push(performance.now());
        return window.clear.apply(this, box);
    };
}"""

STRIPES = "repeating-linear-gradient(#fff 0 20px, #ccc 20px 40px)"
PLAIN = (
    "<div id=room style='height:560px;width:585px;overflow:auto'>"
    f"<div style='height:4400px;background:{STRIPES}'></div></div>"
)


def main() -> None:
    """Print the figures."""
    browser = next(shutil.which(n) for n in ("chromium", "google-chrome") if shutil.which(n))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        save_decoder(Path(folder) / "many", layers=32, heads=32)
        os.environ["LOUPE_MODEL_FOLDERS"] = folder
        with running_app() as url:
            chromium = playwright.chromium.launch(executable_path=browser, args=CHROMIUM)
            page = chromium.new_page(viewport={"width": 1280, "height": 1000})
            page.add_init_script(MARK)
            times = {}
            for sort in ("layer", "entropy"):
                go = partial(open_page, page, f"{url}/?model=many&local=1&sort={sort}&text={TEXT}")
                times[sort] = [drawn_ms(traced(chromium, go)) for _ in range(REPEATS)]
            scrolled = [measure_scroll(page, ".grid canvas", way) for way in WAYS]
            page.set_content(PLAIN)
            plain = [measure_scroll(page, "#room", way) for way in WAYS]
            chromium.close()
    for sort, found in times.items():
        print(
            f"data to drawn, by {sort:8s} {statistics.median(found):4.0f} ms "
            f"({min(found):.0f} to {max(found):.0f})"
        )
    for name, rows in (("the grid", scrolled), ("plain stripes", plain)):
        frames, pause, painted = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"scrolling {name:14s} {frames:4.1f} frames a second, longest pause {pause:3.0f} ms, "
            f"canvas painted {painted:4.1f} times a second"
        )


def open_page(page: Page, link: str) -> None:
    """Open the link and wait for the grid."""
    page.goto(link)
    expect(page.locator(".grid canvas")).to_be_visible(timeout=60_000)
    expect(page.locator(".tip")).to_contain_text("entropy", timeout=60_000)
    page.wait_for_timeout(1000)


if __name__ == "__main__":
    main()
