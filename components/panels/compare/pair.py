"""Both patterns, how they differ, and by how much."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.canvas.compare_view import ComparedSide, compare_view
from components.compare_state import MODES, SideView, chosen_heads, written_heads
from components.panels.compare.place import change, named, view
from components.panels.compare.run import Both
from components.panels.compare.sides import EVERYTHING, THINGS, change_both
from components.panels.literal import literal
from components.session import is_dark
from viz.capture.stack import Stack
from viz.compare import Alignment, Comparison, Side, aligned_units, compare_sides
from viz.compare.alignment import bare
from viz.errors import AlignmentError, LoupeError
from viz.figures.display import span_words
from viz.patterns.pooling import pool_edges

# Common units along an axis up to which each is drawn; of more, neighbours are drawn together.
MOST_DRAWN = 512

# Heads that stand in a title by name.
MOST_NAMED = 3

ALL = "all"
PLOTLY = {"displaylogo": False, "displayModeBar": False, "showTips": False}
SIDES = ("first", "second")

# The comparison on screen, with what was asked for.
KEPT = "compare kept"

# The key of the component.
CANVAS = "compare canvas"

MODE_TITLES = {"difference": "Difference", "overlay": "Overlay", "flicker": "Flicker"}

NUMBERS = {
    "jensen_shannon": (
        "Jensen-Shannon",
        "Mean over the rows, in nats: 0 where both look alike, ln 2 = 0.693 where they share nothing.",
        "{:.3f}",
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
        "How far the mean place that a row looks at moves, in columns; positive is to the right.",
        "{:+.2f}",
    ),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides in common units."""

    first: Side
    second: Side
    rows: Alignment
    columns: Alignment


def aligned(runs: Both) -> Pair:
    """Align what both sides show.

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
    return Pair(first, second, *units)


def heads_panel(runs: Both) -> None:
    """Let the stack, the layer and the head of both sides be chosen."""
    for place, which, run in zip(st.columns(2, gap="medium"), SIDES, runs.both, strict=True):
        with place.container(horizontal=True, vertical_alignment="bottom"):
            _heads(which, getattr(runs.seen, which), run.trace.stacks)


def compared(runs: Both, *, quiet: bool = False) -> Comparison | None:
    """Return both sides in common units and measured; say where nothing belongs together."""
    seen = runs.seen
    shown = [(one.stack, one.heads) for one in seen.sides]
    looked = (seen.aggregate, seen.pairs, seen.words, seen.how)
    asked = (runs.first.token, runs.second.token, shown, looked)
    kept = st.session_state.get(KEPT)
    if kept is not None and kept[0] == asked:
        comparison: Comparison = kept[1]
        return comparison
    try:
        pair = aligned(runs)
    except LoupeError as error:
        if not quiet:
            st.error(f"{literal(error.message)} {literal(error.hint)}")
            if isinstance(error, AlignmentError):
                _pairing()
        return None
    found = compare_sides(pair.first, pair.second, pair.rows, pair.columns)
    st.session_state[KEPT] = asked, found
    return found


def patterns_panel(runs: Both, comparison: Comparison, *, pairing: bool) -> None:
    """Draw both patterns and how they differ, and say by how much.

    Args:
        runs: of both sides.
        comparison: of what they show.
        pairing: whether to ask what belongs together; False where that is asked for already.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        st.session_state["compare mode"] = runs.seen.mode
        st.segmented_control(
            "Third panel",
            list(MODES),
            key="compare mode",
            required=True,
            format_func=lambda mode: MODE_TITLES[mode],
            label_visibility="collapsed",
            on_change=lambda: change(mode=st.session_state["compare mode"]),
            help="Second minus first; both over each other; or one and the other in turn.",
        )
        _settings(pairing=pairing)
    _patterns(runs, comparison)
    _numbers(comparison)


def _patterns(runs: Both, comparison: Comparison) -> None:
    seen = runs.seen
    titles = _title(seen.first, comparison.first), _title(seen.second, comparison.second)
    rows = len(comparison.rows)
    draw(comparison, titles, row=seen.row, key=CANVAS, on_row=lambda: _chosen_row(rows))


