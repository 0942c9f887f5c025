"""What the prediction rests on: what becomes of it without each head, and what the selected head's weights do."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from components.explore_session import view, write_link
from components.head_views import HEAD_VIEWS, HeadView
from components.panels.effects_curves import curves_panel
from components.panels.effects_edges import edges_panel
from components.panels.effects_found import EFFECTS, find_effects, shown_effects
from components.panels.effects_heads import heads_panel
from components.panels.effects_layers import layers_panel
from components.panels.effects_methods import METHODS
from components.panels.effects_pattern import effects_pattern_panel
from components.panels.effects_search import search_panel
from components.panels.effects_target import choose_target
from components.panels.effects_tokens import tokens_panel
from components.panels.effects_without import without_panel
from components.panels.find_on_demand import Passes
from components.panels.plain_text import literal
from components.panels.prediction_place import MEASURES, target_of, unit_of
from viz.effects import Effects, Head, KnockOuts
from viz.effects.every_head import is_read_at
from viz.effects.found_effects import FoundEffects
from viz.inputs.units import label_alone
from viz.service import Analysis

# Keys that are listed of the selected head's row.
LISTED_KEYS = 10

# What is drawn once somebody opens it.
MORE: dict[str, tuple[str, Callable[[Analysis, FoundEffects], None]]] = {
    "layers": ("Layers and MLPs", layers_panel),
    "pattern by effect": ("The pattern by what its weights do", effects_pattern_panel),
    "edges": ("Cut weights", edges_panel),
    "search": ("The fewest weights that are enough", search_panel),
    "tokens": ("Tokens", tokens_panel),
    "curves": ("How far the order of heads can be trusted", curves_panel),
}


def _effects(analysis: Analysis) -> None:
    """Draw the view."""
    # A choice made here redraws only this view, and lies in the link all the same.
    write_link()
    choose_target(analysis)
    target = target_of(analysis)
    if target is None:
        return
    found = find_effects(analysis, target)
    if found is None:
        return
    if EFFECTS.failure is not None:
        st.caption("What you see below is from before.")
    _say_prediction(analysis, found)
    picture, beside = st.columns([1.3, 1], gap="medium")
    with picture:
        heads_panel(found)
    with beside:
        _row(found)
        _silence(analysis, found)
    for name, (title, draw) in MORE.items():
        part = st.expander(title, key=f"effects {name}", type="compact", on_change="rerun")
        if part.open:
            with part:
                draw(analysis, found)


def _say_prediction(analysis: Analysis, found: FoundEffects) -> None:
    """Say in a line what is explained."""
    explained = found.objective
    unit = unit_of(explained)
    if explained.vector is not None:
        st.markdown(
            f"**{unit.capitalize()}** with the other text: **{found.value:.3g}**",
            help="Every number below is a part or a change of it.",
        )
        return

    def name(number: int) -> str:
        return (
            label_alone(analysis.tokenizer, number)
            if analysis.predictions is not None
            else analysis.classes[number]
        )

    over = "" if explained.against is None else f" over **{literal(name(explained.against))}**"
    st.markdown(
        f"**{literal(name(explained.token))}**{over}: **{found.value:.3g}** {unit}",
        help=f"{MEASURES[explained.measure][0]}. Every number below is a part or a change of it. Gradients are taken in "
        f"the model's own precision, {literal(analysis.trace.model.dtype)}.",
    )


def _row(found: FoundEffects) -> None:
    """List what the selected head reads for the prediction, by what its weights do."""
    seen = view()
    stack = found.trace.stacks[seen.stack]
    st.markdown(
        f"**What layer {seen.layer}, head {seen.head} reads there**",
        help="Weight times gradient: to first order what each weight adds to the prediction.",
    )
    if not is_read_at(found.trace, found.objective, seen.stack):
        st.caption(
            "What is explained is said of the whole input."
            if found.objective.position is None
            else "The prediction is made in another stack."
        )
        return
    place = found.objective.place
    at = (seen.layer, seen.head, [place])
    kinds = {"weight": "weight", "weight × gradient": "weight_gradient"}
    if found.direct is not None and (seen.stack, seen.layer) in found.direct.directions:
        kinds["share"] = "share"
    columns = {
        name: found.weights(kind, *at, stack=seen.stack)[0].tolist()  # type: ignore[arg-type]
        for name, kind in kinds.items()
    }
    names = [f"{label} ({number})" for number, label in enumerate(stack.keys.labels)]
    frame = pd.DataFrame({"key": names, **columns})
    largest = frame.sort_values("weight × gradient", key=abs, ascending=False, kind="stable")
    st.dataframe(
        largest.head(LISTED_KEYS),
        hide_index=True,
        height=280,
        column_config={
            "weight": st.column_config.NumberColumn(format="%.3f"),
            "weight × gradient": st.column_config.NumberColumn(format="%+.3f"),
            "share": st.column_config.NumberColumn(format="%+.3f", help=METHODS["share"].meaning),
        },
    )


def _silence(analysis: Analysis, found: FoundEffects) -> None:
    """Knock the selected head out at all positions, and say what becomes of the prediction."""
    seen = view()
    head = Head(seen.layer, seen.head, seen.stack)
    without_panel(
        found,
        (shown_effects(), head),
        lambda tell: _without(found, head, tell),
        name="effects silence",
        label="Silence this head everywhere",
        hint="Runs the model once more; the head puts out 0 at all positions.",
        progress="Running the model without the head",
        title="With this head silent everywhere",
        seconds=2 * analysis.seconds,
    )


def _without(found: FoundEffects, head: Head, tell: Passes) -> float:
    done = found.ask(Effects.knock_out, heads=[head], progress=tell)
    assert isinstance(done, KnockOuts)
    return done.without[0]


EFFECTS_VIEW = HEAD_VIEWS.add(
    HeadView(
        "effects",
        "What the prediction rests on",
        _effects,
    )
)
