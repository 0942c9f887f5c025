"""What each of several edits does to a head: its variants ranked by how far they are from the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from viz.capture.trace import Trace
from viz.compare.compared_side import Aggregate, Head
from viz.compare.comparison import Comparison, compare
from viz.compare.head_changes import Progress
from viz.compare.unit_alignment import How
from viz.errors import AlignmentError, InputError

# Comparisons that are kept to be drawn; the numbers of all are in the table.
KEPT = 12


@dataclass(frozen=True, slots=True)
class Effects:
    """Variants of a base text, those that moved the head most first.

    Attributes:
        table: a line a variant: its title, the mean Jensen-Shannon divergence (nats) and total variation over
            rows, and the row that changed most, as the variant reads there; the index is its number.
        kept: comparisons of the first lines, by number of the variant.
        apart: titles of variants that have nothing in common with the base.
    """

    table: pd.DataFrame
    kept: dict[int, Comparison]
    apart: tuple[str, ...] = ()


def effects(
    base: Trace,
    others: Sequence[Trace],
    titles: Sequence[str],
    *,
    heads: Sequence[Head] | None = None,
    stack: str | None = None,
    aggregate: Aggregate = "mean",
    words: bool = False,
    how: How = "text",
    keep: int = KEPT,
    progress: Progress | None = None,
) -> Effects:
    """Compare a head of a base text with the same head of each variant.

    Args:
        base: what all are compared with.
        others: traces of the variants.
        titles: of the variants.
        heads: (layer, head) of those that are looked at; all by default.
        stack: by name; the main one by default.
        aggregate: makes one pattern of several heads: `mean` or `max`.
        words: compare words, where units are parts of them.
        how: units belong together by `text`, or by `position`.
        keep: how many comparisons to return, of those that moved most.
        progress: called with "compare" and the share done after every variant; may raise to cancel.

    Raises:
        InputError: there are not as many titles as variants.
        ShapeError: there is no such stack or head.

    Cost: that of `compare` for each.
    """
    if len(others) != len(titles):
        raise InputError(
            f"There are {len(others)} traces and {len(titles)} titles.", "Name each variant once."
        )
    found: dict[int, Comparison] = {}
    lines: dict[int, tuple[str, float, float, str]] = {}
    apart = []
    for number, (trace, title) in enumerate(zip(others, titles, strict=True)):
        try:
            one = compare(
                base, trace, heads=heads, stack=stack, aggregate=aggregate, words=words, how=how
            )
        except AlignmentError:
            apart.append(title)
        else:
            overall = one.overall
            numbers = overall["jensen_shannon"], overall["total_variation"]
            lines[number] = (title, *numbers, _most(one))
            found[number] = one
            # Of those that will not be drawn only the numbers stay.
            if len(found) > keep:
                found.pop(min(found, key=lambda other: _known(lines[other][1])))
        if progress is not None:
            progress("compare", (number + 1) / len(others))
    table = pd.DataFrame.from_dict(
        lines,
        orient="index",
        columns=["variant", "jensen_shannon", "total_variation", "most changed row"],
    ).sort_values("jensen_shannon", ascending=False, kind="stable", na_position="last")
    kept = {number: found[number] for number in table.index if number in found}
    return Effects(table, kept, tuple(apart))


def _most(comparison: Comparison) -> str:
    """Return what the row that changed most reads; "" where none was measured."""
    known = comparison.numbers.dropna(subset=["jensen_shannon"])
    ranked = known.sort_values("jensen_shannon", ascending=False, kind="stable")
    return "" if ranked.empty else str(ranked["second"].iloc[0])


def _known(divergence: float) -> float:
    """Rank what has no number last."""
    return -1.0 if np.isnan(divergence) else divergence
