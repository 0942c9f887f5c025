"""A picture or a sound as a side of the comparison."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st

from components.explore_session import workbench
from components.panels.compare.compare_url import generation
from components.panels.upload import WORDS, kept, preview
from components.session_state import recall_or_begin, remember, value_of
from viz.errors import LoupeError
from viz.models.catalogue import CATALOGUE, find_entry
from viz.models.model import Sense
from viz.service import IMAGES, SOUNDS, sense_of
from viz.service.model_questions import senses

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.compare_state import SideView

KINDS: dict[Sense, tuple[str, ...]] = {"image": IMAGES, "sound": SOUNDS}
NOUNS: dict[Sense, str] = {"text": "text", "image": "picture", "sound": "sound"}


def reads(side: SideView) -> frozenset[Sense]:
    """Say what a side's model reads, as far as is known before it is loaded."""
    entry = None if side.local else find_entry(side.model)
    if entry is not None and entry.name in CATALOGUE:
        return frozenset({entry.reads})
    reads = workbench().of_loaded(side.request, senses)
    if reads is not None:
        return reads
    given = sense_given(side)
    return frozenset({"text"} if given is None else {"text", given})


def sense_given(side: SideView) -> Sense | None:
    """Say whether a side is given a picture or a sound; None where it has neither."""
    with suppress(LoupeError):
        return sense_of(side.media) if side.media else None
    return None


def noun_of(side: SideView) -> str:
    """Name what a side reads: a text, a picture or a sound."""
    senses = reads(side)
    given = sense_given(side)
    if given in senses:
        return NOUNS[given]
    return "text" if "text" in senses else NOUNS[min(senses)]


def given_panel(which: str, side: SideView, put: Callable[[str], None]) -> None:
    """Ask for a picture or a sound that a side's model reads.

    Args:
        which: the side, `first` or `second`.
        side: what it shows.
        put: takes the name of what was given, empty where it was taken off.
    """
    senses = sorted(reads(side) & set(KINDS))
    kinds = [kind for sense in senses for kind in KINDS[sense]]
    words = " or ".join(WORDS[sense].lower() for sense in senses)
    count: int = recall_or_begin(f"compare {which} uploads", 0)
    # A new key empties the uploader, which nothing else can.
    key = f"compare {which} upload {generation()} {count}"

    def keep() -> None:
        given = value_of(key)
        if given is None:
            return
        try:
            name = kept(given)
        except LoupeError as error:
            remember("compare notices", [f"{error.message} {error.hint}"])
            return
        remember(f"compare {which} uploads", count + 1)
        put(name)

    st.file_uploader(
        f"{which.capitalize()} side: give {words}",
        [kind.removeprefix(".") for kind in kinds],
        key=key,
        on_change=keep,
    )
    if sense_given(side) in senses:
        preview(side.media, lambda: put(""), key=f"compare {which} remove")
