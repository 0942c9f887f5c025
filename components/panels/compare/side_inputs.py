"""What stands against what: a text and a model for each side, or one side and the one thing that differs."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.compare_state import CompareView, SideView
from components.panels.compare.compare_url import (
    change,
    change_side,
    generation,
    named,
    rewrite,
    view,
)
from components.panels.compare.media_side_inputs import given_panel, noun_of, reads, sense_given
from components.panels.input_form import FOLDER, HUB, OTHER, choice_of, model_title
from components.session_state import recall, recall_or_begin, remember, remembers, value_of
from viz.models.catalogue import CATALOGUE, find_entry
from viz.models.folders import model_roots
from viz.models.hub_address import pasted

# What may differ, each with the fields of a side that it stands for.
THINGS = {
    "text": ("text", "pair", "media"),
    "head": ("heads", "stack"),
    "model": ("model", "revision", "local"),
}
EVERYTHING = "everything"
TITLES = {
    "text": "Another {noun}",
    "head": "Another head or layer",
    "model": "Another model",
    EVERYTHING: "Everything",
}

TEXT_HEIGHT = 72


def sides_panel() -> DeltaGenerator:
    """Ask what to compare, and return the place where a run's progress is told."""
    differs = what_differs(view())
    things, line = st.columns([2, 1], vertical_alignment="center")
    with things.container(horizontal=True, vertical_alignment="center"):
        remember("compare thing", differs)
        st.segmented_control(
            "Compare with",
            list(TITLES),
            key="compare thing",
            required=True,
            format_func=lambda thing: TITLES[thing].format(noun=noun_of(view().first)),
            label_visibility="collapsed",
            wrap=True,
            on_change=lambda: _only(value_of("compare thing")),
            help="What the second side changes; all else is the first side's.",
        )
        st.button("Swap sides", on_click=_swap, help="The first side becomes the second.")
    first, second = st.columns(2, gap="medium")
    with first:
        _side("first", asks_text=True, asks_model=True, differs=differs)
    with second:
        _side(
            "second",
            asks_text=differs in ("text", EVERYTHING),
            asks_model=differs in ("model", EVERYTHING),
            differs=differs,
        )
    return line


def what_differs(seen: CompareView) -> str:
    """Say what the second side changes: what somebody chose, or what does differ."""
    unlike = [
        thing
        for thing, names in THINGS.items()
        if any(getattr(seen.first, name) != getattr(seen.second, name) for name in names)
    ]
    chosen: str = recall("compare chosen", EVERYTHING)
    if chosen == EVERYTHING and remembers("compare chosen"):
        return EVERYTHING
    if not unlike:
        return chosen if chosen != EVERYTHING else "text"
    return unlike[0] if len(unlike) == 1 else EVERYTHING


def _only(thing: str) -> None:
    """Let the second side be the first but for one thing; what else it had comes back when asked for."""
    remember("compare chosen", thing)
    rewrite()
    if thing != EVERYTHING:
        seen = view()
        had = recall_or_begin("compare had", {})
        for other, names in THINGS.items():
            own = {name: getattr(seen.second, name) for name in names}
            if any(value != getattr(seen.first, name) for name, value in own.items()):
                had[other] = own
        kept = had.get(thing, {name: getattr(seen.second, name) for name in THINGS[thing]})
        # Phrases that belong together are of two texts.
        pairing = seen.pairing if thing == "text" else ""
        rewrite(second=replace(seen.first, **kept), pairing=pairing, row=-1, span="")


def _swap() -> None:
    seen = view()
    pairs = "\n".join(f"{other} = {one}" for one, other in seen.pairs)
    # Common units stand in the same order either way, unless pairs cross.
    kept = {"row": -1, "span": ""} if pairs else {}
    rewrite(first=seen.second, second=seen.first, pairing=pairs, **kept)


def change_both(which: str, differs: str, **choices: object) -> None:
    """Change a side; the second follows the first in all but what differs."""
    change_side(which, **choices)
    if which == "first" and differs != EVERYTHING:
        shared = {name: value for name, value in choices.items() if name not in THINGS[differs]}
        change_side("second", **shared)
    if not choices.keys() <= set(THINGS["head"]):
        change(row=-1, span="")


