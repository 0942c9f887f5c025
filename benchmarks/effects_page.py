"""What a person waits for between choosing another target and the redrawn effects of all heads, in a real browser.

Chooses other tokens to explain, first new ones, whose passes have to be run, then the same once more, which need none:
what those take is all that the page adds to the passes. Times are from the click, as the page gets it, to the redrawn
picture. Beside them `viz.effects` of the same targets in this process, after the page is closed; beside a browser on
the same two cores passes take longer. Goal: 500 ms beyond the passes.

    python -m benchmarks.effects_page [MODEL]

The last line is one JSON object.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

import viz
from benchmarks.app import browser_page
from benchmarks.compare_page import NOTE

TEXT = "When Mary and John went to the store, John gave a drink to"
TRIES = 5

# What is said in the line of the prediction, and how the picture of the heads looks.
SHOWN = """(view) => [...view.querySelectorAll('.stPlotlyChart image')].slice(0, 1)
    .map((one) => one.getAttribute('href') ?? one.getAttributeNS('http://www.w3.org/1999/xlink', 'href')).join()"""


def seconds(page: Page, view: Locator, option: int) -> float:
    """Choose a token to explain, and time how long the picture of the heads takes to become another."""
    root = view.element_handle()
    view.get_by_role("combobox", name="Explain").click()
    choice = page.get_by_test_id("stSelectboxVirtualDropdown").get_by_role("option").nth(option)
    expect(choice).to_be_visible()
    old = root.evaluate(SHOWN)
    choice.click()
    taken = page.wait_for_function(
        f"([view, old]) => {{ const now = ({SHOWN})(view); return now && now !== old "
        "&& performance.now() - window.actedAt; }",
        arg=[root, old],
        polling=10,
        timeout=120_000,
    )
    milliseconds: float = taken.json_value()
    page.wait_for_timeout(2000)
    return milliseconds / 1000


def main() -> None:
    """Print the figures."""
    name = sys.argv[1] if len(sys.argv) > 1 else "smollm2"
    link = urlencode({"model": name, "text": TEXT, "layer": 0, "head": 0})
    with browser_page(f"?{link}") as page:
        page.get_by_text("What the prediction rests on").last.click(timeout=120_000)
        view = page.locator(
            "details", has=page.locator("summary").get_by_text("What the prediction rests on")
        )
        expect(view.locator(".stPlotlyChart image").first).to_be_attached(timeout=120_000)
        page.evaluate(NOTE)
        page.wait_for_timeout(3000)
        new = [seconds(page, view, option) for option in range(1, 1 + TRIES)]
        known = [seconds(page, view, option) for option in range(1, 1 + TRIES)]
    model = viz.load_model(name, device="cpu")
    ranked = viz.capture(model, TEXT).output
    assert ranked is not None
    passes = []
    for token in ranked[-1].topk(1 + TRIES).indices.tolist()[1:]:
        begun = time.perf_counter()
        viz.effects(model, TEXT, viz.Target(token=token))
        passes.append(time.perf_counter() - begun)
    figures = {
        "new_target": round(statistics.median(new), 3),
        "passes_alone": round(statistics.median(passes), 3),
        "beyond_the_passes": round(statistics.median(known), 3),
    }
    for what, value in figures.items():
        print(f"{what:18} {value * 1000:6.0f} ms")
    print(json.dumps({"model": name, **figures}))


if __name__ == "__main__":
    main()
