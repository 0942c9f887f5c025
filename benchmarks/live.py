"""Training with the live view open in a browser against the same training without it.

`python -m benchmarks.live [--task induction] [--rounds 3] [--steps 600]`. Both are made by one process of the
app, one after the other and in turn, so that what else the machine does meets both. Without: the training
is started on the page, and the page is closed. With: the page stays open until the end. Time is that
from the first checkpoint to the last, by their files. Goal: at most 1.15 x.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from benchmarks.app import CHROMIUM, running_app
from viz.training.training_folder import RunFolder

LONGEST = 600


def main() -> None:
    """Print a line a pair, and the median ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", default="induction")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    options = parser.parse_args()
    found = next(shutil.which(n) for n in ("chromium", "google-chrome") if shutil.which(n))
    ratios = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["LOUPE_CACHE"] = cache
        with running_app() as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM)
            trained(
                browser, url, options.task, 40, watched=False
            )  # what only the first one waits for
            for number in range(options.rounds):
                # Which comes first changes, so that a machine that slows down favours neither.
                order = (False, True) if number % 2 == 0 else (True, False)
                seconds = {
                    watched: trained(browser, url, options.task, options.steps, watched=watched)
                    for watched in order
                }
                ratios.append(seconds[True] / seconds[False])
                print(
                    f"without the view {seconds[False]:.1f} s, with it {seconds[True]:.1f} s: "
                    f"{ratios[-1]:.2f} x",
                    flush=True,
                )
    print(f"median of {len(ratios)}: {statistics.median(ratios):.2f} x, goal 1.15 x")


def trained(browser: Browser, url: str, task: str, steps: int, *, watched: bool) -> float:
    """Train once from the page; return the seconds from the first checkpoint to the last."""
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.goto(f"{url}/train?task={task}")
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_visible(timeout=60_000)
    page.get_by_text("Model and training", exact=True).click()
    field = page.get_by_role("spinbutton", name="Steps", exact=True)
    field.fill(str(steps))
    field.press("Enter")
    expect(page.get_by_text(f"{steps:,} steps at")).to_be_visible(timeout=60_000)
    start.click()
    page.wait_for_url("**run=*", timeout=60_000)
    folder = RunFolder.open(page.url.split("run=")[1].split("&")[0])
    if not watched:
        page.close()
    deadline = time.monotonic() + LONGEST
    while folder.about().state not in ("done", "failed"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no end after {LONGEST} s")
        # Not a sleep, which would keep the browser's messages from being read.
        if watched:
            page.wait_for_timeout(200)
        else:
            time.sleep(0.2)
    if watched:
        page.close()
    return seconds_of(folder.path)


def seconds_of(path: Path) -> float:
    """Return the time between the first checkpoint and the last, by when their files were written."""
    steps = sorted((path / "checkpoints").iterdir())
    times = [(one / "model.safetensors").stat().st_mtime for one in (steps[0], steps[-1])]
    if json.loads((path / "run.json").read_text())["state"] != "done":
        raise RuntimeError(f"the training in {path} failed")
    return times[1] - times[0]


if __name__ == "__main__":
    main()
