"""Types worked through in processes of their own, so that one that dies or hangs loses only one."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

Row = dict[str, object]

# A model type at one length that takes longer than this is given up, in seconds of the processor, so
# that it does not matter what else the machine does.
PATIENCE = 120

# What one worker may take.
MEMORY_BYTES = 9_000_000_000

MYSELF = (sys.executable, "-W", "ignore", "-m", "benchmarks.architectures")

# What is said of a type whose process died over it, or that took too long.
LOST: Row = {
    "tiers": "",
    "stacks": "",
    "error": 0.0,
    "output_error": 0.0,
    "compared": 0,
    "tokens": 0,
}
DEAD: Row = {**LOST, "verdict": "crashed", "why": "the process died"}
LATE: Row = {**LOST, "verdict": "timeout", "why": f"more than {PATIENCE} s"}

# The line that says of a type that all its rows are there.
ENDED = "ended"


class Late(BaseException):
    """Patience is over; no model may take it for an error of its own."""


def work(types: Sequence[str], out: Path, rows_of: Callable[[str], Iterator[Row]]) -> None:
    """Work through types in this process, a line each row."""
    import torch
    import transformers

    # An error in this process is better than the end of another.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    signal.signal(signal.SIGPROF, _late)
    with out.open("a") as file:

        def write(row: Row) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()

        for name in types:
            rows = rows_of(name)
            try:
                while (row := _next(rows)) is not None:
                    write(row)
            except Late:
                write({**LATE, "model_type": name})
            write({ENDED: name})


def _next(rows: Iterator[Row]) -> Row | None:
    """Wait for a row, for so long."""
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        return next(rows, None)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _late(*_: object) -> None:
    raise Late


def work_beside(types: Sequence[str], processes: int, *asked: str) -> list[Row]:
    """Work through types in processes side by side, each called with what is asked."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(processes) as pool:
        shares = [
            pool.submit(_share, types[one::processes], Path(folder) / f"{one}.jsonl", asked)
            for one in range(processes)
        ]
        rows = [row for share in shares for row in share.result()]
    return sorted(rows, key=lambda row: str(row["model_type"]))


def _share(types: Sequence[str], file: Path, asked: tuple[str, ...]) -> list[Row]:
    """Work through types in another process; where it dies over one, go on with the next."""
    rows: list[Row] = []
    left = list(types)
    while left:
        file.write_text("")
        subprocess.run(
            [*MYSELF, *asked, "--worker", str(file), *left],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            check=False,
        )
        found = [json.loads(line) for line in file.open()]
        rows += [row for row in found if ENDED not in row]
        ended = sum(ENDED in row for row in found)
        if ended < len(left):
            rows.append({**DEAD, "model_type": left[ended]})
        left = left[ended + 1 :]
    return rows
