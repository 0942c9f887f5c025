"""A base and other models of its shape on the first side's text: how far each of their heads is from its."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath

import streamlit as st

from components.compare_state import CompareView, SideView, chosen_heads
from components.panels.compare.all_heads import comparisons
from components.panels.compare.compare_url import (
    ask,
    asked,
    change,
    complain,
    named,
    rewrite,
    view,
)
from components.panels.compare.head_curves import curves_panel, patterns_panel
from components.panels.compare.many_models_runs import (
    RUN,
    Run,
    Tried,
    go_on,
    reading,
    tried,
)
from components.panels.compare.run_both_sides import Both
from components.panels.plain_text import literal
from components.run_panel import in_words, while_measuring
from components.session_state import forget, recall, remember, value_of
from viz.compare import Side
from viz.compare.row_sampling import spaced
from viz.errors import LoupeError
from viz.models.folders import model_roots
from viz.models.model_list import MOST_MODELS, Listed, folders_beside, read_models
from viz.service.comparison_cache import Question

WRITTEN_AS = (
    "One model a line, the base first: `owner/name`, `owner/name@revision`, a name of the catalogue such as "
    f"`minilm`, or a model's folder; at most {MOST_MODELS}. All read the first text."
)
PLACEHOLDER = "owner/base\nowner/fine-tuned\nowner/base@revision"

# A list that cannot be meant; what is on screen stays.
REFUSED = "compare models refused"


def models_panel(runs: Both) -> None:
    """Ask for models, run each on the first text, and show how far each is from the first."""
    seen = runs.seen
    _form(seen)
    problems = st.container()
    found = None
    if seen.models.strip():
        found = tried(seen, st.empty())
    error: LoupeError | None = recall(REFUSED)
    if error is None and seen.models.strip():
        error = RUN.failure
    if error is not None:
        problems.error(in_words(error))
    if found is not None:
        _results(seen, found)


def _form(seen: CompareView) -> None:
    """Ask which models."""
    st.caption(WRITTEN_AS)
    written = seen.models or _offered(seen)
    key = named("models", (written, asked()))
    st.text_area(
        "Models",
        written,
        key=key,
        height=110,
        placeholder=PLACEHOLDER,
        label_visibility="collapsed",
        persist_state="session",
    )
    beside = folders_beside(seen.first.model, model_roots()) if seen.first.local else ()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Run",
            key="compare models run",
            type="primary",
            on_click=lambda: _begin(value_of(key)),
        )
        if beside:
            some = [beside[number] for number in spaced(len(beside), MOST_MODELS)]
            which = f"{len(some)} of the " if len(some) < len(beside) else "the "
            st.button(
                literal(
                    f"Use {which}{len(beside)} folders beside {PurePath(seen.first.model).name}"
                ),
                key="compare models beside",
                help=literal(
                    f"From {some[0]}, the base, to {some[-1]}, each run on the first text."
                ),
                on_click=lambda: _begin("\n".join(Listed(one, local=True).line for one in some)),
            )


def _offered(seen: CompareView) -> str:
    """Offer the models of both sides."""
    sides = (Listed(side.model, side.revision, side.local).line for side in seen.sides)
    return "\n".join(dict.fromkeys(sides))


def _begin(written: str) -> None:
    """Let what was written be what is asked for, if it can be."""
    go_on()
    forget(REFUSED)
    try:
        read_models(written, model_roots())
    except LoupeError as error:
        remember(REFUSED, error)
        return
    ask(models=written.strip(), step=-1)


def _results(seen: CompareView, found: Tried) -> None:
    """Draw the curves, and the chosen head of the base beside that of another model."""
    base = found.runs[0]
    stacks = base.analysis.trace.stacks
    shown = Side(*chosen_heads(seen.first, stacks))
    measured = while_measuring(
        "Comparing models",
        lambda tell: comparisons().followed(
            [run.analysis for run in found.runs],
            [run.name for run in found.runs],
            Question(shown.stack.name, shown.stack.name, words=seen.words, how=seen.how),
            tell,
        ),
    )
    if measured is None:
        return
    _missing(base, found.failed, measured.apart)
    others = {run.place: run for run in found.runs[1:] if run.name in measured.frame.index}
    if not others:
        return
    curves_panel(measured.frame, stacks, shown, _said(base))
    run = _other(base, others)
    patterns_panel(
        base.analysis.trace,
        run.analysis.trace,
        shown,
        (base.name, run.name),
        words=seen.words,
        how=seen.how,
    )
    st.button(
        "Compare these two above",
        key="compare models above",
        help="The base becomes the first side, the other model the second.",
        on_click=lambda: _show(found.side, base, run),
    )


def _missing(
    base: Run,
    failed: tuple[tuple[str, LoupeError], ...],
    apart: tuple[tuple[str, LoupeError], ...],
) -> None:
    """Say which models are not drawn, and why."""
    said = [f"{name} cannot be run: {error.message} {error.hint}" for name, error in failed]
    said += [
        f"{name} (second side) cannot be compared with {base.name} (first side): {error.message}"
        for name, error in apart
    ]
    if said:
        st.warning("\n\n".join(map(literal, said)))


def _said(base: Run) -> str:
    return literal(
        f"Mean Jensen-Shannon divergence of a head's rows from those of {base.name}, in nats, on the first "
        "text. A click on a curve chooses its head."
    )


def _other(base: Run, others: Mapping[int, Run]) -> Run:
    """Let a model be chosen to stand beside the base; the last by default."""
    places = list(others)
    if view().step != -1 and view().step not in others:
        complain(
            f"The step {view().step:,} is no place of a model in the list, so {others[places[-1]].name} is shown."
        )
    if len(places) == 1:
        return others[places[0]]
    key = named("model", (base.name, [run.name for run in others.values()]))
    remember(key, view().step if view().step in others else places[-1])
    place: int = st.select_slider(
        f"Model beside {literal(base.name)}",
        places,
        key=key,
        format_func=lambda one: others[one].name,
        on_change=lambda: change(step=int(value_of(key))),
        help="The arrow keys move it, too.",
    )
    return others[place]


def _show(side: SideView, base: Run, other: Run) -> None:
    """Let both sides read what the models of the list read."""
    looked = view().first
    side = replace(side, heads=looked.heads, stack=looked.stack)
    rewrite(first=reading(side, base.model), second=reading(side, other.model), row=-1, span="")
