"""A survey as it goes: how far it is, and what may be asked of it."""

from __future__ import annotations

import streamlit as st

from components.durations import begun_words, duration
from components.panels.heads.heads_url import complain, show
from components.panels.heads.session_surveys import OWN, surveys
from components.panels.heads.survey_labels import (
    STATES,
    settings_words,
    survey_title,
)
from components.panels.plain_text import literal
from components.run_panel import in_words
from components.session_state import remember, take
from viz.errors import LoupeError
from viz.service.survey_jobs import SurveyStanding

# How often the page looks after a survey's progress, in seconds; and one that another process may work on.
LOOKS_EVERY, RESTS_EVERY = 1.0, 5.0

AT_WORK = ("waiting", "running", "paused")

# Where each phase begins and ends, as shares of the whole, and what it is called.
PHASES = {
    "load": (0.0, 0.03, "Loading the model"),
    "texts": (0.03, 0.6, "Reading the texts"),
    "repeated": (0.6, 0.66, "Reading random tokens that come twice"),
    "copying": (0.66, 0.72, "Finding what each head copies"),
    "anti-induction": (0.72, 0.73, "Finding what each head copies"),
    "retrieval": (0.73, 0.82, "Hiding sentences and finding them again"),
    "loss estimate": (0.82, 0.9, "Estimating what the loss does without each head"),
    "loss": (0.9, 0.98, "Leaving out the heads whose estimates lead"),
    "tables": (0.98, 1.0, "Making the tables"),
}


def standing_of(name: str) -> SurveyStanding | None:
    """Return how the survey stands that the link names; None where there is none, which is said."""
    try:
        standing = surveys().standing(name)
    except LoupeError as error:
        complain(f"The link's survey {name[:40]!r} is not valid: {error.message} {error.hint}")
        return None
    OWN.listed(name)
    return standing


def heading_panel(name: str, standing: SurveyStanding) -> None:
    """Say what it is and how it was set up, and offer to throw it away."""
    asked = standing.asked
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(literal(survey_title(asked)), anchor=False, width="stretch")
        if OWN.is_own(name, asked.browser) and not surveys().works(name) and not standing.elsewhere:
            with st.popover("Delete"):
                st.markdown("This throws the survey away, with its texts and its tables.")
                st.button("Delete for good", type="primary", on_click=_delete, args=(name,))
    if asked.state != "done":
        st.caption(literal(f"{settings_words(asked.settings)}; {begun_words(asked.begun)}."))


def progress_panel(name: str, standing: SurveyStanding) -> None:
    """Say how far it is, again and again while it works."""
    asked = standing.asked
    works = surveys().works(name)
    every = LOOKS_EVERY if works else RESTS_EVERY if asked.state == "running" else None
    st.fragment(_standing, run_every=every)(name, asked.state)


def others_panel(shown: str) -> None:
    """List this session's other surveys."""
    rows = []
    for name in OWN.known():
        try:
            rows.append((name, surveys().standing(name)))
        except LoupeError:
            continue
    rows = [row for row in rows if row[0] != shown]
    if not rows:
        return
    st.markdown("**Your other surveys**" if shown else "**Your surveys**")
    for name, standing in rows:
        asked = standing.asked
        tokens = "" if asked.settings.tokens is None else f"{asked.settings.tokens:,} tokens, "
        st.button(
            literal(
                f"{survey_title(asked)} · {tokens}{STATES[asked.state]} · {begun_words(asked.begun)}"
            ),
            key=f"heads open {name}",
            on_click=show,
            args=(name,),
            type="tertiary",
            wrap=True,
        )
    st.caption("Only this page knows them; elsewhere, a survey's link is the way back to it.")


def _standing(name: str, seen: str) -> None:
    """Say how far it is, and offer to pause, go on and stop.

    Args:
        name: of the survey.
        seen: how it stood when the rest of the page was drawn.
    """
    try:
        standing = surveys().standing(name)
    except LoupeError as error:
        st.warning(in_words(error))
        return
    asked = standing.asked
    if asked.state in AT_WORK:
        st.progress(share_of(standing), literal(words_of(standing)))
    elif asked.state != "done":
        st.caption(literal(words_of(standing)))
    if asked.state != "done" and not standing.elsewhere:
        _buttons(name, standing)
    if asked.state == "failed":
        st.error(literal(asked.message))
    if problem := take("heads problem", ""):
        st.error(literal(problem))
    if asked.state != seen:
        st.rerun()


def _buttons(name: str, standing: SurveyStanding) -> None:
    """Offer to pause, go on and stop, whichever there is to do."""
    works, state = surveys().works(name), standing.asked.state
    with st.container(horizontal=True):
        if works and state != "paused":
            st.button("Pause", on_click=surveys().pause, args=(name,), disabled=standing.is_ending)
        else:
            st.button("Go on", on_click=_go_on, args=(name,))
        if works:
            st.button("Stop", on_click=surveys().stop, args=(name,), disabled=standing.is_ending)


def share_of(standing: SurveyStanding) -> float:
    """Say how far a survey is, from 0 to 1."""
    moment = standing.moment
    if moment is None or moment.phase not in PHASES:
        return 0.0
    first, last, _ = PHASES[moment.phase]
    done = min(1.0, moment.done / moment.of) if moment.of else 0.0
    return first + (last - first) * done


def words_of(standing: SurveyStanding) -> str:
    """Say how it stands, in a line."""
    state, moment = standing.asked.state, standing.moment
    if standing.elsewhere:
        return "At work elsewhere."
    if state == "waiting":
        others = "1 survey" if standing.before == 1 else f"{standing.before:,} surveys"
        return f"Waits for its turn: {others} before it."
    if state == "stopped":
        return "Stopped; what it measured until then is kept."
    if state == "failed":
        return "It could not go on."
    if moment is None:
        return "Paused." if state == "paused" else "Beginning."
    words = _moment_words(standing)
    if standing.is_ending:
        return f"Stops after this window. {words}."
    if state == "paused":
        return f"Paused. {words}."
    left = moment.seconds_left
    return words + (f", about {duration(left)} left of this." if left is not None else ".")


def _moment_words(standing: SurveyStanding) -> str:
    moment = standing.moment
    assert moment is not None
    words = PHASES.get(moment.phase, (0, 0, moment.phase))[2]
    if moment.phase != "texts":
        return (
            words
            if moment.of is None or moment.of <= 1
            else f"{words}, {moment.done:,} of {moment.of:,}"
        )
    of = "" if moment.of is None else f" of {moment.of:,}"
    return f"{words}: window {moment.done:,}{of}, {moment.tokens:,} tokens"


def _go_on(name: str) -> None:
    try:
        surveys().go_on(name)
    except LoupeError as error:
        remember("heads problem", str(error))


def _delete(name: str) -> None:
    try:
        surveys().delete(name)
    except LoupeError as error:
        remember("heads problem", str(error))
        return
    OWN.unlisted(name)
    show("")
