"""Both sides measured against each other, their patterns, and by how much they differ."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import PurePath

import streamlit as st

from components.compare_state import (
    ALL,
    CompareView,
    SideView,
    chosen_heads,
    written_heads,
)
from components.panels.compare.compare_links import neighbour
from components.panels.compare.compare_url import SIDES, change, choice, complain, rewrite
from components.panels.compare.media_rows import seen_panel
from components.panels.compare.pairing_settings import pairing_panel, settings_panel
from components.panels.compare.pattern_drawing import draw
from components.panels.compare.run_both_sides import Both
from components.panels.compare.zoomed_part import Part, part_of, whole
from components.panels.plain_text import literal
from components.panels.unread_text import unread_words
from components.run_panel import in_words
from components.session_state import recall, remember, value_of
from viz.compare import Comparison, Side, aligned_units, compare_sides
from viz.errors import AlignmentError, LoupeError

# Heads that stand in a title by name.
MOST_NAMED = 3

# The comparison on screen, with what was asked for.
KEPT = "compare kept"

# The key of the component.
CANVAS = "compare canvas"

MODES = {"difference": "Difference", "overlay": "Overlay", "flicker": "Flicker"}

NUMBERS = {
    "jensen_shannon": (
        "Jensen-Shannon",
        "Mean over the rows, in nats: 0 where both look alike, ln 2 = 0.693 where they share nothing.",
        "{:.3g}",
    ),
    "total_variation": (
        "Moved weight",
        "Total variation: the share of a row's weight that would have to move.",
        "{:.1%}",
    ),
    "cosine": ("Cosine", "Of the angle between rows: 1 in the same direction.", "{:.3f}"),
    "rank_correlation": (
        "Rank correlation",
        "Spearman's: 1 where both rank the keys alike, whatever the weights.",
        "{:.3f}",
    ),
    "centre_shift": (
        "Centre shift",
        "How far the mean place that a row attends to moves, in columns; positive is to the right.",
        "{:+.2f}",
    ),
}


def compared(runs: Both, *, quiet: bool = False) -> Comparison | None:
    """Return both sides in common units and measured; say where nothing belongs together."""
    seen = runs.seen
    shown = [(one.stack, one.heads) for one in seen.sides]
    looked = (seen.aggregate, seen.pairs, seen.words, seen.how)
    asked = (runs.first.token, runs.second.token, shown, looked)
    kept = recall(KEPT)
    if kept is not None and kept[0] == asked:
        comparison: Comparison = kept[1]
        return comparison
    try:
        found = _measured(runs)
    except LoupeError as error:
        if not quiet:
            st.error(in_words(error))
            if isinstance(error, AlignmentError) and _of_texts(runs):
                pairing_panel()
            elif isinstance(error, AlignmentError):
                _instead(runs)
        return None
    remember(KEPT, (asked, found))
    return found


def _of_texts(runs: Both) -> bool:
    return not (runs.seen.first.media or runs.seen.second.media)


def _instead(runs: Both) -> None:
    """Offer what can be compared where two sides cannot be laid on each other: two heads of one of them."""
    with st.container(horizontal=True):
        for which, run in zip(SIDES, runs.both, strict=True):
            side: SideView = getattr(runs.seen, which)
            stack, heads = chosen_heads(side, run.trace.stacks)
            other = written_heads((neighbour(stack, *heads[0]),))
            one = replace(side, heads=written_heads(heads[:1]))
            st.button(
                f"Compare two heads of the {which} side",
                key=f"compare instead {which}",
                on_click=lambda one=one, other=other: rewrite(
                    first=one, second=replace(one, heads=other), row=-1, span=""
                ),
            )


def _measured(runs: Both) -> Comparison:
    """Align what both sides show, and measure it.

    Raises:
        AlignmentError: nothing on one side stands for anything on the other.
    """
    seen = runs.seen
    first, second = (
        Side(*chosen_heads(side, run.trace.stacks), seen.aggregate)
        for side, run in ((seen.first, runs.first), (seen.second, runs.second))
    )
    units = aligned_units(
        runs.first.trace,
        runs.second.trace,
        first,
        second,
        pairing=seen.pairs or None,
        words=seen.words,
        how=seen.how,
    )
    return compare_sides(first, second, *units)


def patterns_panel(runs: Both, comparison: Comparison, *, pairing: bool) -> None:
    """Draw both patterns and how they differ, and say by how much.

    Args:
        runs: of both sides.
        comparison: of what they show.
        pairing: whether to ask what belongs together; False where that is asked for already.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        choice(
            "mode",
            "Third panel",
            MODES,
            help="Second minus first; both over each other; or one and the other in turn.",
        )
        settings_panel(pairing=pairing)
    titles = _titles(runs, comparison)
    seen_panel(runs, comparison, titles)
    _patterns(runs, comparison, titles)
    for which, run in zip(SIDES, runs.both, strict=True):
        # Between two sides a few count: what is unknown to both looks the same.
        if unknown := unread_words(run, least=0):
            st.caption(literal(f"{which.capitalize()} side: {unknown}"))
    _numbers(comparison)


