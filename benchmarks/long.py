"""A long text from end to end, without a browser: capture, statistics, tiles, heads.

Prints seconds of each phase, the memory above that of the loaded model, what a tile at full zoom
takes, and how long after its opening a head is sharp.

    python -m benchmarks.long [tokens]
"""

from __future__ import annotations

import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.long_model import long_text, save_long_model

TILES = 200


def main() -> None:
    """Print the figures of one text."""
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 16_384
    with tempfile.TemporaryDirectory() as models:
        folder = save_long_model(Path(models) / "long")
        os.environ["LOUPE_MODEL_FOLDERS"] = models
        _measure(folder, tokens)


def _measure(folder: Path, tokens: int) -> None:
    from viz.patterns import Address, levels
    from viz.service import Request, Workbench
    from viz.service.tile_data import Head, Tiles

    bench = Workbench()
    request = Request(str(folder), long_text(tokens), local=True)
    bench.model(request, lambda *_: None)
    before, spent, last = _peak(), {}, [time.perf_counter(), "load"]

    def note(phase: str, _share: float) -> None:
        now = time.perf_counter()
        spent[last[1]] = spent.get(last[1], 0.0) + now - last[0]
        last[:] = [now, phase]

    analysis = bench.analyse("me", request, note)
    note("end", 1.0)
    print(f"{tokens:,} tokens, 4 layers x 8 heads")
    print("  " + ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in spent.items()))
    print(f"  memory above the loaded model {(_peak() - before) / 1e9:.2f} GB")
    tiles = Tiles(bench.shown)
    chosen = random.Random(0)
    side = -(-tokens // 256)
    times = []
    for _ in range(TILES):
        row = chosen.randrange(side)
        head = Head(analysis.token, "self", chosen.randrange(4), chosen.randrange(8))
        address = Address(0, row, chosen.randrange(row + 1))
        times.append(_seconds(lambda h=head, a=address: tiles.tile(h, "max", a, lambda: None)))
    print(f"  a tile at full zoom: 95th percentile {1000 * np.percentile(times, 95):.1f} ms")
    whole = levels(tokens, tokens) - 1
    opened = []
    for number in range(4):
        head = Head(analysis.token, "self", 3 - number, number)
        opened.append(
            _seconds(lambda h=head: tiles.tile(h, "max", Address(whole, 0, 0), lambda: None))
        )
    print(f"  the whole of a head, sharp: {max(opened):.2f} s; before that its thumbnail, at once")
    print(f"  most memory of the process: {_peak() / 1e9:.2f} GB")


def _seconds(work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