def _side(which: str, *, asks_text: bool, asks_model: bool, differs: str) -> None:
    side: SideView = getattr(view(), which)
    senses = reads(side)
    if asks_text and "text" in senses:
        _text(which, side, differs)
    if asks_text and senses != {"text"}:
        given_panel(which, side, lambda name: change_both(which, differs, media=name))
    if asks_text and "text" not in senses and _writes(side):
        _second_text(which, side, differs, "What it writes; empty: its own words")
    if asks_model:
        _model(which, side, differs)
    noun = noun_of(side)
    if not (asks_text or asks_model):
        st.caption(f"The same {noun} and model; the second side's head is chosen below.")
    elif not asks_text:
        st.caption(f"The same {noun}.")
    elif not asks_model:
        st.caption("The same model.")


def _text(which: str, side: SideView, differs: str) -> None:
    """Ask for the text, and for a second one where the model reads pairs."""
    key = f"compare {which} text {generation()}"
    entry = None if side.local else find_entry(side.model)
    writes = _writes(side)
    reads_pairs = entry is None or entry.takes_pairs
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_area(
            f"{which.capitalize()} text",
            side.text,
            key=key,
            height=TEXT_HEIGHT,
            placeholder="Paste a text …",
            on_change=lambda: change_both(which, differs, text=value_of(key)),
        )
        if reads_pairs and not (side.pair or writes):
            with st.popover("+", help="Add a second text, of a pair", width="content"):
                _second_text(which, side, differs, "Second text of a pair")
    if side.pair or writes:
        _second_text(which, side, differs, "What it writes" if writes else "Second text of a pair")


def _writes(side: SideView) -> bool:
    """Whether a side's model is known to be an encoder-decoder."""
    entry = None if side.local else find_entry(side.model)
    return entry is not None and entry.kind == "seq2seq"


def _second_text(which: str, side: SideView, differs: str, label: str) -> None:
    key = named(f"{which} pair", side.pair)
    st.text_input(
        label,
        side.pair,
        key=key,
        placeholder="May stay empty",
        on_change=lambda: change_both(which, differs, pair=value_of(key)),
    )


def _model(which: str, side: SideView, differs: str) -> None:
    count = generation()
    key, other = f"compare {which} model", f"compare {which} other {count}"
    revised, asked = f"compare {which} revision {count}", f"compare {which} asked"
    usual = choice_of(side.model, side.local)
    choice = recall(asked, usual)
    if usual not in OTHER and choice in OTHER and recall(f"{asked} for") != side.model:
        choice = usual
    remember(key, choice)

    def chosen() -> None:
        picked = value_of(key)
        remember(asked, picked)
        remember(f"{asked} for", side.model)
        if picked not in OTHER:
            # A picture is nothing for a model of sounds, nor of texts.
            reading = CATALOGUE[picked].reads == sense_given(side)
            given = {} if reading or not side.media else {"media": ""}
            change_both(which, differs, model=picked, local=False, revision="", stack="", **given)

    def typed() -> None:
        revision = recall(revised, "") if choice == HUB else ""
        name, revision, local = pasted(value_of(other), revision, local=choice == FOLDER)
        if name:
            # An address is read, and stands there as the id and the revision that it names.
            remember(other, name)
            remember(revised, revision)
            remember(asked, FOLDER if local else HUB)
            remember(f"{asked} for", name)
            change_both(which, differs, model=name, local=local, revision=revision, stack="")

    st.selectbox(
        f"Model of the {which} side",
        [*CATALOGUE, *OTHER],
        key=key,
        format_func=model_title,
        label_visibility="collapsed",
        on_change=chosen,
    )
    if choice == HUB:
        recall_or_begin(other, side.model if usual == HUB else "")
        recall_or_begin(revised, side.revision)
        name, revision = st.columns([2, 1])
        name.text_input("Hugging Face id", key=other, placeholder="owner/name", on_change=typed)
        revision.text_input("Revision", key=revised, placeholder="main", on_change=typed)
    elif choice == FOLDER:
        recall_or_begin(other, side.model if side.local else "")
        st.text_input("Folder", key=other, help=f"Inside {model_roots()[0]}.", on_change=typed)
