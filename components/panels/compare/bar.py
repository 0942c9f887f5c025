"""Several runs one after the other: one bar with Cancel beside it, and room for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.panels.literal import literal
from components.panels.run import PHASES
from viz.errors import BudgetError
from viz.service.run_service import Progress

# What the runs of a part of the page may take together: they and both sides are to be kept at a time.
MOST_BYTES = 500_000_000


@contextmanager
def one_bar(
    slot: DeltaGenerator,
    count: int,
    *,
    on_cancel: Callable[[], None],
    names: Sequence[str] = (),
    key: str | None = None,
) -> Iterator[Callable[[int], Progress]]:
    """Show how far several runs are, one after the other, until they are done or one fails.

    Args:
        slot: where the bar stands; it is empty afterwards.
        count: of the runs.
        on_cancel: called when Cancel is pressed.
        names: of the runs, to be said.
        key: of the Cancel button.

    Yields:
        What returns, for the number of a run, what its progress is to be told to.
    """
    with slot.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, "Starting")
        st.button("Cancel", key=key, on_click=on_cancel)

    def told(number: int) -> Progress:
        which = f", {number + 1:,} of {count:,}" if count > 1 else ""
        name = f": {literal(names[number])}" if names else ""

        def progress(phase: str, share: float) -> None:
            # This call is also where Streamlit stops a run that was cancelled or superseded.
            start, stop, words = PHASES[phase]
            done = (number + start + (stop - start) * min(1.0, share)) / count
            bar.progress(done, f"{words}{which}{name}")

        return progress

    try:
        yield told
    except Exception:
        slot.empty()
        raise
    slot.empty()


def require_room(one_bytes: int, count: int, what: str, hint: str) -> None:
    """Make sure that so many runs can be kept at a time.

    Args:
        one_bytes: that one of them takes.
        count: of the runs.
        what: they are of, in the plural.
        hint: what to do otherwise.

    Raises:
        BudgetError: they cannot.
    """
    if one_bytes * count > MOST_BYTES:
        raise BudgetError(
            f"{count:,} {what} take {one_bytes * count / 1e9:.1f} GB; "
            f"{MOST_BYTES / 1e9:.1f} GB are kept for them.",
            hint,
        )
