"""What a view finds out once it is opened: at once where that is quick, else once somebody asks; never twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import streamlit as st

from components.durations import duration
from components.explore_session import owner, workbench
from components.run_panel import RunPanel, Told, progress_bar
from components.session_state import forget, recall, remember
from viz.service.pass_queue import WAIT

Found = TypeVar("Found")

# Called with how many passes, or layers, are done, and of how many.
Passes = Callable[[int, int], None]

# Seconds that nobody minds, and those after which somebody wants to see that something goes on.
PATIENCE, UNSEEN = 10.0, 1.0


def find_on_demand(
    panel: RunPanel,
    wanted: object,
    find: Callable[[Told], Found],
    *,
    seconds: float,
    verb: str,
    phases: Mapping[str, tuple[float, float, str]],
    kept: Callable[[], Found | None] | None = None,
    ask: bool = False,
    hint: str | None = None,
    disabled: bool = False,
) -> Found | None:
    """Return what was found before, or find it; None where it failed, was cancelled, or nobody has asked yet.

    Args:
        panel: under whose name the session remembers what was found last, and whose failures are said.
        wanted: what is to be found: what was found, a failure and a Cancel are remembered of it alone.
        find: finds it, and is told what to tell its progress to.
        seconds: that it will take.
        verb: of the button that asks for what takes long.
        phases: of the progress, the first for all that have no place there.
        kept: looks up what was found before, where something else than the session keeps it.
        ask: whether somebody has to ask, however quick it is.
        hint: of the button, on hover.
        disabled: whether there is nothing to ask for yet.
    """
    failed, asked = f"{panel.name} failed", f"{panel.name} asked"
    known = found_before(panel, wanted) if kept is None else kept()
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

            def tell(phase: str, share: float, counted: str = "") -> None:
                show(phase if phase in phases or phase == WAIT else first, share, counted)

            with workbench().turn(owner(), tell):
                return find(tell)

    found = panel.attempt(work)
    if found is None:
        remember(failed, wanted)
        panel.say()
    elif kept is None:
        remember(f"{panel.name} found", (wanted, found))
    return found


def find_in_passes(
    panel: RunPanel,
    wanted: object,
    find: Callable[[Passes], Found],
    *,
    seconds: float,
    verb: str,
    doing: str,
    counted: str = "passes",
    ask: bool = False,
    hint: str | None = None,
    disabled: bool = False,
) -> Found | None:
    """Return what was found before, or find it in passes that are counted.

    Args:
        panel: as in `find_on_demand`, and so are all that are not named here.
        wanted: as there.
        find: finds it, and is told what to tell its passes to.
        seconds: as there.
        verb: as there.
        doing: said meanwhile.
        counted: what the passes are called.
        ask: as there.
        hint: as there.
        disabled: as there.
    """

    def counting(tell: Told) -> Found:
        return find(lambda done, of: tell("passes", done / max(of, 1), count(done, of, counted)))

    return find_on_demand(
        panel,
        wanted,
        counting,
        seconds=seconds,
        verb=verb,
        phases={"passes": (0.0, 1.0, doing)},
        ask=ask,
        hint=hint,
        disabled=disabled,
    )


def telling_passes(tell: Told, passes_of: Mapping[str, int]) -> Callable[[str, float], None]:
    """Return what is told of phases, and says beside their shares how many passes are done.

    Args:
        tell: is told it.
        passes_of: how many each phase takes, in their order; of a phase that is none of them no pass is said.
    """
    phases, whole = list(passes_of), sum(passes_of.values())

    def progress(phase: str, share: float) -> None:
        if phase not in passes_of:
            tell(phase, share)
            return
        before = sum(passes_of[one] for one in phases[: phases.index(phase)])
        tell(phase, share, count(before + int(share * passes_of[phase]), whole, "passes"))

    return progress


def count(done: int, of: int, counted: str) -> str:
    """Say how many are done, as a progress bar does."""
    return f"{done:,} of {of:,} {counted}"


def found_before(panel: RunPanel, wanted: object) -> Any:
    """Return what a panel found last, if it is what is wanted; None otherwise."""
    before, found = recall(f"{panel.name} found", (None, None))
    return found if before == wanted else None
