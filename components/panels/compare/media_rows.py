"""One row of two sides as what it is of: two pictures lit up where a patch looks, or two sounds along time."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from components.explore_session import is_dark
from components.panels.compare.compare_url import SIDES, change
from components.panels.compare.run_both_sides import Both
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.panels.statistic_labels import padding_words, percent
from components.session_state import remember, value_of
from viz.capture.layers.heard_layer import heard_in_all, on_padding
from viz.compare import Comparison, Side
from viz.figures import patch_at, picture_difference_figure, picture_figure, sounds_figure
from viz.inputs.frame_times import times_of
from viz.inputs.units import Grid, patch_grid
from viz.service import Analysis

ROW = "compare looks from"

# Of more heads it is not counted how much of their weight lies on silence.
MOST_COUNTED = 24

# Two pictures that are further apart, of 255 and on average, were cut or scaled in different ways.
CUT_APART = 8.0


def seen_panel(runs: Both, comparison: Comparison, titles: tuple[str, str]) -> None:
    """Show the chosen row over the pictures or along the sounds; of texts nothing."""
    grid = _common_grid(comparison)
    pictures = runs.first.picture, runs.second.picture
    sounds = runs.first.loudness, runs.second.loudness
    if grid is not None and pictures[0] is not None and pictures[1] is not None:
        row = _row(runs, comparison)
        _pictures(runs, comparison, (pictures[0], pictures[1]), grid, row, titles)
    elif sounds[0] is not None and sounds[1] is not None and _times(comparison.first) is not None:
        row = _row(runs, comparison)
        _sounds(comparison, (sounds[0], sounds[1]), row)
    _said(runs, comparison)


def _common_grid(comparison: Comparison) -> Grid | None:
    """Return how the common columns lie that are patches of both sides; None where they are none."""
    grids = [patch_grid(side.stack.keys) for side in (comparison.first, comparison.second)]
    one, other = grids
    if one is None or other is None:
        return None
    return Grid(0, min(one.rows, other.rows), min(one.columns, other.columns))


def _times(side: Side) -> NDArray[np.float32] | None:
    return times_of(side.stack.keys)


def _row(runs: Both, comparison: Comparison) -> int:
    """Ask which common row looks, and return it; the one that differs most until one is chosen."""
    labels, paired = comparison.rows.labels, comparison.rows.paired
    usual = comparison.numbers["jensen_shannon"].fillna(-1.0)
    shown = runs.seen.row if 0 <= runs.seen.row < len(labels) else -1
    if shown < 0:
        shown = int(usual.index[int(usual.to_numpy().argmax())]) if len(usual) else 0
    remember(ROW, shown)
    st.selectbox(
        "Looks from (row)",
        range(len(labels)),
        key=ROW,
        format_func=lambda row: (
            f"{labels[row]} ({row})" + ("" if paired[row] else ", on one side alone")
        ),
        on_change=lambda: change(row=value_of(ROW)),
        help="Type to find one; the row that differs most is shown until one is chosen.",
    )
    return shown


def _pictures(
    runs: Both,
    comparison: Comparison,
    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    grid: Grid,
    row: int,
    titles: tuple[str, str],
) -> None:
    patches = ~np.array(comparison.columns.special)
    one, other = (weights[0][patches] for weights in comparison.weights(rows=slice(row, row + 1)))
    difference = comparison.difference(rows=slice(row, row + 1))[0][patches]
    largest = max(float(one.max(initial=0)), float(other.max(initial=0))) or 1.0
    # Rows are patches too where the sides look at themselves.
    chosen = comparison.rows.special
    pinned = (
        int(np.sum(~np.array(chosen[:row]))) if _square(comparison) and not chosen[row] else None
    )
    same = runs.seen.first.media == runs.seen.second.media
    figures = {
        "first": picture_figure(
            pictures[0], one, grid, pinned=pinned, dark=is_dark(), height=340, largest=largest
        ),
        "second": picture_figure(
            pictures[1], other, grid, pinned=pinned, dark=is_dark(), height=340, largest=largest
        ),
        "difference": picture_difference_figure(
            pictures[0] if same else None, difference, grid, pinned=pinned, dark=is_dark()
        ),
    }
    named = (f"**First** {titles[0]}", f"**Second** {titles[1]}", "**Difference** second − first")
    for place, name, words, size in zip(
        st.columns(3, gap="small"),
        figures,
        named,
        (*pictures, pictures[0] if same else np.zeros((224, 224))),
        strict=True,
    ):
        key = f"compare picture {name}"
        place.markdown(_bold_first(words))
        place.plotly_chart(
            figures[name],
            key=key,
            config=PLOTLY,
            on_select=lambda key=key, size=size: _pick(
                comparison, key, (size.shape[0], size.shape[1]), grid
            ),
            selection_mode="points",
        )
    if same and _cut_apart(*pictures):
        st.caption(
            "The two models cut or scale this picture differently, so that a patch of one covers another "
            "part of it than the patch of the same place of the other."
        )


def _bold_first(words: str) -> str:
    """Keep the name of a panel bold, and what follows as it is written."""
    name, _, rest = words.partition("** ")
    return f"{name}** {literal(rest)}"


def _square(comparison: Comparison) -> bool:
    """Whether rows stand for the same as columns."""
    return all(
        side.stack.queries == side.stack.keys for side in (comparison.first, comparison.second)
    )


def _pick(comparison: Comparison, key: str, size: tuple[int, int], grid: Grid) -> None:
    """Look from the patch that was clicked."""
    points = value_of(key).selection.points
    if not points or not _square(comparison):
        return
    number = patch_at(float(points[0]["x"]), float(points[0]["y"]), size, grid)
    change(row=int(np.flatnonzero(~np.array(comparison.rows.special))[number]))


def _cut_apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two models were shown different parts of one picture."""
    small = [
        np.asarray(Image.fromarray(picture).convert("L").resize((32, 32)), dtype=float)
        for picture in (one, other)
    ]
    return bool(np.abs(small[0] - small[1]).mean() > CUT_APART)