def _titles(runs: Both, comparison: Comparison) -> tuple[str, str]:
    seen = runs.seen
    return _title(seen.first, comparison.first), _title(seen.second, comparison.second)


def _patterns(runs: Both, comparison: Comparison, titles: tuple[str, str]) -> None:
    seen = runs.seen
    part = part_of(comparison, seen.span)
    _complain(comparison, seen, part)
    draw(
        comparison,
        titles,
        row=seen.row,
        part=part,
        key=CANVAS,
        on_row=lambda: _chosen_row(part),
        on_closer=lambda: _chosen_part(part),
    )


def _complain(comparison: Comparison, seen: CompareView, part: Part) -> None:
    """Note a row and a part that both sides do not have."""
    rows, columns = len(comparison.rows), len(comparison.columns)
    if seen.row >= rows:
        complain(
            f"The link's row {seen.row} is not valid: common rows go from 0 to {rows - 1}, so none is chosen."
        )
    if seen.span and part.written() != seen.span:
        shown = part.written() if part != whole(comparison) else "the whole"
        complain(
            f"The link's span {seen.span!r} is not valid: there are {rows} common rows and {columns} columns, "
            f"so {shown} is shown."
        )


def _chosen_row(part: Part) -> None:
    """Choose the common row that was clicked."""
    sent = value_of(CANVAS).get("row")
    if sent is not None:
        change(row=part.row_at(int(sent)))


def _chosen_part(part: Part) -> None:
    """Look closer at what was in sight, or at the whole again."""
    sent = value_of(CANVAS).get("span")
    if sent is not None:
        change(span=part.closer([int(edge) for edge in sent]).written() if len(sent) else "")


def _title(side: SideView, shown: Side) -> str:
    heads = shown.heads
    if len(heads) == 1:
        named = f"layer {heads[0][0]}, head {heads[0][1]}"
    elif side.heads == ALL:
        named = f"{shown.how} of all {len(heads)} heads"
    elif "." not in side.heads:
        named = f"{shown.how} of layer {heads[0][0]}"
    elif len(heads) <= MOST_NAMED:
        named = f"{shown.how} of {written_heads(heads)}"
    else:
        named = f"{shown.how} of {len(heads)} heads"
    # Of a folder the last part tells one checkpoint from another.
    model = PurePath(side.model).name if side.local else side.model
    at = f" @ {side.revision}" if side.revision else ""
    stack = "" if shown.stack.name == "self" else f"{shown.stack.name}, "
    return f"{model}{at}, {stack}{named}"


def _numbers(comparison: Comparison) -> None:
    overall = comparison.overall
    # Patches lie in a plane, in which a shift along their numbers means nothing.
    shown = {
        name: said
        for name, said in NUMBERS.items()
        if name != "centre_shift" or comparison.columns.kind != "patch"
    }
    with st.container(key="compare_numbers"):
        places = st.columns(len(shown))
    for place, (name, (title, meaning, form)) in zip(places, shown.items(), strict=True):
        value = overall[name]
        place.metric(title, "–" if math.isnan(value) else form.format(value), help=meaning)
