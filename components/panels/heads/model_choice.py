"""Whose heads are measured."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from components.explore_state import View
from components.panels.heads.survey_labels import HELP
from components.panels.input_form import FOLDER, HUB, OTHER, choice_of, model_title
from components.run_panel import RunPanel
from components.session_state import recall, remember, remembers
from viz.models.catalogue import CATALOGUE, DEFAULT, CatalogueEntry, is_available
from viz.models.fetch import fetch
from viz.models.folders import model_roots
from viz.models.hub_address import pasted

FETCH = RunPanel("heads fetch", hint="Choose another model.")


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """A model that was chosen.

    Attributes:
        name: its name, an id, or a folder; empty where none was named.
        revision: of an id; None for the newest.
        local: whether it is a folder.
        is_there: whether it can be loaded, as far as that is known.
        device: what it runs on, `auto` or a device's name.
        dtype: what it computes in, `auto` or a dtype's name.
    """

    name: str
    revision: str | None = None
    local: bool = False
    is_there: bool = True
    device: str = "auto"
    dtype: str = "auto"


def model_panel() -> ChosenModel:
    """Ask for a model that reads texts."""
    _preselect()
    offered = [name for name, entry in CATALOGUE.items() if entry.reads == "text"]
    choice = st.selectbox(
        "Model",
        [*offered, *OTHER],
        key="heads model",
        format_func=model_title,
        help=HELP["model"],
        persist_state="session",
    )
    if choice not in OTHER:
        entry = CATALOGUE[choice]
        if is_available(entry):
            return ChosenModel(choice)
        st.button(f"Fetch {entry.title} ({entry.download_mb} MB)", on_click=_fetch, args=(entry,))
        FETCH.say()
        return ChosenModel(choice, is_there=False)
    revision = ""
    if choice == HUB:
        given = st.text_input(
            "Hugging Face id",
            key="heads other model",
            placeholder="owner/name, or the address of its page",
            persist_state="session",
        )
        revision = st.text_input(
            "Revision", key="heads revision", placeholder="main", persist_state="session"
        )
    else:
        given = st.text_input(
            "Folder",
            key="heads other model",
            help=f"Inside {model_roots()[0]}.",
            persist_state="session",
        )
    name, revision, local = pasted(given or "", revision or "", local=choice == FOLDER)
    return ChosenModel(name, revision or None, local, is_there=bool(name.strip()))


def _preselect() -> None:
    """Take the model that Explore shows, once; else the usual one."""
    if remembers("heads model"):
        return
    seen: View | None = recall("view")
    choice = DEFAULT if seen is None else choice_of(seen.model, seen.local)
    if choice in CATALOGUE and CATALOGUE[choice].reads != "text":
        choice = DEFAULT
    remember("heads model", choice)
    if choice in OTHER and seen is not None:
        remember("heads other model", seen.model)
        remember("heads revision", seen.revision)


def _fetch(entry: CatalogueEntry) -> None:
    def work() -> None:
        with st.spinner(f"Fetching {entry.title}, {entry.download_mb} MB"):
            fetch(entry)

    FETCH.attempt(work)
