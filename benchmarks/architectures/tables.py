"""The two tables of docs/architectures.md, each written without touching the other."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from benchmarks.architectures.work import PATIENCE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architectures.md"

# Where the second table begins.
SECOND = "## At the default geometry"

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


def write_first(text: str) -> None:
    """Write the first table, and leave the second as it is."""
    PAGE.write_text(text.rstrip() + "\n" + _parts()[1])


def write_second(text: str) -> None:
    """Write the second table, and leave the first as it is."""
    PAGE.write_text(_parts()[0].rstrip() + "\n\n" + text.rstrip() + "\n")


def _parts() -> tuple[str, str]:
    """Return the page up to the second table, and from there."""
    first, found, second = PAGE.read_text().partition(SECOND)
    return first, f"\n{found}{second}" if found else ""


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
            lines += [f"| {row['model_type']} | {cell(str(row['why']))} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def cell(text: str) -> str:
    """Keep a message inside its cell."""
    return re.sub(r"\s+", " ", text).replace("|", "/")[:160]
