"""More than two heads: which changed most, and which look like which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd
import streamlit as st

from components.compare_state import ALL, CompareView, chosen_heads
from components.explore_session import is_dark
from components.panels.compare.compare_url import SIDES, change_side
from components.panels.compare.run_both_sides import Both
from components.panels.plotly_settings import PLOTLY
from components.run_panel import in_words, while_measuring
from components.session_state import value_of
from viz.analysis import Predictions
from viz.compare import Similarity, outcome, similar_heads
from viz.compare.head_clusters import left_out
from viz.errors import LoupeError
from viz.figures import changed_figure, places_figure, similarity_figure
from viz.service.comparison_cache import AllHeads, Comparisons, Question

# Heads that look like the chosen one that are listed.
NEAR = 8

# Lines of the table of what changed most.
LISTED = 400

Found = TypeVar("Found")

CHANGED, TABLE = "compare changed", "compare changed table"
MATRIX, MAP, LIKE = "compare all heads", "compare map", "compare like"


@st.cache_resource(show_spinner=False)
def comparisons() -> Comparisons:
    """Return what all sessions of the process share."""
    return Comparisons()


def changed_panel(runs: Both) -> None:
    """Rank every head by how far it moved from the first side to the second."""
    asked = _question(runs)
    if runs.first.token == runs.second.token and asked.stack == asked.other_stack:
        st.info(
            "Both sides are the same run, so that no head has changed. Choose another text, model or stack "
            "for the second side."
        )
        return
    found = while_measuring(
        "Comparing every head",
        lambda tell: comparisons().changed(runs.first, runs.second, asked, tell),
    )
    if found is None:
        return
    picture, table = st.columns([1.3, 1], gap="medium")
    picture.plotly_chart(
        changed_figure(found, selected=_chosen(runs), dark=is_dark()),
        key=CHANGED,
        config=PLOTLY,
        on_select=lambda: _pick_point(CHANGED),
        selection_mode="points",
    )
    picture.caption(
        "Mean Jensen-Shannon divergence between a head on the first side and the same head on the second, "
        "in nats. A click shows the head above."
    )
    frame = found.heads.head(LISTED)
    if runs.first.trace.stacks[asked.stack].keys.kind == "patch":
        frame = frame.drop(columns="centre_shift")
    table.dataframe(
        frame,
        key=TABLE,
        hide_index=True,
        height=380,
        column_config={
            "jensen_shannon": st.column_config.NumberColumn("Jensen-Shannon", format="%.4f"),
            "total_variation": st.column_config.NumberColumn("moved weight", format="%.3f"),
            "centre_shift": st.column_config.NumberColumn("centre shift", format="%+.2f"),
        },
        on_select=lambda: _pick_line(TABLE, frame, SIDES),
        selection_mode="single-row",
    )
    _prediction(runs)


def _prediction(runs: Both) -> None:
    """Say how the prediction at the end of the texts changed."""
    first, second = runs.first.predictions, runs.second.predictions
    if first is None or second is None:
        st.caption("No change in a prediction: not both models predict tokens.")
        return
    places = _place(runs, 0, first), _place(runs, 1, second)
    if places[0] is None or places[1] is None:
        st.caption(
            "No change in a prediction: a masked model predicts at a mask, and a text has none."
        )
        return
    try:
        found = outcome(
            first,
            second,
            at=(places[0], places[1]),
            tokenizers=(runs.first.tokenizer, runs.second.tokenizer),
        )
    except LoupeError as error:
        st.caption(in_words(error))
        return
    where = "at the mask" if first.kind == "masked" else "after the last token"
    st.markdown(f"**Change in the prediction {where}**")
    st.dataframe(
        found.tokens.drop(columns="at_least"),
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format=form)
            for name, form in (("first", "%.4f"), ("second", "%.4f"), ("difference", "%+.4f"))
        },
    )
    if found.jensen_shannon is not None:
        st.caption(
            f"Jensen-Shannon divergence of the whole distributions: {found.jensen_shannon:.3g} nats."
        )
    else:
        st.caption("Tokens of both vocabularies that read the same count together.")


def _place(runs: Both, side: int, ranked: Predictions) -> int | None:
    """Return where to predict: at the end, or at a mask, if there is one."""
    if ranked.kind != "masked":
        return len(ranked.ids) - 1
    run = runs.both[side]
    mask = getattr(run.tokenizer, "mask_token_id", None)
    masked = (place for place, number in enumerate(run.trace.units.ids) if number == mask)
    return next(masked, None)


def similar_panel(runs: Both) -> None:
    """Show which heads look alike, as a matrix, a map, and a list for the chosen one."""
    found = while_measuring(
        "Comparing all heads with all",
        lambda tell: comparisons().all_heads(runs.first, runs.second, _question(runs), tell),
    )
    if found is None:
        return
    chosen = _chosen(runs)
    left, right = st.columns([1.4, 1], gap="medium")
    with left:
        st.plotly_chart(
            similarity_figure(found.found, found.order, selected=chosen, dark=is_dark()),
            key=MATRIX,
            config=PLOTLY,
            on_select=lambda: _pick_pair(MATRIX),
            selection_mode="points",
        )
        of = found.found
        part = "" if of.rows == of.of else f" over {of.rows:,} of {of.of:,} rows, evenly spaced"
        st.caption(
            f"Mean Jensen-Shannon divergence of rows, nats{part}; heads that look alike stand together. "
            "A click on a cell or on a mark beside it chooses heads."
        )
        if any(left_out(of)):
            st.caption(
                f"At the end, in no order: {_unknown(of)}, which look in no row with another."
            )
    with right:
        _near(found, chosen)
        if found.places is not None:
            st.plotly_chart(
                places_figure(found.places, selected=chosen, dark=is_dark(), height=420),
                key=MAP,
                config=PLOTLY,
                on_select=lambda: _pick_pair(MAP),
                selection_mode="points",
            )
            st.caption(
                "Near heads look alike; the axes mean nothing by themselves. Stress "
                f"{found.places.stress:.2f}: from 0.2 on distances say little."
            )


def _unknown(found: Similarity) -> str:
    """Name some of the heads of which nothing is known."""
    named = [f"layer {layer}, head {head}" for heads in left_out(found) for layer, head in heads]
    # Of one stack rows and columns are the same heads.
    named = list(dict.fromkeys(named))
    more = len(named) - NEAR
    return "; ".join(named[:NEAR]) + (f" and {more:,} more" if more > 0 else "")


def _near(found: AllHeads, chosen: tuple[tuple[int, int], ...]) -> None:
    """List the heads that look most like the first side's."""
    if not chosen or chosen[0] not in found.found.heads:
        return
    layer, head = chosen[0]
    near = similar_heads(found.found, layer, head, NEAR)
    frame = pd.DataFrame(near, columns=["layer", "head", "divergence"])
    which = "" if found.found.alone else " of the second side"
    st.markdown(f"**Heads{which} like layer {layer}, head {head}**")
    st.dataframe(
        frame,
        key=LIKE,
        hide_index=True,
        column_config={"divergence": st.column_config.NumberColumn("nats", format="%.4f")},
        on_select=lambda: _pick_line(LIKE, frame, ("second",)),
        selection_mode="single-row",
    )
    st.caption("A click compares with it above.")


