"""A browser that asks the tile routes of an app for parts of results."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx2 as httpx
import numpy as np
from starlette.applications import Starlette

from viz.service import Workbench
from viz.service.browser_sessions import COOKIE
from viz.service.tile_routes import tile_routes

TEXT = "The cat sat on the mat because it was tired. " * 12

# What a browser is called, and another one.
BROWSER, OTHER = "b" * 43, "o" * 43

Result = TypeVar("Result")


def finished(work: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine returns, in a thread of its own: a browser of other tests may run a loop here."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def visited(bench: Workbench) -> Workbench:
    """Let a page be open, whose results belong to "me"."""
    bench.visitors.note("me", BROWSER, lambda: True)
    return bench


def app_of(bench: Workbench) -> Starlette:
    return Starlette(routes=tile_routes(lambda: bench))


def browser_on(app: Any, name: str = BROWSER) -> httpx.AsyncClient:
    transport, cookies = httpx.ASGITransport(app), {COOKIE: name} if name else {}
    return httpx.AsyncClient(transport=transport, base_url="http://loupe", cookies=cookies)


def get(client, path: str, **more: Any) -> httpx.Response:
    async def one() -> httpx.Response:
        async with client() as browser:
            return await browser.get(path, **more)

    return finished(one())


def numbers(answer: httpx.Response, dtype: str) -> np.ndarray:
    return np.frombuffer(answer.content, dtype)
