"""Who asks for tiles: a browser is known by a cookie, and may see what the pages that it has open show.

A page runs over a websocket, tiles are fetched beside it over plain HTTP. The cookie is what both carry:
the document brings it, no script can read it, and no other site's page makes a browser send it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "loupe_browser"
COOKIE_BYTES = 32

# What another could have guessed, or put there, is no name of a browser.
NAME = re.compile(r"[A-Za-z0-9_-]{43}")

# Pages that are remembered; those that were closed go first.
MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """A page that somebody has open, or had.

    Attributes:
        browser: what its browser is called.
        is_open: whether it still is.
    """

    browser: str
    is_open: Callable[[], bool]


class Visitors:
    """Knows which pages each browser has open; every page owns results."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, owner: str, browser: str, is_open: Callable[[], bool]) -> None:
        """Remember a page.

        Args:
            owner: the unguessable name under which its results are kept.
            browser: the value of its browser's cookie; empty where it has none, and then sees no tiles.
            is_open: whether the page is still open, asked at each request.
        """
        with self._lock:
            self._pages[owner] = Page(browser, is_open)
            self._pages.move_to_end(owner)
            if len(self._pages) > MOST_PAGES:
                closed = (name for name, page in self._pages.items() if not page.is_open())
                del self._pages[next(closed, next(iter(self._pages)))]

    def owners(self, browser: str) -> list[str]:
        """Return the owners whose pages a browser has open."""
        if not NAME.fullmatch(browser):
            return []
        with self._lock:
            pages = list(self._pages.items())
        return [
            owner
            for owner, page in pages
            if secrets.compare_digest(page.browser.encode(), browser.encode()) and page.is_open()
        ]

    def user(self, owner: str) -> str:
        """Name whom a page belongs to: its browser, whose pages share a budget; the page itself where it has none."""
        with self._lock:
            page = self._pages.get(owner)
        if page is None or not NAME.fullmatch(page.browser):
            return owner
        # The cookie itself is a secret, and goes no further than it must.
        return hashlib.sha256(page.browser.encode()).hexdigest()


class BrowserCookie:
    """Middleware that gives a browser its name, with the first document that it opens.

    An answer to anything else names nobody: of several that are asked for at once, the last would win.
    The cookie goes with links from other sites, or each such visit would rename the browser and its other
    pages would lose their tiles; what other sites' pages fetch goes without it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the cookie to its answer where it is wanted."""
        if scope["type"] != "http" or scope["method"] != "GET" or _named(scope):
            await self.app(scope, receive, send)
            return
        asked = "text/html" in Headers(scope=scope).get("accept", "")

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if asked or headers.get("content-type", "").startswith("text/html"):
                    headers.append("Set-Cookie", _cookie(secure=scope["scheme"] == "https"))
            await send(message)

        await self.app(scope, receive, named)


def _named(scope: Scope) -> bool:
    return bool(NAME.fullmatch(HTTPConnection(scope).cookies.get(COOKIE, "")))


def _cookie(*, secure: bool) -> str:
    name = secrets.token_urlsafe(COOKIE_BYTES)
    return f"{COOKIE}={name}; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
