"""What of a survey is seen, in the address: a link shows the same, and Back undoes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import streamlit as st

from components import link_parameters as parameters
from components.explore_session import texts
from components.explore_state import KNOWN as EXPLORE_KNOWN
from components.session_state import recall, recall_or_begin, remember, take
from components.url_binding import Address
from viz.models.named_folder import NAME
from viz.service.survey_texts import text_folders
from viz.survey.score_catalogue import SCORES

Below = Literal["head", "heads", "compare"]

ADDRESS = Address("heads")

STACK = re.compile(r"[a-z0-9_]{1,40}")


@dataclass(frozen=True, slots=True)
class HeadsView:
    """What of a survey is seen.

    Attributes:
        stack: whose heads; empty for the first.
        score: that the map shows; empty for the usual one.
        layer: of the chosen head, -1 for the head that has most of the score.
        head: the chosen head, likewise.
        below: what is shown below the map.
        compare: the survey that this one is compared with: its name, or its folder where pages may read folders; empty
            for none.
        examples: which examples of the head are shown.
        listed: how many of them.
        does: what heads that are listed do: scores that their sentences are about, or `nothing`, with commas between;
            empty for all.
        least: of the score, that heads that are listed have; empty for any.
    """

    stack: str = ""
    score: str = ""
    layer: int = -1
    head: int = -1
    below: Below = "head"
    compare: str = ""
    examples: Literal["heaviest", "chance"] = "heaviest"
    listed: Literal["few", "all"] = "few"
    does: str = ""
    least: str = ""


FIELDS = tuple(asdict(HeadsView()))

# What a head does whose sentence is about no score.
NOTHING = "nothing"

# Every parameter of a link to Heads.
KNOWN = ("survey", *FIELDS)

CHOICES = {"below": get_args(Below), "examples": ("heaviest", "chance"), "listed": ("few", "all")}


def show(name: str) -> None:
    """Let the page show a survey as it was seen last, or none."""
    remember("heads shown", name)
    ADDRESS.write(_query(name, view(name)) if name else {})


def shown_name() -> str:
    """Return the name of the survey that the page shows; empty for none."""
    name: str = st.query_params.get("survey", "")
    if not name and _passes_by():
        name = recall("heads shown", "")
    remember("heads shown", name)
    return name


def _passes_by() -> bool:
    """Whether the address is Explore's, as Back from there leads by where a button led there."""
    asked = st.query_params.to_dict()
    return bool(asked) and set(asked) <= set(EXPLORE_KNOWN)


def view(name: str) -> HeadsView:
    """Return what of a survey is seen."""
    return _views().get(name, HeadsView())


def change(name: str, **choices: Any) -> None:
    """Change what of a survey is seen; `write_link` lets the address say so."""
    remember("heads said over", bool(take("heads said", [])))
    remember("heads changed", True)
    _views()[name] = replace(view(name), **choices)


def write_link(name: str) -> None:
    """Let the address say what is seen of a survey; one that Back leads by stays, so that Back leads further."""
    if _passes_by() and not take("heads changed", False):
        return
    ADDRESS.write(_query(name, view(name)))


def turn_to(name: str) -> None:
    """Let the page show another survey, from a callback of a part of it, which cannot draw the whole."""
    remember("heads turn to", name)


def read_address() -> None:
    """Take what the address says, where it changed without us: by a link, by Back or Forward."""
    asked = ADDRESS.changed_by_others()
    if asked is None or (_passes_by() and recall("heads shown")):
        return
    remember("heads said", parameters.unknown(asked, KNOWN))
    name = asked.get("survey")
    if not name:
        for part in (one for one in FIELDS if one in asked):
            complain(
                f"The link's {part} {asked[part][:40]!r} is not valid: it belongs to a survey, and the link names "
                "none (survey=…)."
            )
        return
    seen, problems = parameters.read(HeadsView(), asked, texts(), _read, _allowed, long=())
    _views()[name] = seen
    for problem in problems:
        complain(problem)


def complain(sentence: str) -> None:
    """Note what of the address cannot be shown, until something else is chosen."""
    said = recall_or_begin("heads said", [])
    if sentence not in said:
        said.append(sentence)


def complaints() -> list[str]:
    """Return what of the address cannot be shown."""
    return list(recall("heads said", []))


def settle() -> None:
    """Draw the page as a whole where it shows another survey, or what was said of its address is over."""
    name = take("heads turn to")
    if name is not None:
        show(name)
        st.rerun()
    if take("heads said over", False):
        st.rerun()


def _query(name: str, seen: HeadsView) -> dict[str, str]:
    usual = asdict(HeadsView())
    return {
        "survey": name,
        **{part: str(told) for part, told in asdict(seen).items() if told != usual[part]},
    }


def _read(name: str, text: str, kind: type) -> Any:
    """Read one parameter as the type of its usual value."""
    if name in CHOICES and text not in CHOICES[name]:
        raise ValueError(text)
    if name == "stack" and not STACK.fullmatch(text):
        raise ValueError(text)
    if name == "score" and text not in SCORES:
        raise ValueError(text)
    if name == "compare" and not NAME.fullmatch(text) and not text_folders():
        raise ValueError(text)
    if name == "does" and not all(one in SCORES or one == NOTHING for one in text.split(",")):
        raise ValueError(text)
    if name == "least" and not math.isfinite(float(text)):
        raise ValueError(text)
    value = kind(text)
    if name in ("layer", "head") and value < 0:
        raise ValueError(text)
    return value


def _allowed(name: str, kind: type) -> str:
    """Say what a parameter must be."""
    if name == "compare":
        return "the name of a survey, 24 digits and letters from a to f"
    if name == "does":
        return "scores with commas between, such as 'previous,induction', or 'nothing'"
    if name == "least":
        return "a number"
    least: Mapping[str, float] = {"layer": 0, "head": 0}
    return parameters.allowed_words(
        name,
        kind,
        choices=SCORES.names if name == "score" else CHOICES.get(name, ()),
        least=least.get(name),
    )


def _views() -> dict[str, HeadsView]:
    views: dict[str, HeadsView] = recall_or_begin("heads views", {})
    return views
