"""Give a picture or a sound: uploaded once, kept by its digest, shown as what it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st

from components.explore_session import acted, workbench
from components.panels.plain_text import literal
from components.panels.run_input import RUN
from components.session_state import recall_or_begin, remember, value_of
from viz.errors import LoupeError
from viz.inputs.media import read_image
from viz.models.model import Sense
from viz.service import IMAGES, SOUNDS, require_readable, sense_of

WORDS: dict[str, str] = {"image": "A picture", "sound": "A sound"}


def attach_panel(senses: frozenset[Sense]) -> None:
    """Ask for a picture or a sound that a model of these senses reads."""
    kinds = [*(IMAGES if "image" in senses else ()), *(SOUNDS if "sound" in senses else ())]
    words = " or ".join(WORDS[sense].lower() for sense in sorted(senses & set(WORDS)))
    recall_or_begin("uploads", 0)
    # A new key empties the uploader, which nothing else can.
    key = f"upload {value_of('uploads')}"
    st.file_uploader(
        f"Give {words}",
        [kind.removeprefix(".") for kind in kinds],
        key=key,
        on_change=_keep,
        args=(key,),
    )
    name = value_of("media")
    if name and attached(senses):
        preview(name, _remove, key="remove attached")
    elif name:
        kept = sense_of(name)
        st.caption(f"{WORDS[kept]} given before stays here for a model that reads {kept}s.")


def attached(senses: frozenset[Sense]) -> str:
    """Name what is attached if a model of these senses reads it; it stays for others if not."""
    name: str = value_of("media")
    with suppress(LoupeError):
        # A kind of file that nobody reads is refused with its reason when it is run.
        return name if name and sense_of(name) in senses else ""
    return name


def preview(name: str, remove: Callable[[], None], *, key: str) -> None:
    """Show what is attached, and let it be taken off again.

    Args:
        name: of the picture or the sound.
        remove: takes it off.
        key: of the button.
    """
    try:
        path, sense = workbench().media.path(name), sense_of(name)
        require_readable(path)
    except LoupeError as error:
        # In small type, because a run says the same as an error.
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(literal(error.message), width="content")
            st.button("Remove", key=key, on_click=remove)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if sense == "image":
            small = read_image(path)
            small.thumbnail((96, 96))
            st.image(small)
        else:
            st.audio(str(path), width=360)
        st.button("Remove", key=key, on_click=remove)


def _keep(key: str) -> None:
    """Keep an uploaded file under its digest, if it can be read; else the one before stays."""
    acted()
    given = value_of(key)
    if given is None:
        return
    try:
        name = kept(given)
    except LoupeError as error:
        RUN.fail(error)
        remember(
            "uploads", value_of("uploads") + 1
        )  # what cannot be read does not stay as if it were accepted
        return
    RUN.clear()
    remember("media", name)
    remember("uploads", value_of("uploads") + 1)


def kept(given: Any) -> str:
    """Keep what was uploaded and return its name.

    Raises:
        LoupeError: it is no picture or sound that can be read.
    """
    sense_of(given.name)
    store = workbench().media
    name = store.put(given.getvalue(), Path(given.name).suffix.lower())
    require_readable(store.path(name), called=given.name)
    return name


def _remove() -> None:
    acted()
    remember("media", "")