def _question(runs: Both) -> Question:
    seen = runs.seen
    stacks = [
        chosen_heads(side, run.trace.stacks)[0].name
        for side, run in ((seen.first, runs.first), (seen.second, runs.second))
    ]
    return Question(stacks[0], stacks[1], seen.pairs, seen.words, seen.how)


def _chosen(runs: Both) -> tuple[tuple[int, int], ...]:
    """Return the first side's heads, where it is not all of them."""
    seen: CompareView = runs.seen
    if seen.first.heads == ALL or "." not in seen.first.heads:
        return ()
    return chosen_heads(seen.first, runs.first.trace.stacks)[1]


def _pick_point(key: str) -> None:
    """Show the head of a layer x head map on both sides."""
    points = value_of(key).selection.points
    if points:
        show_head(SIDES, int(points[0]["y"]), int(points[0]["x"]))


def _pick_line(key: str, frame: pd.DataFrame, sides: tuple[str, ...]) -> None:
    rows = value_of(key).selection.rows
    if rows:
        line = frame.iloc[rows[0]]
        show_head(sides, int(line["layer"]), int(line["head"]))


def _pick_pair(key: str) -> None:
    """Show the heads that a mark stands for: one for the first side, or one for each."""
    named = clicked(value_of(key).selection.points)
    for which, at in zip(SIDES, (named[:2], named[2:]), strict=True):
        if len(at) == 2:
            show_head((which,), *at)


def clicked(points: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the numbers that go with the mark that was clicked; none where it was let go."""
    data = points[0].get("customdata", ()) if points else ()
    # A browser sends numbers that came as an array as a mapping from place to number.
    return [int(one) for one in (data.values() if isinstance(data, Mapping) else data)]


def show_head(sides: tuple[str, ...], layer: int, head: int) -> None:
    """Choose a head on some sides."""
    for which in sides:
        change_side(which, heads=f"{layer}.{head}")
