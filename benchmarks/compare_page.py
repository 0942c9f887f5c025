"""What a person waits for on the Compare page, in a real browser: another text, another head, sides swapped.

Prints, for the default model and the sample text, median times from the key or the click, as the page gets it, to
the redrawn patterns, beside the forward pass alone. Goal: 300 ms beyond the forward pass.

    python -m benchmarks.compare_page
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from playwright.sync_api import Page, expect

from benchmarks.app import SAMPLE, WORDS, browser_page, forward_seconds

HEADS = (2, 3, 4, 5, 6, 7, 8)

# Some pixels of each pattern, because to look at all of them would take the time that is measured.
PICTURE = """(root) => [...root.querySelectorAll('.plot canvas:first-child')].map((one) => {
    const pixels = one.getContext('2d').getImageData(0, one.height >> 1, one.width, 40).data;
    let sum = 0;
    for (let at = 0; at < pixels.length; at += 13) sum = (sum * 31 + pixels[at]) | 0;
    return sum;
}).join()"""


# When the last key or click came, by the page's own clock.
NOTE = """['keydown', 'pointerup'].forEach((kind) =>
    addEventListener(kind, () => { window.actedAt = performance.now(); }, true))"""


def seconds(page: Page, act: Callable[[], object]) -> float:
    """Time from an act to patterns that look otherwise."""
    root = page.locator(".compare").element_handle()
    old = root.evaluate(PICTURE)
    act()
    taken = page.wait_for_function(
        f"([root, old]) => ({PICTURE})(root) !== old && performance.now() - window.actedAt",
        arg=[root, old],
        polling=10,
    )
    milliseconds: float = taken.json_value()
    page.wait_for_timeout(1000)
    return milliseconds / 1000


def texts(page: Page) -> list[float]:
    """Type another text, and send it."""
    field = page.get_by_role("textbox", name="Second text", exact=True)
    times = []
    for word in WORDS[2:]:
        field.fill(SAMPLE.format(word))
        times.append(seconds(page, lambda: field.press("Control+Enter")))
    return times


def heads(page: Page) -> list[float]:
    """Choose another head of the second side."""
    times = []
    for head in HEADS:
        page.get_by_role("combobox", name="Second: head").click()
        option = page.get_by_role("option", name=str(head), exact=True)
        expect(option).to_be_visible()
        times.append(seconds(page, option.click))
    return times


def swaps(page: Page) -> list[float]:
    """Let the sides change places."""
    button = page.get_by_role("button", name="Swap sides")
    return [seconds(page, button.click) for _ in HEADS]


def main() -> None:
    """Print the figures."""
    forward = forward_seconds()
    with browser_page("compare") as page:
        expect(page.locator(".compare .panels")).to_be_visible(timeout=60_000)
        page.evaluate(NOTE)
        page.wait_for_timeout(3000)
        print(f"forward pass   {forward * 1000:6.0f} ms")
        for name, act in (
            ("another text", texts),
            ("another head", heads),
            ("sides swapped", swaps),
        ):
            times = act(page)
            print(
                f"{name:14} {statistics.median(times) * 1000:6.0f} ms, "
                f"{min(times) * 1000:.0f} to {max(times) * 1000:.0f}"
            )


if __name__ == "__main__":
    main()
