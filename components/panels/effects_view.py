"""What the prediction rests on: what becomes of it without each head, and what the selected head's weights do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from components.explore_session import (
    change,
    is_dark,
    owner,
    view,
    workbench,
    write_link,
)
from components.explore_state import EFFECT
from components.head_views import HEAD_VIEWS, HeadView
from components.panels.effects_curves import curves_panel
from components.panels.effects_edges import edges_panel
from components.panels.effects_layers import layers_panel
from components.panels.effects_methods import METHODS, method_of, methods_of
from components.panels.effects_pattern import effects_pattern_panel
from components.panels.effects_search import search_panel
from components.panels.effects_target import choose_target
from components.panels.effects_tokens import tokens_panel
from components.panels.effects_without import Passes, without_panel
from components.panels.find_on_demand import find_on_demand
from components.panels.plain_text import literal
from components.panels.plotly_settings import PLOTLY
from components.panels.prediction_place import MEASURES, target_of, unit_of
from components.run_panel import RunPanel
from components.session_state import chosen, key_showing, remember, value_of
from viz.effects import DirectAttribution, Effects, Head, KnockOuts, Target, agreement, misleading
from viz.effects.every_head import is_read_at
from viz.effects.trust import by_method
from viz.figures import effects_figure
from viz.inputs.units import label_alone
from viz.service import Analysis, Request

# Capture, gradients, shares and knock-outs take about so many times the forward pass.
PASSES = 6

# Keys that are listed of the selected head's row, and heads in the table.
LISTED_KEYS, LISTED_HEADS = 10, 20

# Where each phase begins and ends, as shares of the whole, and what it is called.
PHASES = {
    "load": (0.0, 0.2, "Loading the model"),
    "forward": (0.2, 0.4, "Running the model"),
    "gradients": (0.4, 0.7, "Differentiating the prediction"),
    "shares": (0.7, 0.8, "Dividing the logit among heads"),
    "heads": (0.8, 1.0, "Knocking heads out"),
}

EFFECTS = RunPanel("effects", hint="Try another prediction.")
EVERY_HEAD = RunPanel("effects every head", hint="Look at the estimates instead.")


# What is drawn once somebody opens it.
MORE: dict[str, tuple[str, Callable[[Analysis, Effects], None]]] = {
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
    found = _found(analysis, target)
    if found is None:
        return
    if EFFECTS.failure is not None:
        st.caption("What you see below is from before.")
    _say_prediction(analysis, found)
    picture, beside = st.columns([1.3, 1], gap="medium")
    with picture:
        _heads(found)
    with beside:
        _row(found)
        _silence(analysis, found)
    for name, (title, draw) in MORE.items():
        part = st.expander(title, key=f"effects {name}", type="compact", on_change="rerun")
        if part.open:
            with part:
                draw(analysis, found)


def _found(analysis: Analysis, target: Target) -> Effects | None:
    """Find the effects, once; where they cannot be, what was found before for the same run."""
    wanted = (analysis.request, target)
    before = workbench().known_effects(owner(), *wanted)
    found = find_on_demand(
        EFFECTS,
        wanted,
        lambda tell: workbench().effects(owner(), analysis.request, target, tell),
        known=before,
        seconds=PASSES * analysis.seconds,
        verb="Find effects",
        phases=PHASES,
    )
    if found is None:
        return _before(analysis.request)
    found = _with_every_head(analysis, target, found)
    EFFECTS.keep(wanted)
    if before is None and view().sort == EFFECT:
        # The grid waits for its order.
        remember("view chose", True)
    return found


def _with_every_head(analysis: Analysis, target: Target, found: Effects) -> Effects:
    """Offer to knock each head out where that would take long."""
    wanted = (analysis.request, target)
    heads = len(found.heads)
    whole = find_on_demand(
        EVERY_HEAD,
        wanted,
        lambda tell: workbench().every_head(
            owner(), *wanted, lambda phase, share: tell(phase, share, heads)
        ),
        known=None if found.at_position is None else found,
        seconds=heads * analysis.seconds,
        verb=f"Knock out all {heads:,} heads",
        phases={"heads": (0.0, 1.0, "Knocking heads out")},
        ask=True,
        hint="Exact, with a pass for each head. Until then heads are shown by estimates.",
    )
    return found if whole is None else whole


def _before(request: Request) -> Effects | None:
    """Return what was found last for a run, if that is still kept."""
    kept = EFFECTS.kept
    if kept is None or kept[0] != request:
        return None
    return workbench().known_effects(owner(), *kept)


def _say_prediction(analysis: Analysis, found: Effects) -> None:
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


def _heads(found: Effects) -> None:
    """Draw one number a head, by a method that is named."""
    seen = view()
    frame = by_method(found)
    frame = frame[frame["stack"] == seen.stack]
    offered, method = methods_of(frame), method_of(frame)
    st.segmented_control(
        "Method",
        offered,
        key=key_showing("effects method", method),
        format_func=lambda name: METHODS[name].short,
        required=True,
        label_visibility="collapsed",
        on_change=lambda: change(effect=chosen("effects method")),
    )
    st.plotly_chart(
        effects_figure(
            _matrix(frame, method),
            f"{METHODS[method].number} ({unit_of(found.objective)})",
            selected=seen.chosen,
            dark=is_dark(),
        ),
        key="effects map",
        config=PLOTLY,
        on_select=_pick_from_map,
        selection_mode="points",
    )
    st.caption(METHODS[method].meaning)
    _trust(found)
    if "share" not in offered and found.refused is not None:
        st.caption(literal(found.refused.message))
    elif found.direct is not None:
        st.caption(_sum(found.direct))
    listed = frame.drop(columns="stack").head(LISTED_HEADS)
    if len(frame) > LISTED_HEADS:
        st.caption(f"The {LISTED_HEADS} heads of {len(frame):,} with the largest effect:")
    st.dataframe(
        listed,
        key="effects table",
        hide_index=True,
        height=220,
        on_select=lambda: _pick_from_table(listed),
        selection_mode="single-row",
        column_config={
            name: st.column_config.NumberColumn(one.short, format="%+.3f", help=one.meaning)
            for name, one in METHODS.items()
        },
    )


def _sum(direct: DirectAttribution) -> str:
    """Say what shares add up to, and what is held still for that."""
    scaled = (
        " The model scales or caps all of its logits once more; shares are of those before."
        if direct.capped
        else ""
    )
    what = "the logit" if direct.objective.against is None else "the difference of both logits"
    return (
        f"Shares of all heads, MLPs, the embedding and biases add up to {direct.sum:.4g}; {what} is "
        f"{direct.value:.4g}. The final norm is held at the scale that it had.{scaled}"
    )


def _trust(found: Effects) -> None:
    """Say how far the methods agree, and where the pattern alone would tell another story."""
    agreed = agreement(found)
    if len(agreed):
        pairs = zip(agreed["method"], agreed["rank_correlation"], strict=True)
        ranks = "; ".join(f"{METHODS[method].short} {rank:.2f}" for method, rank in pairs)
        st.caption(
            f"How well ranks of heads agree with exact knock-out: {ranks}.",
            help="Spearman's rank correlation on this text: 1 is the same order, 0 none.",
        )
    seen = view()
    stack = found.trace.stacks[seen.stack]
    idle, deciding = misleading(found, stack=seen.stack)
    said: list[str] = []
    if idle is not None:
        said.append(
            f"Layer {idle.layer}, head {idle.head} attends strongly to {stack.keys.labels[idle.key]} ({idle.key}) "
            f"with a weight of {idle.weight:.2f}, and without it the prediction changes by {idle.change:+.3f}."
        )
    if deciding is not None:
        said.append(
            f"Layer {deciding.layer}, head {deciding.head} puts at most {deciding.weight:.2f} on a single key, and "
            f"without it the prediction changes by {deciding.change:+.3f}."
        )
    if said:
        st.caption(literal("The pattern alone would mislead: " + " ".join(said)))


def _matrix(frame: pd.DataFrame, method: str) -> NDArray[np.float32]:
    """Lay one number a head out, [layer, head]."""
    found = np.full((frame["layer"].max() + 1, frame["head"].max() + 1), np.nan, dtype=np.float32)
    found[frame["layer"], frame["head"]] = frame[method]
    return found


def _row(found: Effects) -> None:
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


def _silence(analysis: Analysis, found: Effects) -> None:
    """Knock the selected head out at all positions, and say what becomes of the prediction."""
    seen = view()
    head = Head(seen.layer, seen.head, seen.stack)
    without_panel(
        found,
        (analysis.request, found.objective, head),
        lambda tell: _without(found, head, tell),
        name="effects silence",
        label="Silence this head everywhere",
        hint="Runs the model once more; the head puts out 0 at all positions.",
        progress="Running the model without the head",
        title="With this head silent everywhere",
        seconds=2 * analysis.seconds,
    )


def _without(found: Effects, head: Head, tell: Passes) -> float:
    done = found.knock_out(heads=[head], progress=tell)
    assert isinstance(done, KnockOuts)
    return done.without[0]


def _pick_from_map() -> None:
    points = value_of("effects map").selection.points
    if points:
        _select(int(points[0]["y"]), int(points[0]["x"]))


def _pick_from_table(frame: pd.DataFrame) -> None:
    rows = value_of("effects table").selection.rows
    if rows:
        row = frame.iloc[rows[0]]
        _select(int(row["layer"]), int(row["head"]))


def _select(layer: int, head: int) -> None:
    """Select a head here and in every other panel."""
    change(layer=layer, head=head, also="")
    remember("view chose", True)


EFFECTS_VIEW = HEAD_VIEWS.add(
    HeadView(
        "effects",
        "What the prediction rests on",
        _effects,
    )
)
