"""Compare: two heads, layers, texts or models side by side, and what differs."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from components.canvas import copy_link, drafts, text_guard
from components.compare_state import CompareView
from components.explore_session import arrived, leave
from components.panels.compare.all_heads import changed_panel, similar_panel
from components.panels.compare.checkpoint_steps import checkpoints_panel
from components.panels.compare.compare_url import (
    change,
    choice,
    complaints,
    follow_link,
    forget_act,
    view,
    write_link,
)
from components.panels.compare.head_choice import heads_panel
from components.panels.compare.minimal_pairs_panel import edits_panel
from components.panels.compare.most_changed_queries import rows_panel
from components.panels.compare.run_both_sides import RUN, Both, before, both, keep, problems_panel
from components.panels.compare.side_inputs import sides_panel, what_differs
from components.panels.compare.two_patterns_panel import compared, patterns_panel
from components.panels.link_notices import notice_box
from components.panels.title_row import title_row
from viz.service import Request

PARTS = {
    "rows": "Rows that differ most",
    "changed": "What changed most",
    "heads": "All heads against all",
    "edits": "Minimal pairs",
    "steps": "Checkpoints and models",
}

# Room for the progress bar, in pixels, so that nothing moves while a run is on.
LINE = 56


def page() -> None:
    """Draw the page; both sides are run as soon as they are known."""
    leave()
    arrived("compare")
    follow_link()
    link = title_row("Compare")
    with link:
        copy_link()
        text_guard()
    with sides_panel().container(height=LINE, border=False):
        line = st.empty()
    runs = both(line)
    if runs is None:
        notice_box(complaints())
        problems_panel()
        if RUN.failure is None:
            st.info("Nothing to compare yet: give both sides something to read.")
        write_link()
    elif runs.seen == view() and not _takes_long(runs.seen):
        _by_itself(runs)
    else:
        # A choice inside a fragment runs nothing, and waits until a run has ended instead of cutting it short.
        _comparison(runs)
    with link:
        drafts({"First text": view().first.text, "Second text": view().second.text})


@st.fragment
def _by_itself(runs: Both) -> None:
    """Draw what both sides show; a choice redraws only this, unless the page as a whole hangs on it."""
    seen = view()
    if _above(seen) != _above(runs.seen):
        st.rerun()
    forget_act()
    _comparison(replace(runs, seen=seen))


def _comparison(runs: Both) -> None:
    missed = st.empty()
    problems_panel(earlier=runs.seen != view())
    _drawn(runs)
    with missed.container():
        notice_box(complaints())
    write_link()


def _takes_long(seen: CompareView) -> bool:
    """Whether more than two patterns and their rows are measured."""
    return seen.part != "rows"


def _above(seen: CompareView) -> tuple[bool, str, Request, Request]:
    """Say what the page as a whole hangs on: what differs, what both sides read, and how long it may take."""
    return _takes_long(seen), what_differs(seen), seen.first.request, seen.second.request


def _drawn(runs: Both) -> None:
    """Draw both sides; where nothing belongs together, what could be drawn before."""
    heads_panel(runs)
    comparison = compared(runs)
    aligned = comparison is not None
    if comparison is None:
        earlier = before()
        comparison = None if earlier is None else compared(earlier, quiet=True)
        if earlier is None or comparison is None:
            return
        st.caption("What you see below is from before.")
        runs = earlier
    keep(runs)
    patterns_panel(runs, comparison, pairing=aligned)
    # Minimal pairs are made of a text.
    of_texts = not (runs.seen.first.media or runs.seen.second.media)
    parts = PARTS if of_texts else {name: PARTS[name] for name in PARTS if name != "edits"}
    if runs.seen.part not in parts:
        change(part="rows")
    choice("part", "Below", parts)
    if runs.seen.part == "rows" or runs.seen.part not in parts:
        rows_panel(comparison)
    elif runs.seen.part == "changed":
        changed_panel(runs)
    elif runs.seen.part == "heads":
        similar_panel(runs)
    elif runs.seen.part == "edits":
        edits_panel(runs)
    else:
        checkpoints_panel(runs)
