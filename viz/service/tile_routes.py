"""Tile routes: what browsers fetch beside the page, over plain HTTP on the same app.

Everything is computed in a few threads of its own, so that the event loop goes on serving; a browser
that goes away takes its work with it. Who asks is looked at before anything else.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Route

from viz.errors import BusyError, CancelledError, GoneError, LoupeError
from viz.patterns import Address
from viz.patterns.tile_pyramid import POOLINGS, Pooling
from viz.service.browser_sessions import COOKIE
from viz.service.effect_tile_data import EffectHead
from viz.service.tile_data import Head, as_bytes
from viz.service.tile_sources import EffectTileSource, TileBackend, TileSource

Made = TypeVar("Made")
Handler = Callable[[HttpRequest], Awaitable[Response]]

# What may wait for its turn; a page that is dragged has a few dozen.
WAITING = 256

# How often a browser that waits is looked after, in seconds.
LOOK_AFTER = 0.2

STATUS = ((GoneError, 410), (BusyError, 429), (LoupeError, 404))

# What is sent never changes, and is its owner's alone: a browser may keep it, and asks each time whether it
# still may show it, because the page that it was fetched for may be closed.
HEADERS = {"Cache-Control": "private, no-cache"}

# Compressing numbers costs more than sending them; texts the app compresses as it does its page.
AS_IT_IS = {**HEADERS, "Content-Encoding": "identity"}

BINARY = "application/octet-stream"

HEAD = "/loupe/{token}/{stack}/{layer:place}/{head:place}"


# The same of what weights do to a prediction.
EFFECT = "/loupe/{token}/{stack}/effects/{effect}/{kind}/{layer:place}/{head:place}"


class _PlaceConvertor(Convertor[int]):
    """A number of an address: as long as any that there is, so that reading it is always quick."""

    regex = "[0-9]{1,12}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("place", _PlaceConvertor())


def tile_routes(backend: Callable[[], TileBackend]) -> list[Route]:
    """Return the routes for an ASGI app.

    Args:
        backend: returns what knows the results, whoever asks; it is asked first whether a browser may see one.
    """
    server = _Server(backend)

    def ours(handler: Handler) -> Handler:
        async def answer(request: HttpRequest) -> Response:
            backend().permit(request.path_params["token"], request.cookies.get(COOKIE, ""))
            known = _name_of(request)
            if request.headers.get("if-none-match") == known:
                return Response(status_code=304, headers={**HEADERS, "ETag": known})
            response = await handler(request)
            response.headers["ETag"] = known
            return response

        return _answering(answer)

    return [
        Route("/loupe/{token}/{stack}/units", ours(server.units)),
        Route(
            f"{HEAD}/tile/{{pooling}}/{{level:place}}/{{row:place}}/{{column:place}}",
            ours(server.tile),
        ),
        Route(f"{HEAD}/weight/{{query:place}}/{{key:place}}", ours(server.weight)),
        Route(f"{HEAD}/edges", ours(server.edges)),
        Route(f"{HEAD}/sums/{{side}}/{{start:place}}/{{stop:place}}", ours(server.sums)),
        Route(
            f"{EFFECT}/tile/{{pooling}}/{{level:place}}/{{row:place}}/{{column:place}}",
            ours(server.effect_tile),
        ),
        Route(f"{EFFECT}/weight/{{query:place}}/{{key:place}}", ours(server.effect_of_weight)),
        Route(f"{EFFECT}/edges", ours(server.largest_effects)),
        Route(f"{EFFECT}/sums/{{side}}/{{start:place}}/{{stop:place}}", ours(server.effect_sums)),
        # Without this the app would answer with its page, which is no tile.
        Route("/loupe/{rest:path}", _answering(_nothing)),
    ]


def _name_of(request: HttpRequest) -> str:
    """Name what an address stands for: a result never changes, so that its address says all."""
    address = f"{request.url.path}?{request.url.query}".encode()
    return f'"{hashlib.sha256(address).hexdigest()[:32]}"'


class _Server:
    """Turns requests into work, and what comes of it into bytes."""

    def __init__(self, backend: Callable[[], TileBackend]) -> None:
        self._backend = backend
        self._limiter: anyio.CapacityLimiter | None = None

    @property
    def tiles(self) -> TileSource:
        """What answers for weights."""
        return self._backend().tiles

    @property
    def effects(self) -> EffectTileSource:
        """What answers for what weights do."""
        return self._backend().effect_tiles

    async def units(self, request: HttpRequest) -> Response:
        """The texts of both axes, as JSON."""
        token, stack = (request.path_params[name] for name in ("token", "stack"))
        found = await self._work(request, lambda _: self.tiles.units(token, stack))
        return _json(found)

    async def tile(self, request: HttpRequest) -> Response:
        """One tile: half floats row by row; its rows and columns are in the headers."""
        pooling, address = _address(request)
        make = partial(self.tiles.tile, _head(request), pooling, address)
        return _tile(await self._work(request, make))

    async def effect_tile(self, request: HttpRequest) -> Response:
        """The same of what weights do, as shares of the largest."""
        pooling, address = _address(request)
        make = partial(self.effects.tile, _effect(request), pooling, address)
        return _tile(await self._work(request, make))

    async def effect_of_weight(self, request: HttpRequest) -> Response:
        """What one weight does, as JSON in full precision."""
        at = request.path_params
        found = await self._work(
            request, lambda _: self.effects.weight(_effect(request), at["query"], at["key"])
        )
        return _json(found)

    async def largest_effects(self, request: HttpRequest) -> Response:
        """The weights that do most, as JSON."""
        return _json(await self._work(request, partial(self.effects.edges, _effect(request))))

    async def effect_sums(self, request: HttpRequest) -> Response:
        """Sums over a span: floats, one for each unit of the other axis."""
        at = request.path_params
        make = partial(self.effects.sums, _effect(request), at["side"], at["start"], at["stop"])
        values = await self._work(request, make)
        return Response(as_bytes(values), media_type=BINARY, headers=AS_IT_IS)

    async def weight(self, request: HttpRequest) -> Response:
        """One weight, as JSON in full precision."""
        at = request.path_params
        found = await self._work(
            request, lambda _: self.tiles.weight(_head(request), at["query"], at["key"])
        )
        return _json(found)

    async def edges(self, request: HttpRequest) -> Response:
        """The strongest edges, as JSON."""
        off_sink = request.query_params.get("off_sink") == "1"
        found = await self._work(
            request,
            lambda going: self.tiles.edges(_head(request), off_sink=off_sink, going=going),
        )
        return _json(found)

    async def sums(self, request: HttpRequest) -> Response:
        """Sums over a span: floats, one for each unit of the other axis."""
        at = request.path_params
        values = await self._work(
            request,
            lambda going: self.tiles.sums(
                _head(request), at["side"], at["start"], at["stop"], going
            ),
        )
        return Response(as_bytes(values), media_type=BINARY, headers=AS_IT_IS)

    async def _work(self, request: HttpRequest, make: Callable[[Callable[[], None]], Made]) -> Made:
        """Make something in a thread, for as long as the browser waits for it.

        Raises:
            BusyError: too much waits already.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._backend().tile_threads)
        if self._limiter.statistics().tasks_waiting >= WAITING:
            raise BusyError(
                f"More than {WAITING} tiles were asked for at once.", "Ask again in a moment."
            )
        gone = threading.Event()

        def going() -> None:
            if gone.is_set():
                raise CancelledError("The page that asked for this was closed.")

        def work() -> Made:
            going()
            return make(going)

        made: Made | LoupeError
        async with anyio.create_task_group() as group:
            group.start_soon(_look_after, request, gone)
            try:
                made = await anyio.to_thread.run_sync(work, limiter=self._limiter)
            except LoupeError as error:
                made = error  # raised inside, the group would wrap it
            group.cancel_scope.cancel()
        if isinstance(made, LoupeError):
            raise made
        return made


