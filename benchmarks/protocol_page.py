"""An Explore page without a browser: what Chromium would send to the app, and what it waits for.

The document brings the cookie, the page runs over Streamlit's websocket, tiles are fetched beside it. Nothing is drawn, so
that dozens of them cost little beside the server that they ask.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from viz.service.browser_sessions import COOKIE

# Where pages meet the app.
STREAM = "/_stcore/stream"

# What nobody would still wait for, in seconds.
LONGEST = 600.0

# For how long a connection is used again: for less than the server keeps it, which is five seconds.
KEPT_SECONDS = 2.0

FIRST_TILE = "0/0/tile/max/0/0/0"


class PageError(Exception):
    """The app did not answer as it should."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What came of a Run.

    Attributes:
        result: the address under which parts of it are fetched, with its token and its stack.
        seconds: from Run until the grid of all heads and one tile were there.
        whole: from Run until the script had ended.
        waited: the phases of the progress bar, in order, as they were said.
    """

    result: str
    seconds: float
    whole: float
    waited: tuple[str, ...]


@dataclass(slots=True)
class ProtocolPage:
    """One open page; made by `opened`.

    Attributes:
        url: of the app.
        http: with the page's cookie.
        socket: of the page's session.
        widgets: the ids of what can be set or pressed, by label.
        result: the address of what is on screen.
        caption: the last line under the form.
        errors: what the page says is wrong.
    """

    url: str
    http: httpx.AsyncClient
    socket: websockets.ClientConnection
    widgets: dict[str, str] = field(default_factory=dict)
    result: str = ""
    caption: str = ""
    errors: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def close(self) -> None:
        """Close the page, as somebody closes a tab."""
        await self.socket.close()
        await self.http.aclose()

    async def run(self, text: str) -> Picture:
        """Put a text into the field, press Run, and wait for the picture.

        Raises:
            PageError: there is none.
        """
        begun, before = time.perf_counter(), self.result
        await self.press("Run", text)
        seconds = None
        while True:
            kind = await self.heard()
            if seconds is None and self.result != before:
                # As a browser does: beside the page, which goes on.
                await self.fetched(f"{self.result}/{FIRST_TILE}")
                seconds = time.perf_counter() - begun
            if kind == "script_finished":
                break
        if seconds is None:
            raise PageError(f"no picture; the page says {self.errors or self.caption!r}")
        return Picture(self.result, seconds, time.perf_counter() - begun, tuple(self.said))

    async def press(self, button: str, text: str | None = None) -> None:
        """Press a button, a text having been put into the field."""
        asked = BackMsg()
        state = asked.rerun_script.widget_states.widgets
        if text is not None:
            state.add(id=self.widgets["Text"], string_value=text)
        state.add(id=self.widgets[button], trigger_value=True)
        self.errors.clear()
        self.said.clear()
        await self.socket.send(asked.SerializeToString())

    async def heard(self) -> str:
        """Hear one message of the app's, and return its kind."""
        message = ForwardMsg()
        message.ParseFromString(bytes(await asyncio.wait_for(self.socket.recv(), LONGEST)))
        kind = str(message.WhichOneof("type"))
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._see(message.delta.new_element)
        return kind

    async def fetched(self, address: str) -> bytes:
        """Fetch a part of a result.

        Raises:
            PageError: it is refused.
        """
        answer = await self.http.get(f"/{address}")
        if answer.status_code != 200:
            raise PageError(f"{answer.status_code} for {address}: {answer.text[:200]}")
        return answer.content

    async def status(self, address: str) -> int:
        """Return how a part of a result is answered."""
        return (await self.http.get(f"/{address}")).status_code

    async def tokens(self) -> list[str]:
        """Return the tokens of what is on screen, as their route names them."""
        units = json.loads(await self.fetched(f"{self.result}/units"))
        return list(units["queries"]["labels"])

    def _see(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        one = getattr(element, kind)
        if kind in ("text_area", "button"):
            self.widgets[one.label] = one.id
        elif kind == "progress":
            self.said.append(one.text)
        elif kind == "alert":
            self.errors.append(one.body)
        elif kind == "markdown" and one.element_type == one.CAPTION and not self.result:
            self.caption = one.body
        elif kind == "bidi_component" and one.component_name == "loupe_head_grid":
            text = one.json if one.WhichOneof("data") == "json" else one.mixed.json
            self.result = json.loads(text)["result"]


async def opened(url: str, query: str = "", *, cookie: str = "") -> ProtocolPage:
    """Open a page, and wait until its first script has ended.

    Args:
        url: of the app.
        query: of the address: a link's.
        cookie: of a browser that has pages open already; a new one without.

    Raises:
        PageError: the app gives no cookie.
    """
    http = httpx.AsyncClient(
        base_url=url,
        timeout=LONGEST,
        cookies={COOKIE: cookie} if cookie else {},
        limits=httpx.Limits(keepalive_expiry=KEPT_SECONDS),
    )
    await http.get("/", headers={"Accept": "text/html"})
    name = http.cookies.get(COOKIE)
    if not name:
        raise PageError("the document brought no cookie")
    socket = await websockets.connect(
        url.replace("http", "ws", 1) + STREAM,
        origin=websockets.Origin(url),
        subprotocols=[websockets.Subprotocol("streamlit")],
        additional_headers={"Cookie": f"{COOKIE}={name}"},
        max_size=None,
        open_timeout=LONGEST,
        ping_timeout=None,
    )
    page = ProtocolPage(url, http, socket)
    asked = BackMsg()
    asked.rerun_script.query_string = query
    asked.rerun_script.context_info.url = url
    asked.rerun_script.context_info.color_scheme = "light"
    await socket.send(asked.SerializeToString())
    while await page.heard() != "script_finished":
        pass
    return page
