"""What stays in memory after thousands of runs: of the service alone, and of pages that come and go.

Runs short texts of made-up owners through one `Workbench` with the default model, tiles included, and then through pages of
the app over their own protocol, each of which opens, runs, and is closed. Before it measures, it fills what is
bounded: the stores are made small for that, or thousands of runs would be needed before they let go of anything. The
figure is the slope of the memory that belongs to the process alone over the second half of the runs.

Streamlit keeps the last 128 sessions that were closed, for two minutes each, in case they come back: pages reach what is
bounded later than runs do.

    python -m benchmarks.growth [--runs 2000] [--pages 400]      (about five minutes on two cores)

Goal: under 5 MB in a thousand runs. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import os
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import psutil

# Small enough for some hundred runs to fill them; a run of a short text takes 0.3 MB.
SMALL_MB = 30

# How often memory is looked at, in runs, and how many pages are open at a time.
LOOKS, OPEN = 50, 5

MB = 1e6

# Time is not what is measured, and on one thread short texts take less of it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def own_bytes(process: psutil.Process) -> int:
    """Return the memory that belongs to a process alone."""
    return int(process.memory_full_info().uss)


def trim() -> None:
    """Let the allocator give back what it keeps for later, which comes and goes by tens of megabytes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def slope_mb(seen: list[tuple[int, int]]) -> float:
    """Return how memory grows over the second half of what was seen, in MB a thousand runs."""
    late = np.array(seen[len(seen) // 2 :], dtype=float)
    return float(np.polyfit(late[:, 0], late[:, 1], 1)[0] * 1_000 / MB)


def texts() -> Iterator[str]:
    """Make texts, all different."""
    words = ["cat", "dog", "bird", "fish", "horse", "mouse"]
    for number in count():
        yield f"The {words[number % len(words)]} number {number} sat where it was."


def of_the_service(runs: int) -> dict[str, Any]:
    """Run texts through a workbench and its tiles, one owner after the other."""
    from viz.patterns import Address
    from viz.service import Request, Workbench
    from viz.service.limits import Limits
    from viz.service.tile_data import Head, Tiles

    small = int(SMALL_MB * MB)
    bench = Workbench(limits=Limits(kept_bytes=small, kept_each_bytes=small // 2))
    tiles, me, seen = Tiles(bench.shown), psutil.Process(), []
    for number, text in zip(range(runs + 1), texts(), strict=False):
        owner = f"owner {number // 3}"
        bench.visitors.note(owner, f"{number // 6:043d}", lambda: False)
        found = bench.analyse(owner, Request("demo", text), lambda _phase, _share: None)
        tiles.tile(Head(found.token, "self", 0, 0), "max", Address(0, 0, 0), lambda: None)
        if number % LOOKS == 0:
            gc.collect()
            trim()
            seen.append((number, own_bytes(me)))
    return {
        "runs": runs,
        "mb_a_thousand": round(slope_mb(seen), 2),
        "mb": [round(one / MB) for _, one in (seen[0], seen[len(seen) // 2], seen[-1])],
    }


async def of_pages(pages: int) -> dict[str, Any]:
    """Open pages, run two texts in each, and close them."""
    from benchmarks.app import running_app
    from benchmarks.protocol_page import opened

    os.environ["LOUPE_KEPT_MB"] = str(SMALL_MB)
    seen, numbers, said = [], iter(range(pages)), texts()

    async def visitor(url: str, server: psutil.Process) -> None:
        for number in numbers:
            page = await opened(url)
            for _ in range(2):
                await page.run(next(said))
            await page.close()
            if number % (LOOKS // 5) == 0:
                seen.append((number, own_bytes(server)))

    with running_app() as url:
        server = server_of()
        await asyncio.gather(*(visitor(url, server) for _ in range(OPEN)))
    seen.sort()
    return {
        "pages": pages,
        "mb_a_thousand": round(slope_mb(seen), 2),
        "mb": [round(one / MB) for _, one in (seen[0], seen[len(seen) // 2], seen[-1])],
    }


def server_of() -> psutil.Process:
    """Return the app that this process started."""
    ours = psutil.Process().children(recursive=True)
    return next(one for one in ours if "streamlit" in " ".join(one.cmdline()))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--pages", type=int, default=400)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for what, of in (
        ("service", lambda: of_the_service(options.runs)),
        ("pages", lambda: asyncio.run(of_pages(options.pages))),
    ):
        found[what] = of()
        begun, middle, end = found[what]["mb"]
        print(f"{what}: {begun} MB, half way {middle}, at the end {end}; ", end="")
        print(f"{found[what]['mb_a_thousand']} MB a thousand in the second half", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    sys.exit(main())