def draw(
    comparison: Comparison,
    titles: tuple[str, str],
    *,
    key: str,
    row: int = -1,
    on_row: Callable[[], None] | None = None,
) -> None:
    """Draw two patterns and how they differ, in the mode that is chosen."""
    drawn = comparison.coarser(MOST_DRAWN)
    weights, attended = drawn.weights(), drawn.attended()
    first, second = (
        _drawn(drawn, which, title, matrix, may)
        for which, title, matrix, may in zip(SIDES, titles, weights, attended, strict=True)
    )
    compare_view(
        first,
        second,
        mode=view().mode,
        row=drawn_row(row, len(comparison.rows)),
        dark=is_dark(),
        key=key,
        on_row=on_row,
    )
    st.caption(_said(comparison, drawn))


def _drawn(
    drawn: Comparison,
    which: str,
    title: str,
    weights: NDArray[np.float32],
    attended: NDArray[np.bool_],
) -> ComparedSide:
    """Describe one side to the canvas."""
    axes = drawn.rows, drawn.columns
    rows, columns = (getattr(axis, f"in_{which}") for axis in axes)
    row_labels, column_labels = (_labels(axis, which) for axis in axes)
    row_positions, column_positions = (_positions(getattr(axis, which)) for axis in axes)
    return ComparedSide(
        title=title,
        weights=weights,
        rows=rows,
        columns=columns,
        row_labels=row_labels,
        column_labels=column_labels,
        row_positions=row_positions,
        column_positions=column_positions,
        attended=None if attended[np.ix_(rows, columns)].all() else attended,
    )


def drawn_row(row: int, rows: int) -> int | None:
    """Return where a common row is drawn, by itself or together with its neighbours."""
    if not 0 <= row < rows:
        return None
    return bisect_right(pool_edges(rows, MOST_DRAWN), row) - 1


def _chosen_row(rows: int) -> None:
    """Choose the common row that was clicked, of rows drawn together the first."""
    sent = st.session_state[CANVAS].get("row")
    if sent is not None:
        change(row=-1 if int(sent) < 0 else pool_edges(rows, MOST_DRAWN)[int(sent)])


def _labels(axis: Alignment, which: str) -> tuple[str, ...]:
    """Name units alike on both sides where they read the same, whatever their tokenizers hang on them."""
    labels: tuple[str, ...] = getattr(axis, f"{which}_labels")
    return tuple(
        common if same else bare(label)
        for common, same, label in zip(axis.labels, axis.equal, labels, strict=True)
    )


def _positions(groups: tuple[tuple[int, ...], ...]) -> tuple[str, ...]:
    return tuple(span_words(group[0], group[-1] + 1) if group else "" for group in groups)


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


def _said(comparison: Comparison, drawn: Comparison) -> str:
    rows, kind = comparison.rows, comparison.rows.kind
    parts = [f"{int(rows.paired.sum()):,} of {len(rows):,} common {kind}s have a partner"]
    groups = zip(rows.first, rows.second, strict=True)
    if any(max(len(one), len(other)) > 1 for one, other in groups):
        parts.append("weights summed over the keys of a common unit, averaged over its queries")
    if len(drawn.rows) < len(rows) or len(drawn.columns) < len(comparison.columns):
        parts.append(
            f"neighbours drawn together, {len(drawn.rows)} x {len(drawn.columns)} of "
            f"{len(rows):,} x {len(comparison.columns):,}"
        )
    whole, some = (sum(map(len, one.rows.first)) for one in (comparison, drawn))
    if some < whole:
        parts.append(f"drawn from {some:,} of {whole:,} rows, evenly spaced")
    if comparison.measured < comparison.of:
        parts.append(f"numbers of {comparison.measured:,} rows, evenly spaced")
    return literal("; ".join(parts) + ".")


def _numbers(comparison: Comparison) -> None:
    overall = comparison.overall
    for place, (name, (title, meaning, form)) in zip(
        st.columns(len(NUMBERS)), NUMBERS.items(), strict=True
    ):
        value = overall[name]
        place.metric(title, "–" if math.isnan(value) else form.format(value), help=meaning)