async def _nothing(request: HttpRequest) -> Response:
    raise LoupeError(
        f"There is nothing at {request.url.path[:80]!r}.", "Open the page and press Run."
    )


async def _look_after(request: HttpRequest, gone: threading.Event) -> None:
    """Note when the browser has gone away."""
    while not await request.is_disconnected():
        await anyio.sleep(LOOK_AFTER)
    gone.set()


def _answering(handler: Handler) -> Handler:
    """Say what goes wrong in one sentence, with the status that means it."""

    async def answer(request: HttpRequest) -> Response:
        try:
            return await handler(request)
        except LoupeError as error:
            status = next(status for kind, status in STATUS if isinstance(error, kind))
            return _json({"error": error.message, "hint": error.hint}, status)

    return answer


def _head(request: HttpRequest) -> Head:
    at: dict[str, Any] = request.path_params
    return Head(at["token"], at["stack"], at["layer"], at["head"])


def _effect(request: HttpRequest) -> EffectHead:
    return EffectHead(_head(request), request.path_params["effect"], request.path_params["kind"])


def _address(request: HttpRequest) -> tuple[Pooling, Address]:
    """Read which tile is asked for, and of what its cells are made.

    Raises:
        LoupeError: there is no such pooling.
    """
    at = request.path_params
    if at["pooling"] not in POOLINGS:
        raise LoupeError(f"There is no pooling {at['pooling']!r:.20}.", "Choose max or mean.")
    return at["pooling"], Address(at["level"], at["row"], at["column"])


def _tile(values: NDArray[np.float16]) -> Response:
    rows, columns = values.shape
    size = {"X-Rows": str(rows), "X-Columns": str(columns)}
    return Response(as_bytes(values), media_type=BINARY, headers={**AS_IT_IS, **size})


def _json(value: Any, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"} if status != 200 else HEADERS
    return Response(json.dumps(value), status, {**headers}, "application/json")
