"""What a view finds out once it is opened: at once where that is quick, else once somebody asks; never twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import streamlit as st

from components.durations import duration
from components.run_panel import RunPanel, Told, progress_bar
from components.session_state import forget, recall, remember

Found = TypeVar("Found")

# Seconds that nobody minds, and those after which somebody wants to see that something goes on.
PATIENCE, UNSEEN = 10.0, 1.0


def find_on_demand(
    panel: RunPanel,
    wanted: object,
    find: Callable[[Told], Found],
    *,
    known: Found | None,
    seconds: float,
    verb: str,
    phases: Mapping[str, tuple[float, float, str]],
    ask: bool = False,
    hint: str | None = None,
    disabled: bool = False,
) -> Found | None:
    """Return what is known, or find it; None where it failed, was cancelled, or nobody has asked yet.

    Args:
        panel: whose failures are said.
        wanted: what is to be found, so that the same failure or Cancel is remembered.
        find: finds it, and is told what to tell its progress to.
        known: what was found before.
        seconds: that it will take.
        verb: of the button that asks for what takes long.
        phases: of the progress, the first for all that have no place there.
        ask: whether somebody has to ask, however quick it is.
        hint: of the button, on hover.
        disabled: whether there is nothing to ask for yet.
    """
    failed, asked = f"{panel.name} failed", f"{panel.name} asked"
    if known is not None:
        panel.clear()
        return known

    def begin() -> None:
        panel.go_on()
        panel.clear()
        forget(failed)
        remember(asked, wanted)

    if recall(failed) == wanted and panel.failure is not None:
        panel.say()
        st.button("Try again", key=f"{panel.name} again", on_click=begin)
        return None
    panel.clear()
    slow = seconds > PATIENCE
    if panel.is_stopped(wanted) or ((ask or slow) and recall(asked) != wanted):
        label = f"{verb} (about {duration(seconds)})" if slow else verb
        st.button(label, key=f"{panel.name} ask", on_click=begin, help=hint, disabled=disabled)
        return None
    slot, first = st.empty(), next(iter(phases))

    def work() -> Found:
        cancel = partial(panel.stop, wanted)
        with progress_bar(
            slot,
            on_cancel=cancel,
            key=f"{panel.name} cancel",
            phases=phases,
            after=UNSEEN if seconds < 2 * UNSEEN else 0.0,
        ) as told:
            show = told(0)

            def tell(phase: str, share: float, passes: int = 0) -> None:
                show(phase if phase in phases else first, share, passes)

            return find(tell)

    found = panel.attempt(work)
    if found is None:
        remember(failed, wanted)
        panel.say()
    return found


def find_in_passes(
    panel: RunPanel,
    wanted: object,
    find: Callable[[Callable[[int, int], None]], Found],
    *,
    known: Found | None,
    seconds: float,
    verb: str,
    doing: str,
    ask: bool = False,
    hint: str | None = None,
    disabled: bool = False,
) -> Found | None:
    """Return what is known, or find it in passes that are counted; `doing` is said meanwhile, the rest as above."""
    return find_on_demand(
        panel,
        wanted,
        lambda tell: find(lambda done, of: tell("passes", done / max(of, 1), of)),
        known=known,
        seconds=seconds,
        verb=verb,
        phases={"passes": (0.0, 1.0, doing)},
        ask=ask,
        hint=hint,
        disabled=disabled,
    )
