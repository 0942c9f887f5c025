"""Capture every model type of the installed transformers and write docs/architectures.md.

`python -m benchmarks.architectures` (some minutes); with names it only prints what became of those.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architectures.md"

# A model type that takes longer than this is given up, in seconds.
PATIENCE = 45

# What one worker may take.
MEMORY_BYTES = 9_000_000_000

MYSELF = (sys.executable, "-W", "ignore", "-m", "benchmarks.architectures")

# What is said of a type whose process died over it.
DEAD = {
    "verdict": "crashed",
    "tiers": "",
    "stacks": "",
    "error": 0.0,
    "output_error": 0.0,
    "why": "the process died",
    "compared": 0,
}

VERDICTS = {
    "exact": "captured, and every weight within 1e-5 of the model's own eager weights; the output unchanged",
    "exact by its output": "captured, weights @ v equal to each layer's output, and the model's output unchanged; "
    "the model returns no weights of its own to compare with",
    "no attention": "there is no softmax attention in it",
    "refused": "it has attention, and the reason is given why it is not shown",
    "wrong": "captured, and different: a defect",
    "crashed": "a defect",
    "timeout": f"took more than {PATIENCE} s",
    "not run": "built small, but this script does not know what its forward takes",
    "not built": "this script does not know how to make it small",
}


def main() -> None:
    """Examine all model types, in as many processes as there are cores, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*")
    parser.add_argument("--worker", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        _work(options.types, Path(options.worker))
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    found = _examine_all(options.types or sorted(CONFIG_MAPPING_NAMES))
    if options.types:
        for row in found:
            print(json.dumps(row))
        return
    PAGE.write_text(page(found))
    print(summary(found))


def _work(types: list[str], out: Path) -> None:
    """Examine types in this process, a line each, so that a crash loses only one."""
    import resource
    import signal

    import torch
    import transformers

    from benchmarks.architectures.examine import Finding, as_row, examine

    # An error in this process is better than the end of another.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)

    class Late(BaseException):
        pass

    def late(*_: object) -> None:
        raise Late

    signal.signal(signal.SIGALRM, late)
    with out.open("a") as file:
        for name in types:
            signal.alarm(PATIENCE)
            try:
                finding = examine(name)
            except Late:
                finding = Finding(name, "timeout")
            signal.alarm(0)
            file.write(json.dumps(as_row(finding)) + "\n")
            file.flush()


def _examine_all(types: list[str]) -> list[dict[str, object]]:
    """Examine types in processes side by side; one that dies names its type, and another goes on."""
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(cores) as pool:
        shares = [(types[core::cores], Path(folder) / f"{core}.jsonl") for core in range(cores)]
        rows = [row for share in pool.map(_examine_share, shares) for row in share]
    return sorted(rows, key=lambda row: str(row["model_type"]))


def _examine_share(share: tuple[list[str], Path]) -> list[dict[str, object]]:
    types, file = share
    rows: list[dict[str, object]] = []
    while len(rows) < len(types):
        file.write_text("")
        subprocess.run(
            [*MYSELF, "--worker", str(file), *types[len(rows) :]],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            check=False,
        )
        rows += [json.loads(line) for line in file.open()]
        if len(rows) < len(types):
            rows.append({**DEAD, "model_type": types[len(rows)]})
    return rows


def summary(found: list[dict[str, object]]) -> str:
    """Say the counts in a few lines."""
    verdicts = Counter(str(row["verdict"]) for row in found)
    shown = [row for row in found if str(row["verdict"]).startswith("exact")]
    attending = len(shown) + verdicts["refused"] + verdicts["wrong"] + verdicts["crashed"]
    quick = sum("eager" not in str(row["tiers"]) for row in shown)
    return (
        f"{len(found)} model types. Of {attending} that have softmax attention and were built small, "
        f"{len(shown)} ({len(shown) / attending:.1%}) are exact, {quick} ({quick / attending:.1%}) "
        f"without eager attention, {verdicts['wrong']} wrong, {verdicts['refused']} refused with a "
        f"reason. {verdicts['no attention']} have no attention; {verdicts['not built']} could not be "
        f"built small by the script, {verdicts['not run']} could not be given inputs."
    )


def page(found: list[dict[str, object]]) -> str:
    """Write the page: the counts, then a table a verdict."""
    import transformers

    lines = [
        "# Architectures",
        "",
        f"Written by `python -m benchmarks.architectures` with transformers {transformers.__version__}: "
        "each model type is shrunk to a tiny random model, captured, and compared with its own eager "
        "attention, layer by layer.",
        "",
        summary(found),
        "",
    ]
    for verdict, words in VERDICTS.items():
        rows = [row for row in found if row["verdict"] == verdict]
        if not rows:
            continue
        lines += [
            f"## {verdict.capitalize()} ({len(rows)})",
            "",
            f"{words[0].upper()}{words[1:]}.",
            "",
        ]
        if verdict.startswith(("exact", "wrong")):
            lines += [
                "| model type | by | stacks, layers x heads | largest difference |",
                "|---|---|---|---|",
            ]
            lines += [
                f"| {row['model_type']} | {row['tiers']} | {row['stacks']} | {row['error']:.0e} |"
                for row in rows
            ]
        elif verdict in ("no attention", "timeout"):
            lines += [", ".join(f"`{row['model_type']}`" for row in rows)]
        else:
            lines += ["| model type | why |", "|---|---|"]
            lines += [f"| {row['model_type']} | {_cell(str(row['why']))} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Keep a message inside its cell."""
    return re.sub(r"\s+", " ", text).replace("|", "/")[:160]


if __name__ == "__main__":
    main()
