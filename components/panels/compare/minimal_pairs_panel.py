"""Minimal pairs: what each of several edits of the first side's text does to its heads."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from components.compare_state import EDITS_AS, CompareView, chosen_heads
from components.explore_session import is_dark
from components.explore_state import SAMPLE
from components.panels.compare.all_heads import comparisons
from components.panels.compare.compare_url import ask, asked, generation, named, rewrite, view
from components.panels.compare.minimal_pair_runs import RUN, Tried, read_table, tried
from components.panels.compare.run_both_sides import Both
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.run_panel import in_words, while_measuring
from components.session_state import forget, recall, remember, value_of
from viz.compare import Effects, Variants
from viz.compare.variant_table import MOST_BYTES
from viz.errors import LoupeError
from viz.figures import multiples_figure
from viz.service.comparison_cache import Looked

TITLES = {"edits": "Edits", "template": "Template", "csv": "CSV file"}

# What the sample text is offered with.
EDITS = "tired -> wide\nanimal -> dog\nstreet -> road"
TEMPLATE = "The {animal|dog|} didn't cross the {street|road} because it was too {tired|wide}."

WRITTEN_AS = {
    "edits": "One edit a line, each of the first text by itself: `old -> new`, `old[2] -> new` for its second "
    "place, `old ->` to take it out; or a whole text.",
    "template": "`{animal|dog|}` is a slot: its first choice makes the base, an empty one leaves it out.",
    "csv": "A column `text` has the texts that are compared with the first text; or the columns are a template's "
    "slots: of `The {animal} slept.` it is `animal`. A column `title` may name them.",
}

# Two beside each other are readable on a telephone, too.
BESIDE = 2

PICTURES, TABLE, UPLOAD = "compare variants", "compare variants table", "compare edits file"
# What was not even begun, and why; it goes with the next press of Run.
REFUSED = "compare edits refused"
DOWNLOAD = "minimal-pairs.csv"


def edits_panel(runs: Both) -> None:
    """Ask for edits of the first text, run each, and show what it does to the first side's heads."""
    _form()
    if view().edits.strip():
        slot = st.empty()
        problems = st.container()
        found = tried(runs.seen, slot)
    else:
        problems, found = st.container(), None
    error: LoupeError | None = recall(REFUSED) or RUN.failure
    if error is not None:
        problems.error(f"{in_words(error)}")
    if found is not None:
        _results(runs, found)


