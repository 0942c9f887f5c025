"""What every part of a page that runs something has in common.

Progress stands in one bar with Cancel beside it, whatever goes wrong is said in words, and the earlier result
stays until there is a new one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

from components.durations import duration
from components.panels.plain_text import literal
from components.session_state import forget, recall, remember
from viz.errors import LoupeError
from viz.models.time_left import SecondsLeft, ShareDone
from viz.service.pass_queue import WAIT, before_of

log = logging.getLogger(__name__)

Found = TypeVar("Found")

# Where each phase of a run begins and ends, as shares of the whole, and what it is called.
PHASES = {
    "load": (0.0, 0.3, "Loading the model"),
    "tokenise": (0.3, 0.32, "Reading the input"),
    "write": (0.32, 0.4, "The model writes"),
    "forward": (0.4, 0.8, "Running the model"),
    "draw": (0.8, 1.0, "Drawing the heads"),
}


class Told(Protocol):
    """Is told how far a run is: the phase, the share of it that is done, and what is counted, such as "2 of 4 passes"."""

    def __call__(self, phase: str, share: float, counted: str = "", /) -> None:
        """Show it."""


@dataclass(frozen=True, slots=True)
class RunPanel:
    """What one part of a page runs, and what came of it.

    Attributes:
        name: of the part, under which the session remembers.
        hint: what to try where a defect of ours ended a run.
    """

    name: str
    hint: str = "Try another text or model."

    def attempt(self, work: Callable[[], Found], *, also: str = "") -> Found | None:
        """Do work; None where it failed, and why is remembered then.

        Args:
            work: to be done; it raises LoupeError for what a user can mend.
            also: what to say besides where a defect ends it.
        """
        try:
            done = work()
        except LoupeError as error:
            self.fail(error)
            return None
        except Exception:
            log.exception("A run of %r failed", self.name)
            self.fail(defect(self.hint + also))
            return None
        self.clear()
        return done

    @property
    def failure(self) -> LoupeError | None:
        """Why the last run failed; None where it did not."""
        error: LoupeError | None = recall(self._key("failure"))
        return error

    def fail(self, error: LoupeError) -> None:
        """Note why a run cannot be."""
        remember(self._key("failure"), error)

    def clear(self) -> None:
        """Note that nothing is wrong."""
        forget(self._key("failure"))

    def stop(self, wanted: object) -> None:
        """Note that somebody cancelled what was wanted."""
        remember(self._key("stopped"), wanted)

    def is_stopped(self, wanted: object) -> bool:
        """Whether that is what was cancelled last."""
        return bool(recall(self._key("stopped")) == wanted)

    def go_on(self) -> None:
        """Let what was cancelled be run."""
        forget(self._key("stopped"))

    def keep(self, result: object) -> None:
        """Note what is on screen, to be gone back to where a later run fails."""
        remember(self._key("shown"), result)

    @property
    def kept(self) -> Any:
        """What was kept last; None where nothing was."""
        return recall(self._key("shown"))

    def say(self, place: Any = st, *, also: str = "") -> None:
        """Say what went wrong and what to do, if anything did.

        Args:
            place: where.
            also: what to say after it.
        """
        if self.failure is not None:
            place.error(f"{in_words(self.failure)}{also}")

    def _key(self, what: str) -> str:
        return f"{self.name} {what}"


def in_words(error: LoupeError) -> str:
    """Write what went wrong and what to do, so that no text of a user's is read as Markdown."""
    return f"{literal(error.message)} {literal(error.hint)}"


def defect(hint: str) -> LoupeError:
    """Say that the fault is ours."""
    return LoupeError("This is a defect in Attention Loupe; the log has its details.", hint)


