"""Places in the texts where a head puts much weight, each leading to Explore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from components.explore_session import EXPLORE, as_written, is_dark, page_link
from components.link_parameters import LONGEST_IN_URL
from components.panels.heads.example_text import Place, example_html
from components.panels.heads.heads_url import HeadsView, change
from components.panels.heads.survey_tables import Shown, head_examples
from components.panels.plain_text import literal
from components.session_state import recall, remember, value_of

KINDS = {"heaviest": "Heaviest", "chance": "Drawn by chance"}

LABEL = "Open in Explore →"

# The key filled, the query outlined: Okabe and Ito's blue and orange, which everyone can tell apart.
STYLE = """
.loupe-example { line-height: 1.75; overflow-wrap: anywhere; font-size: 0.9375rem; }
.loupe-key, .loupe-query { border-radius: 3px; padding: 0.05em 0.25em; font-weight: 600; }
.loupe-query { outline: 2px solid %(query)s; outline-offset: -1px; }
.loupe-key { background: %(key)s; color: %(ink)s; }
.loupe-edge { border-bottom: 0 solid %(key)s; }
[class*="st-key-heads_example_"] { gap: 0.1rem; }
"""
COLOURS = {
    False: {"query": "#d55e00", "key": "#0b63a5", "ink": "#ffffff"},
    True: {"query": "#ff9a4d", "key": "#56b4e9", "ink": "#10151c"},
}


def examples_panel(shown: Shown, seen: HeadsView) -> None:
    """List twenty examples of the chosen head."""
    st.html(f"<style>{STYLE % COLOURS[is_dark()]}</style>")
    remember("heads examples", seen.examples)
    st.markdown("**Examples**")
    st.segmented_control(
        "Which examples",
        list(KINDS),
        key="heads examples",
        required=True,
        format_func=lambda one: KINDS[one],
        label_visibility="collapsed",
        on_change=lambda: change(shown.key, examples=value_of("heads examples")),
        help="The heaviest weights, without those on sinks and at most two of a window; or queries drawn by chance, each "
        "with the token that it looks at most.",
    )
    st.caption(
        "The outlined token looks at the filled one; the line between them is thicker the more weight goes there."
    )
    found = head_examples(shown, (seen.stack, seen.layer, seen.head), seen.examples)
    if found.empty:
        st.caption("This head puts no weight on any token that is no sink.")
        return
    asked = {**shown.model, "stack": seen.stack}
    asked |= {"layer": str(seen.layer), "head": str(seen.head)}
    sources = found["source"] if found["source"].nunique() > 1 else [""] * len(found)
    for number, (example, source) in enumerate(zip(found.to_dict("records"), sources, strict=True)):
        with st.container(key=f"heads_example_{number}"):
            _example({str(name): value for name, value in example.items()}, source, asked)


def _example(example: Mapping[str, Any], source: str, asked: Mapping[str, str]) -> None:
    """Draw one example, its weight and its source, and the way to Explore."""
    text, weight = example["text"], example["weight"]
    query, key = _place(example, "query"), _place(example, "key")
    st.html(example_html(text, query, key, weight))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        words = f"{weight:.3f} of the weight{' · ' if source else ''}{source}"
        st.caption(literal(words), width="content")
        _link(f"{example['place']}", {**asked, "text": text, "token": str(example["query"])})


def _place(example: Mapping[str, Any], end: str) -> Place:
    """Return where a token stands."""
    return Place(example[f"{end}_label"], int(example[f"{end}_from"]), int(example[f"{end}_to"]))


def _link(name: str, asked: dict[str, str]) -> None:
    """Lead to Explore: by a link, or where its text is too long for one, by a button.

    Long texts of links are kept as files, of which there is room for few: one that nobody follows must cost none.
    """
    if len(asked["text"]) <= LONGEST_IN_URL:
        page_link(EXPLORE, LABEL, **asked)
        return
    page = recall("pages", {}).get(EXPLORE)
    if page is not None and st.button(LABEL, key=f"heads explore {name}", type="tertiary"):
        st.switch_page(page, query_params=as_written(asked))
