"""Capture every model type of the installed transformers and write docs/architectures.md.

`python -m benchmarks.architectures` (some minutes); with names it only prints what became of those.

With `--geometry default`, windows, blocks and pictures keep their default sizes, and each type is
captured at several lengths and compared with the model as loaded (about two hours on one core). Then
`--kept FILE` keeps what was measured and passes it over when it is called again, and `--share 2/5` does
the second fifth; once all types are in the file, the second table of the page is written from it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.architectures.tables import page, summary, write_first, write_second
from benchmarks.architectures.tables_of_lengths import in_a_line, second_page, second_summary
from benchmarks.architectures.work import Row, work, work_beside

# Types after which what was measured is kept.
AT_ONCE = 10


def main() -> None:
    """Examine all model types, in as many processes as there are cores, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--geometry", choices=("small", "default"), default="small")
    parser.add_argument("--kept", metavar="FILE", type=Path, help="keep what was measured")
    parser.add_argument("--share", metavar="N/M", default="1/1", help="do a part of the types")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--worker", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    by_default = options.geometry == "default"
    if options.worker:
        work(options.types, Path(options.worker), _lengths if by_default else _once)
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    every = sorted(CONFIG_MAPPING_NAMES)
    number, of = map(int, options.share.split("/"))
    types = (options.types or every)[number - 1 :: of]
    if by_default:
        _measure(types, every, options)
        return
    found = work_beside(types, options.processes)
    if options.types:
        for row in found:
            print(json.dumps(row))
        return
    write_first(page(found))
    print(summary(found))


def _measure(types: list[str], every: list[str], options: argparse.Namespace) -> None:
    """Measure types at their default geometry; once all are, write the second table."""
    kept = options.kept
    known = [json.loads(line) for line in kept.open()] if kept and kept.exists() else []
    done = {row["model_type"] for row in known}
    for start in range(0, len(types), AT_ONCE):
        some = [name for name in types[start : start + AT_ONCE] if name not in done]
        rows = work_beside(some, options.processes, "--geometry", "default") if some else []
        if kept:
            with kept.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
        known += rows
        for row in rows:
            print(in_a_line(row), flush=True)
    if done | {row["model_type"] for row in known} >= set(every):
        write_second(second_page(known))
    print(second_summary(known))


def _once(name: str) -> Iterator[Row]:
    from benchmarks.architectures.examine import as_row, examine

    yield as_row(examine(name))


def _lengths(name: str) -> Iterator[Row]:
    from benchmarks.architectures.geometry import as_measured_row, measure

    return map(as_measured_row, measure(name))


if __name__ == "__main__":
    main()