@contextmanager
def progress_bar(
    slot: DeltaGenerator,
    count: int = 1,
    *,
    on_cancel: Callable[[], None] | None = None,
    names: Sequence[str] = (),
    key: str | None = None,
    seconds_left: SecondsLeft | None = None,
    phases: Mapping[str, tuple[float, float, str]] = PHASES,
    after: float = 0.0,
) -> Iterator[Callable[[int], Told]]:
    """Show how far several runs are, one after the other, until they are done or one fails.

    Args:
        slot: where the bar stands; it is empty afterwards.
        count: of the runs.
        on_cancel: called when Cancel is pressed; no such button without.
        names: of the runs, to be said.
        key: of the Cancel button.
        seconds_left: foresees how long a single run goes on, which is said, and which the bar follows.
        after: seconds until it shows; what is done before then does not flicker.
        phases: where each begins and ends, as shares of the whole, and what it is called.

    Yields:
        What returns, for the number of a run, what its progress is to be told to.
    """
    bars: list[DeltaGenerator] = []
    begun = time.monotonic()

    def bar() -> DeltaGenerator:
        if not bars and on_cancel is None:
            bars.append(slot.progress(0.0, "Starting"))
        elif not bars:
            with slot.container(horizontal=True, vertical_alignment="center"):
                bars.append(st.progress(0.0, "Starting"))
                st.button("Cancel", key=key, on_click=on_cancel)
        return bars[0]

    if after == 0:
        bar()
    share_done, waits = ShareDone(), ""

    def wait(done: float, words: str) -> None:
        nonlocal waits
        if time.monotonic() - begun < after or words == waits:
            # Any look at the session will do for Streamlit to stop here.
            recall("wait")
            return
        waits = words
        bar().progress(done, words)

    def told(number: int) -> Told:
        which = f", {number + 1:,} of {count:,}" if count > 1 else ""
        name = f": {literal(names[number])}" if names else ""

        def progress(phase: str, share: float, counted: str = "") -> None:
            # This call is also where Streamlit stops a run that was cancelled or superseded.
            stop_if_superseded()
            if phase == WAIT:
                wait(number / count, f"Waiting, {before_of(share):,} before you{which}{name}")
                return
            start, stop, words = phases[phase]
            done, more = (number + start + (stop - start) * min(1.0, share)) / count, ""
            if seconds_left is not None:
                seconds = seconds_left(phase, share)
                more = "" if seconds is None else f", about {duration(seconds)} left"
                done = share_done(done, seconds)
            if time.monotonic() - begun < after:
                # Any call will do for Streamlit to stop here.
                slot.empty()
                return
            at = f", {counted}" if counted else ""
            bar().progress(done, f"{words}{at}{which}{name}{more}")

        return progress

    try:
        yield told
    except Exception:
        slot.empty()
        raise
    slot.empty()


def stop_if_unwanted() -> None:
    """End a run of the page whose page was closed, or of which something else is asked meanwhile; for who only waits."""
    if get_script_run_ctx() is not None:
        stop_if_superseded()
        recall("pending")  # any look at the session lets Streamlit stop here


def stop_if_superseded() -> None:
    """End the run of a part of the page (a fragment) of which something else is asked meanwhile, such as Cancel.

    Streamlit stops whole runs of the page by itself, and lets those of a part go on until they are done.
    """
    context = get_script_run_ctx()
    running = None if context is None else context.fragment_ids_this_run
    if context is None or context.script_requests is None or not running:
        return
    # Streamlit has no word of its own for this; without these attributes a part runs on as it always did.
    state, asked = (
        getattr(context.script_requests, name, None) for name in ("_state", "_rerun_data")
    )
    waiting = getattr(asked, "fragment_id_queue", ())
    if state == ScriptRequestType.RERUN and not set(running).isdisjoint(waiting):
        # Not st.stop(), which would forget what is waiting.
        raise StopException


def while_measuring(words: str, work: Callable[[Callable[[float], None]], Found]) -> Found | None:
    """Do what takes seconds, with progress; an error is said.

    Args:
        words: what is done.
        work: told what to tell the share done to.
    """
    slot = st.empty()

    def tell(share: float) -> None:
        # This call is also where Streamlit stops a run that was superseded.
        stop_if_superseded()
        slot.progress(min(1.0, share), words)

    try:
        return work(tell)
    except LoupeError as error:
        st.error(in_words(error))
        return None
    finally:
        slot.empty()
