"""What of a training is seen, in the address: a link shows the same, and Back undoes."""

from __future__ import annotations

import streamlit as st

from components.link_parameters import unknown
from components.session_state import forget, recall, recall_or_begin, remember, take
from components.url_binding import Address

Parts = dict[str, str]

# What of a training is seen beside which it is: a step, and a head as "layer.head", with its stack before
# it where that is not the one that the task is about.
PARTS = ("step", "head")

ADDRESS = Address("train")

# Every parameter of a link to Train.
KNOWN = ("run", "task", *PARTS)


def show(name: str) -> None:
    """Let the page show a training as it was seen last, or none."""
    ADDRESS.write({"run": name, **_views().get(name, {})} if name else {})


def choose(name: str, **parts: str) -> None:
    """Note what of a training is seen; what is empty is as usual and left out."""
    remember("train said over", bool(take("train said", [])))
    _views()[name] = {part: told for part, told in parts.items() if told}
    ADDRESS.write({"run": name, **_views()[name]})


def read_address() -> None:
    """Take what the address says, where it changed without us: by a link, by Back or Forward."""
    asked = ADDRESS.changed_by_others()
    if asked is None:
        return
    remember("train said", unknown(asked, KNOWN))
    if not asked.get("run"):
        for part in (part for part in PARTS if part in asked):
            complain(
                f"The link's {part} {asked[part][:40]!r} is not valid: it belongs to a training, and "
                "the link names none (run=…)."
            )
    if name := asked.get("run"):
        _views()[name] = {part: asked[part] for part in PARTS if part in asked}
        remember("train linked", name)


def linked(name: str) -> Parts | None:
    """Return, once, what the address says of a training; None where that is known."""
    if recall("train linked") != name:
        return None
    forget("train linked")
    return _views().get(name, {})


def complain(sentence: str) -> None:
    """Note what of the address cannot be shown, until something else is chosen."""
    said = recall_or_begin("train said", [])
    if sentence not in said:
        said.append(sentence)


def complaints() -> list[str]:
    """Return what of the address cannot be shown."""
    return list(recall("train said", []))


def settle() -> None:
    """Draw the page as a whole once what was said of its address is over."""
    if take("train said over", False):
        st.rerun()


def _views() -> dict[str, Parts]:
    views: dict[str, Parts] = recall_or_begin("train views", {})
    return views
