"""What a person waits for, in a real browser: from Run to the finished page, and head to head.

Prints, for the default model and the sample text, the median time from pressing Run to the page
with the new result, and from clicking another head to its heatmap, beside the forward pass alone.
Goal: 2 s and 300 ms beyond the forward pass.

    python -m benchmarks.app
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

import viz

ROOT = Path(__file__).parent.parent
CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
CHROMIUM += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
REPEATS = 7
SAMPLE = "The animal didn't cross the street because it was too {}."
WORDS = ("tired", "wide", "old", "hot", "wet", "far", "slow")


def free_port() -> int:
    """Ask the system for a port that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running_app() -> Iterator[str]:
    """Start the app on a free port."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    process = subprocess.Popen(
        [*command, "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://localhost:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def browser_page(path: str = "") -> Iterator[Page]:
    """Open a page of the app in a browser."""
    browser = next(shutil.which(n) for n in ("chromium", "google-chrome") if shutil.which(n))
    with running_app() as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=CHROMIUM)
        page = chromium.new_page(viewport={"width": 1280, "height": 1400})
        page.goto(f"{url}/{path}")
        yield page
        chromium.close()


def forward_seconds() -> float:
    """Time the forward pass of a text alone: the median of several texts."""
    model = viz.load_model("demo")
    times = []
    for word in WORDS:
        start = time.perf_counter()
        viz.capture(model, SAMPLE.format(word))
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def run_seconds(page: Page) -> list[float]:
    """Time from Run to the new text's tokens and its pattern's label."""
    times = []
    for word in WORDS:
        page.get_by_role("textbox", name="Text", exact=True).fill(SAMPLE.format(word))
        start = time.perf_counter()
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.locator(".token", has_text=word).first).to_be_visible(timeout=30_000)
        expect(page.locator(".xaxislayer-above", has_text=word).first).to_be_visible(timeout=30_000)
        times.append(time.perf_counter() - start)
    return times


def click_seconds(page: Page) -> list[float]:
    """Time from clicking another head to its title and its redrawn heatmap."""
    box = page.locator(".grid canvas").bounding_box()
    assert box is not None
    size = (box["width"] - 28) / 12
    times = []
    for head in range(1, REPEATS + 1):
        old = page.evaluate(PICTURE)
        start = time.perf_counter()
        page.mouse.click(box["x"] + 26 + (head + 0.5) * size, box["y"] + 18 + 1.5 * size)
        page.wait_for_function(f"old => ({PICTURE}) !== old", arg=old, polling=10)
        times.append(time.perf_counter() - start)
    return times


PICTURE = "document.querySelector('.hm image')?.getAttribute('href')"


def main() -> None:
    """Print the figures."""
    forward = forward_seconds()
    with browser_page() as page:
        expect(page.locator(".token").first).to_be_visible(timeout=60_000)
        expect(page.locator(".hm image").first).to_be_attached(timeout=60_000)
        page.wait_for_timeout(2000)
        ran, clicked = run_seconds(page), click_seconds(page)
    print(f"forward pass        {forward * 1000:6.0f} ms")
    print(f"Run to page         {statistics.median(ran) * 1000:6.0f} ms")
    print(f"click to heatmap    {statistics.median(clicked) * 1000:6.0f} ms")


if __name__ == "__main__":
    main()