def _form() -> None:
    """Ask what makes the variants."""
    seen = view()
    kinds = named("edits as", seen.edits_as)
    kind = st.segmented_control(
        "Minimal pairs from",
        list(EDITS_AS),
        default=seen.edits_as,
        key=kinds,
        required=True,
        format_func=lambda one: TITLES[one],
        label_visibility="collapsed",
    )
    st.caption(WRITTEN_AS[kind])
    written = seen.edits if kind == seen.edits_as else ""
    # Inputs keep what was typed, and after Back they are to show what was asked for then.
    count = (generation(), asked())
    keys = {
        "edits": named(f"edits {kind}", (written, seen.first.text, count)),
        "every": named("edits every", seen.every),
        "template": named("edits template of a table", (seen.template, count)),
    }
    if kind == "csv":
        st.file_uploader(
            "CSV file",
            ["csv", "tsv", "txt"],
            key=UPLOAD,
            max_upload_size=max(1, MOST_BYTES // 1_000_000),
            label_visibility="collapsed",
        )
        if written:
            st.caption("A table is shown below; another file takes its place.")
        st.text_input(
            "Template, where the columns are its slots",
            seen.template,
            key=keys["template"],
            placeholder="The {animal} slept.",
            help="A slot is called by its first choice, which the base has.",
            persist_state="session",
        )
    else:
        st.text_area(
            TITLES[kind],
            written or _example(kind, seen.first.text),
            key=keys["edits"],
            height=110,
            placeholder="old -> new" if kind == "edits" else "The {animal|dog} slept.",
            label_visibility="collapsed",
            persist_state="session",
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Run",
            key="compare edits run",
            type="primary",
            on_click=lambda: _begin(kind, keys),
        )
        if kind == "template":
            st.toggle(
                "Every combination",
                seen.every,
                key=keys["every"],
                help="Else one slot at a time differs from the base.",
            )


def _example(kind: str, text: str) -> str:
    if text != SAMPLE:
        return ""
    return EDITS if kind == "edits" else TEMPLATE


def _begin(kind: str, keys: dict[str, str]) -> None:
    """Let what was written be what is asked for."""
    RUN.go_on()
    forget(REFUSED)
    if kind == "csv":
        _begin_table(value_of(keys["template"]))
        return
    written = value_of(keys["edits"])
    every = bool(recall(keys["every"], False))
    if not written.strip():
        remember(
            REFUSED,
            LoupeError(
                f"The {'template' if kind == 'template' else 'list of edits'} is empty.",
                'Write an edit, as in "animal -> dog".'
                if kind == "edits"
                else 'Write one as in "The {animal|dog} slept."',
            ),
        )
        return
    ask(edits=written, edits_as=kind, every=every, template="")


def _begin_table(template: str) -> None:
    """Let a table be what is asked for: the file's, or under another template the one that is shown."""
    file, seen = recall(UPLOAD), view()
    if file is None and (seen.edits_as != "csv" or not seen.edits):
        remember(REFUSED, LoupeError("There is no file yet.", "Choose a CSV file."))
        return
    content = seen.edits.encode("utf-8", "surrogatepass") if file is None else file.getvalue()
    try:
        read_table(content, seen.first.text, template)
    except LoupeError as error:
        remember(REFUSED, error)
        return
    ask(edits=content.decode("utf-8-sig"), edits_as="csv", every=False, template=template)


def _results(runs: Both, found: Tried) -> None:
    """Draw the differences, and rank the variants."""
    looked = _looked(runs.seen, found)
    measured = while_measuring(
        "Comparing with the base",
        lambda tell: comparisons().effects(
            found.base,
            found.others,
            [variant.title for variant in found.variants.others],
            looked,
            tell,
        ),
    )
    if measured is None:
        return
    st.caption(literal(_said(found.variants, measured, looked)))
    if measured.table.empty:
        return
    picture, table = st.columns([1.3, 1], gap="medium")
    with picture:
        titles = [str(measured.table.loc[number, "variant"]) for number in measured.kept]
        st.plotly_chart(
            multiples_figure(list(measured.kept.values()), titles, dark=is_dark(), columns=BESIDE),
            key=PICTURES,
            config=PLOTLY,
        )
    with table:
        _table(measured.table, found.variants)


def _looked(seen: CompareView, found: Tried) -> Looked:
    stack, heads = chosen_heads(seen.first, found.base.trace.stacks)
    return Looked(stack.name, heads, seen.aggregate, seen.words, seen.how)


def _said(variants: Variants, measured: Effects, looked: Looked) -> str:
    which = (
        "layer {}, head {}".format(*looked.heads[0])
        if len(looked.heads) == 1
        else f"the {looked.aggregate} of {len(looked.heads)} heads"
    )
    base = variants.base.text
    shown = base if len(base) <= 160 else base[:159] + "…"
    parts = [f"Against the base “{shown}”, {which}; red is where the variant looks more."]
    if len(measured.kept) < len(measured.table):
        parts.append(
            f"Of {len(measured.table):,} variants the {len(measured.kept)} that differ most are drawn."
        )
    if variants.repeated:
        parts.append(f"Left out, as their text was there before: {_listed(variants.repeated)}.")
    if measured.apart:
        parts.append(f"Nothing in common with the base: {_listed(measured.apart)}.")
    return " ".join(parts)


def _listed(titles: tuple[str, ...]) -> str:
    more = len(titles) - 5
    return ", ".join(titles[:5]) + (f" and {more} more" if more > 0 else "")


def _table(table: pd.DataFrame, variants: Variants) -> None:
    st.dataframe(
        table,
        key=TABLE,
        hide_index=True,
        column_config={
            "variant": st.column_config.TextColumn(width="medium"),
            "jensen_shannon": st.column_config.NumberColumn("Jensen-Shannon", format="%.4f"),
            "total_variation": st.column_config.NumberColumn("moved weight", format="%.3f"),
        },
        on_select=lambda: _pick_line(table, variants),
        selection_mode="single-row",
    )
    texts = [variants.others[number].text for number in table.index]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Download CSV",
            table.assign(text=texts).to_csv(index=False).encode("utf-8", "replace"),
            DOWNLOAD,
            "text/csv",
            key="compare variants file",
            on_click="ignore",
        )
        st.caption("A click on a line shows that variant above.")


def _pick_line(table: pd.DataFrame, variants: Variants) -> None:
    rows = value_of(TABLE).selection.rows
    if rows:
        _show(variants, int(table.index[rows[0]]))


def _show(variants: Variants, number: int) -> None:
    """Let the second side read a variant, and the first side the base."""
    first = replace(view().first, text=variants.base.text)
    second = replace(first, text=variants.others[number].text)
    rewrite(first=first, second=second, pairing="", row=-1, span="")