def _heads(which: str, side: SideView, stacks: Mapping[str, Stack]) -> None:
    """Let the stack, the layer and the head of a side be chosen."""
    stack, heads = chosen_heads(side, stacks)
    several = len(heads) > 1 and "." in side.heads
    layer: int | str = heads[0][0] if side.heads != ALL else ALL
    head: int | str = heads[0][1] if "." in side.heads else ALL
    differs = EVERYTHING if which == "second" else _differs_in_heads()
    keys = {name: f"compare {which} {name}" for name in ("stack", "layer", "head", "several")}

    def moved() -> None:
        at = st.session_state[keys["layer"]]
        one = st.session_state[keys["head"]]
        change_both(
            which, differs, heads=ALL if at == ALL else str(at) if one == ALL else f"{at}.{one}"
        )

    if len(stacks) > 1:
        st.session_state[keys["stack"]] = stack.name
        st.selectbox(
            "Stack",
            list(stacks),
            key=keys["stack"],
            width=120,
            on_change=lambda: change_both(which, differs, stack=st.session_state[keys["stack"]]),
        )
    st.session_state[keys["layer"]] = layer
    st.selectbox(
        "Layer",
        [*range(stack.layers), ALL],
        key=keys["layer"],
        width=90,
        disabled=several,
        on_change=moved,
    )
    if layer != ALL:
        st.session_state[keys["head"]] = head
        st.selectbox(
            "Head",
            [*range(stack.heads(int(layer))), ALL],
            key=keys["head"],
            width=90,
            disabled=several,
            on_change=moved,
        )
    with st.popover("Several …", width="content"):
        _several(which, differs, stack, heads if several else (), keys["several"])


def _differs_in_heads() -> str:
    """Say whether the second side has heads of its own; else they follow the first's."""
    seen = view()
    alike = all(getattr(seen.first, name) == getattr(seen.second, name) for name in THINGS["head"])
    runs_alike = seen.first.request == seen.second.request
    return EVERYTHING if not alike or runs_alike else "text"


def _several(
    which: str, differs: str, stack: Stack, heads: tuple[tuple[int, int], ...], key: str
) -> None:
    offered = [
        f"{layer}.{head}" for layer in range(stack.layers) for head in range(stack.heads(layer))
    ]
    usual = [f"{layer}.{head}" for layer, head in heads]
    key = named(key, usual)

    def picked() -> None:
        chosen = st.session_state[key]
        change_both(which, differs, heads=",".join(chosen) if chosen else "0.0")

    st.multiselect(
        "Heads taken together, as layer.head",
        offered,
        usual,
        key=key,
        max_selections=64,
        on_change=picked,
    )


def _settings(*, pairing: bool) -> None:
    """Ask how heads are taken together and what belongs together."""
    seen = view()
    with st.popover("Settings"):
        aggregate = named("aggregate", seen.aggregate)
        st.segmented_control(
            "Several heads become one by",
            ["mean", "max"],
            default=seen.aggregate,
            key=aggregate,
            required=True,
            on_change=lambda: change(aggregate=st.session_state[aggregate]),
        )
        words = named("words", seen.words)
        st.toggle(
            "Compare words, not their parts",
            seen.words,
            key=words,
            on_change=lambda: change(words=st.session_state[words], row=-1),
        )
        if pairing:
            _pairing()


def _pairing() -> None:
    """Ask what belongs together."""
    seen = view()
    how, pairing = named("how", seen.how), named("pairing", seen.pairing)
    st.segmented_control(
        "What belongs together",
        ["text", "position"],
        default=seen.how,
        key=how,
        required=True,
        format_func=lambda one: {"text": "the same words", "position": "the same position"}[one],
        on_change=lambda: change(how=st.session_state[how], row=-1),
    )
    st.text_area(
        "Or say it, one pair a line",
        seen.pairing,
        key=pairing,
        placeholder="animal = Tier\nthe street = die Straße",
        disabled=seen.how == "position",
        on_change=lambda: change(pairing=st.session_state[pairing], row=-1),
    )
