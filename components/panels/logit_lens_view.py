"""What the model would say if its layers ended earlier: layers up, tokens along."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from components.explore_session import change, is_dark, owner, view, workbench, write_link
from components.head_views import HEAD_VIEWS, HeadView
from components.panels.find_on_demand import find_on_demand, telling_passes
from components.panels.plain_text import literal
from components.panels.prediction_place import prediction_place
from components.run_panel import RunPanel
from components.session_state import value_of
from viz.effects import LogitLens
from viz.figures import shaded
from viz.inputs.units import Units, label_alone
from viz.service import Analysis

# Tokens that stand beside each other, as many as a page is wide, and how many of them at most after the chosen one.
MOST_COLUMNS, AFTER = 14, 4

# Capture, a watched pass and the unembedding once for each layer take about so many times the forward pass.
PASSES = 5

PHASES = {
    "load": (0.0, 0.3, "Loading the model"),
    "forward": (0.3, 0.6, "Running the model"),
    "layers": (0.6, 1.0, "Reading what comes after each layer"),
}

# The capture, and a pass whose stream is watched.
PASSES_OF = {"forward": 1, "layers": 1}

LENS = RunPanel("logit lens", hint="Look at heads instead.")


def _lens(analysis: Analysis) -> None:
    """Draw the view."""
    write_link()
    found = _found(analysis)
    if found is None:
        return
    units = _units(analysis)
    place, _ = prediction_place(analysis)
    chosen = _table(analysis, found, units, place)
    _cell(analysis, found, units, chosen or (len(found.ids) - 1, place))


def _units(analysis: Analysis) -> Units:
    """Return what stands along: the tokens at which something is predicted."""
    stacks = analysis.trace.stacks
    return stacks["decoder"].queries if "decoder" in stacks else analysis.trace.units


def _found(analysis: Analysis) -> LogitLens | None:
    """Find the predictions, once."""
    request = analysis.request
    return find_on_demand(
        LENS,
        request,
        lambda tell: workbench().logit_lens(owner(), request, telling_passes(tell, PASSES_OF)),
        kept=lambda: workbench().known_logit_lens(owner(), request),
        seconds=PASSES * analysis.seconds,
        verb="Read each layer",
        phases=PHASES,
    )


def _table(
    analysis: Analysis, found: LogitLens, units: Units, place: int
) -> tuple[int, int] | None:
    """Draw the first prediction of each layer at each position; return the cell that is chosen, (layer, position)."""
    positions = found.ids.shape[1]
    start = 0
    if positions > MOST_COLUMNS:
        start = st.slider(
            "Positions from",
            0,
            positions - MOST_COLUMNS,
            min(max(0, place + 1 + AFTER - MOST_COLUMNS), positions - MOST_COLUMNS),
            key=f"lens start {positions} {place}",
        )
    shown = sorted({place, *range(start, min(positions, start + MOST_COLUMNS))})
    # Layers go up, so that the model's own answer stands on top.
    layers = range(len(found.ids) - 1, -1, -1)
    name = partial(label_alone, analysis.tokenizer)
    columns = [f"{units.labels[at]} ({at})" for at in shown]
    # The rest is scrolled to where a screen is narrow.
    own = columns[shown.index(place)]
    words = pd.DataFrame(
        [[name(int(found.ids[layer, at, 0])) for at in shown] for layer in layers],
        index=[_layer_name(layer) for layer in layers],
        columns=columns,
    )
    chances = found.probabilities[list(layers)][:, shown, 0].numpy()
    colours = iter(shaded(chances.ravel(), dark=is_dark(), largest=1.0))
    styles = pd.DataFrame(
        [
            [_style(next(colours), bold=layer >= int(found.leads[at])) for at in shown]
            for layer in layers
        ],
        index=words.index,
        columns=columns,
    )
    st.dataframe(
        words.style.apply(lambda _: styles, axis=None),
        key="lens table",
        height=min(620, 35 * (len(words) + 1) + 3),
        on_select="rerun",
        selection_mode="single-cell",
        column_order=[own, *(one for one in columns if one != own)],
        column_config={"_index": st.column_config.TextColumn("after", pinned=True)},
        alt="The most probable token after each layer, at each position",
    )
    st.caption(
        "Each cell is the most probable next token if the final norm and the unembedding came right after that layer; "
        "the redder, the more probable. Bold from where the model's own answer leads for good. The position "
        "that is explained stands first. Choose a cell for the five most probable."
        + (
            ""
            if found.as_output
            else " This model changes its logits once more behind the unembedding; probabilities are those before."
        )
    )
    cells = value_of("lens table").selection.cells
    # What was chosen may lie outside of what is shown since.
    if not cells or cells[0][1] not in columns:
        return None
    row, column = cells[0]
    return layers[int(row)], shown[columns.index(column)]


def _layer_name(layer: int) -> str:
    return "embedding" if layer == 0 else f"layer {layer - 1}"


def _style(colour: tuple[str, str], *, bold: bool) -> str:
    back, ink = colour
    return f"background-color:{back};color:{ink}{';font-weight:700' if bold else ''}"


def _cell(analysis: Analysis, found: LogitLens, units: Units, chosen: tuple[int, int]) -> None:
    """List the most probable tokens of one cell, and say from where the final answer leads."""
    layer, at = chosen
    name = partial(label_alone, analysis.tokenizer)
    answer, lead = name(int(found.ids[-1, at, 0])), int(found.leads[at])
    first, second = st.columns([1, 1.4], gap="medium")
    with first:
        st.markdown(f"**After {_layer_name(layer)}, at {literal(units.labels[at])} ({at})**")
        st.dataframe(
            pd.DataFrame(
                {
                    "token": [name(one) for one in found.ids[layer, at].tolist()],
                    "probability": found.probabilities[layer, at].numpy(),
                }
            ),
            hide_index=True,
            column_config={
                "probability": st.column_config.ProgressColumn(
                    format="%.3f", min_value=0.0, max_value=1.0
                )
            },
        )
    with second:
        st.markdown(
            f"The model answers **{literal(answer)}** there, which leads for good after "
            f"**{_layer_name(lead)}**; the last is {_layer_name(len(found.ids) - 1)}."
        )
        if view().token != at:
            st.button(
                "Explain this position",
                key="lens pin",
                on_click=lambda: change(token=at),
                help="Pins the token, so that its prediction is listed and explained.",
            )


LENS_VIEW = HEAD_VIEWS.add(
    HeadView(
        "lens",
        "What it would say after each layer",
        _lens,
        lambda analysis: analysis.predictions is not None,
    )
)
