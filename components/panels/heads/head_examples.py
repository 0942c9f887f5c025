"""Places in the texts where a head puts much weight, each leading to Explore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
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

# How many are listed at first.
FEW = 5

# Digits of a weight, and the largest that is not yet written as all of it.
DIGITS, MOST_WRITTEN = 3, 0.999

# The key filled, the query outlined: Okabe and Ito's blue and orange, which everyone can tell apart.
STYLE = """
.loupe-example { line-height: 1.75; overflow-wrap: anywhere; font-size: 0.9375rem; }
.loupe-key, .loupe-query { border-radius: 3px; padding: 0.05em 0.25em; font-weight: 600; }
.loupe-query { outline: 2px solid %(query)s; outline-offset: -1px; }
.loupe-key { background: %(key)s; color: %(ink)s; }
.loupe-edge { border-bottom: 0 solid %(key)s; }
[class*="st-key-heads_example_"], [class*="st-key-heads_example_"] * { row-gap: 0.1rem; }
[class*="st-key-heads_example_"] a { padding: 0; min-height: 0; }
"""
COLOURS = {
    False: {"query": "#d55e00", "key": "#0b63a5", "ink": "#ffffff"},
    True: {"query": "#ff9a4d", "key": "#56b4e9", "ink": "#10151c"},
}


def examples_panel(shown: Shown, seen: HeadsView) -> None:
    """List some examples of the chosen head, or all that are kept."""
    st.html(f"<style>{STYLE % COLOURS[is_dark()]}</style>")
    remember("heads examples", seen.examples)
    st.markdown(
        "**Examples**",
        help="The outlined token looks at the filled one; a line along the text leads from one to the other, thicker the "
        "more weight goes there.",
    )
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
    found = head_examples(shown, (seen.stack, seen.layer, seen.head), seen.examples)
    if found.empty:
        st.caption("This head puts no weight on any token that is no sink.")
        return
    if seen.examples == "heaviest":
        found = distinct_first(found)
        if said := alike_words(found):
            st.caption(said)
    asked = {**shown.model, "stack": seen.stack}
    asked |= {"layer": str(seen.layer), "head": str(seen.head)}
    has_sources = found["source"].nunique() > 1
    listed = found if seen.listed == "all" else found.head(FEW)
    for number, example in enumerate(listed.to_dict("records")):
        with st.container(key=f"heads_example_{number}"):
            told = {str(name): value for name, value in example.items()}
            _example(told, told["source"] if has_sources else "", asked)
    if len(found) > FEW:
        other = "few" if seen.listed == "all" else "all"
        st.button(
            f"Show all {len(found)}" if other == "all" else f"Show {FEW}",
            key="heads examples listed",
            on_click=lambda: change(shown.key, listed=other),
        )


def distinct_first(examples: pd.DataFrame) -> pd.DataFrame:
    """Let examples of the same weight, as it is written, begin with those that differ in text and tokens.

    A head that does one thing alone gives hundreds of queries all of its weight; which of them come first tells nothing
    more, but what they have in common does.

    Args:
        examples: window, query_label, key_label and weight, the first place first.
    """
    again: list[int] = []
    seen: dict[str, set[object]] = {"window": set(), "query_label": set(), "key_label": set()}
    for _, example in examples.iterrows():
        again.append(sum(example[name] in before for name, before in seen.items()))
        for name, before in seen.items():
            before.add(example[name])
    return (
        examples.assign(again=again, alike=examples["weight"].map(_written))
        .sort_values(["alike", "again"], ascending=[False, True], kind="stable", ignore_index=True)
        .drop(columns=["alike", "again"])
    )


def alike_words(examples: pd.DataFrame) -> str:
    """Say that the heaviest examples are all as heavy, where they are; else nothing."""
    if len(examples) == 1 or examples["weight"].map(_written).min() < MOST_WRITTEN:
        return ""
    return (
        f"All {len(examples)} carry as good as all of their query's weight, so those that differ most come first; "
        "*Drawn by chance* shows what is usual."
    )


def _written(weight: float) -> float:
    """Return a weight as it is written."""
    return round(min(weight, MOST_WRITTEN), DIGITS)


def _example(example: Mapping[str, Any], source: str, asked: Mapping[str, str]) -> None:
    """Draw one example, from which token to which it leads and how far, and the way to Explore."""
    text, weight = example["text"], example["weight"]
    query, key = _place(example, "query"), _place(example, "key")
    st.html(example_html(text, query, key, weight))
    far = "" if asked["stack"] == "cross" else distance_words(example["query"] - example["key"])
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        parts = [f"{query.label} → {key.label}", far, weight_words(weight), source]
        st.caption(literal(" · ".join(part for part in parts if part)), width="content")
        _link(f"{example['place']}", {**asked, "text": text, "token": str(example["query"])})


def weight_words(weight: float) -> str:
    """Write a weight; one that is only nearly all is not called all."""
    if MOST_WRITTEN < weight < 1:
        return f"weight over {MOST_WRITTEN}"
    return f"weight {weight:.{DIGITS}f}"


def distance_words(before: int) -> str:
    """Say how far before the query the key stands."""
    if before == 0:
        return "itself"
    tokens = "1 token" if abs(before) == 1 else f"{abs(before):,} tokens"
    return f"{tokens} {'before' if before > 0 else 'after'}"


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