def _sounds(
    comparison: Comparison,
    sounds: tuple[tuple[NDArray[np.float32], float], tuple[NDArray[np.float32], float]],
    row: int,
) -> None:
    columns = comparison.columns
    times = _times(comparison.first), _times(comparison.second)
    if times[0] is None or times[1] is None:
        return
    one, other = (weights[0] for weights in comparison.weights(rows=slice(row, row + 1)))
    starts = np.array(
        [
            times[0][first[0]] if first else times[1][second[0]]
            for first, second in zip(columns.first, columns.second, strict=True)
        ],
        dtype=np.float32,
    )
    in_first, in_second = columns.in_first, columns.in_second
    st.plotly_chart(
        sounds_figure(
            sounds,
            (starts[in_first], starts[in_second]),
            (one[in_first], other[in_second]),
            comparison.difference(rows=slice(row, row + 1))[0],
            starts,
            dark=is_dark(),
        ),
        key="compare sounds",
        config=PLOTLY,
    )
    lengths = [seconds for _, seconds in sounds]
    if abs(lengths[0] - lengths[1]) > 0.05:
        st.caption(
            f"The first sound lasts {lengths[0]:.1f} s, the second {lengths[1]:.1f} s; frames are laid on "
            "each other by their time, and those after the shorter one's end have no partner."
        )


def _said(runs: Both, comparison: Comparison) -> None:
    """Say of each side how much weight lies on silence that is left out."""
    sides = comparison.first, comparison.second
    for which, side, run in zip(SIDES, sides, runs.both, strict=True):
        if said := _padding(side, run):
            st.caption(f"{which.capitalize()} side: {said}")


def _padding(side: Side, run: Analysis) -> str:
    whole = heard_in_all(side.stack)
    if whole is None or run.loudness is None:
        return ""
    seconds = run.loudness[1]
    if len(side.heads) == 1:
        return padding_words(side.stack, *side.heads[0], seconds)
    left = f"silence that fills it up to the model's {whole:.0f} s"
    if len(side.heads) > MOST_COUNTED:
        return f"The sound ends at {seconds:.1f} s; the {left} is left out here."
    lost = [float(on_padding(side.stack, *head).mean()) for head in side.heads]
    return (
        f"The sound ends at {seconds:.1f} s; {percent(float(np.mean(lost)))} of these heads' weight lies on "
        f"the {left}, which is left out here."
    )
