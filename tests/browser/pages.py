"""Waiting until a page has come to rest."""

from __future__ import annotations

from itertools import count
from urllib.parse import urlsplit

from playwright.sync_api import Page

READY = 120_000

# How long a page stays as it is before it is at rest, in milliseconds: Streamlit waits 200 for the next key
# of a slider before it sends where that stands.
REST = 300

# For so long the page takes an address that it wrote for an answer to what was asked before
# (components.session.LINK_SECONDS), and a little more; in milliseconds.
LINK_RESTS = 1_100

# Runs in every page before its own scripts: when a run was asked for last (field 11 of Streamlit's BackMsg),
# when the server was heard last, and when the address was written last.
WATCH = """
(() => {
    const watch = (window.watch = { asked: 0, heard: 0, written: 0 });
    window.WebSocket = class extends WebSocket {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", () => { watch.heard = performance.now(); });
        }
        send(data) {
            if (data[0] === (11 << 3 | 2)) watch.asked = performance.now();
            super.send(data);
        }
    };
    for (const name of ["pushState", "replaceState"]) {
        const write = history[name];
        history[name] = function (...given) {
            const before = location.href;
            write.apply(this, given);
            if (location.href !== before) watch.written = performance.now();
        };
    }
})();
"""

# How often a page is looked at, in milliseconds. Once a frame, as Playwright does unless told otherwise, the looking
# itself takes half of a core.
GLANCE = 50

# Whatever moves, runs or is not yet drawn begins the rest anew.
AT_REST = """
([rest, waiting]) => {
    const { watch } = window;
    const app = document.querySelector('[data-testid="stApp"]');
    const runs = app?.dataset.testScriptState !== "notRunning" || watch.heard <= watch.asked;
    const undrawn = '[data-testid="stSkeleton"], .stPlotlyChart:not(:has(.main-svg))';
    const draws = () => [...document.querySelectorAll(undrawn)].some((one) => one.checkVisibility());
    const placed = '[data-testid="stElementContainer"], [role="option"]';
    const looks = () => [...document.querySelectorAll(placed)].map((one) => {
        const { x, y, width, height } = one.getBoundingClientRect();
        return `${x} ${y} ${width} ${height}`;
    }).join();
    const seen = watch.waiting !== waiting || runs || draws() ? null : looks();
    if (seen === null || seen !== watch.looks) {
        Object.assign(watch, { waiting, looks: seen, since: performance.now(), glances: 0 });
        return false;
    }
    watch.glances += 1;
    return watch.glances > 3 && performance.now() - watch.since > rest;
}
"""

waitings = count(1)


# As if a link were clicked that leads to another place of the same page.
FOLLOW = """
(url) => {
    document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0);
    history.pushState({}, "", url);
    dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}
"""


def visit(page: Page, url: str) -> None:
    """Follow a link: within the page where it is open already, which takes a third of loading it."""
    there, here = urlsplit(url), urlsplit(page.url)
    elsewhere = (there.netloc, there.path or "/") != (here.netloc, here.path or "/")
    # What was typed and not run outlives a link that is followed in the page.
    if elsewhere or page.get_by_text("Press Run to see it").count():
        page.goto(url)
        return
    rested(page)
    page.evaluate(FOLLOW, url)
    settle(page)


def leave(page: Page) -> None:
    """Let the next link be loaded anew."""
    page.goto("about:blank")


def rested(page: Page) -> None:
    """Wait until another address is no more taken for a late answer."""
    settle(page)
    written = "(rests) => performance.now() - window.watch.written > rests"
    page.wait_for_function(written, arg=LINK_RESTS, polling=GLANCE)


def settle(page: Page) -> None:
    """Wait until what was asked is answered, the page's script has ended, and nothing moves any more."""
    page.wait_for_function(AT_REST, arg=[REST, next(waitings)], timeout=READY, polling=GLANCE)


def go_back(page: Page) -> None:
    """Go back as a person does, who first looks at what came."""
    rested(page)
    page.go_back()


def frames(page: Page, number: int = 2) -> None:
    """Let a page draw so many frames."""
    page.evaluate(
        """async (number) => {
            for (let at = 0; at < number; at += 1) await new Promise(requestAnimationFrame);
        }""",
        number,
    )
