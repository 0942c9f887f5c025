"""All heads small: sorted, only those that are wanted, one or several selected."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from components.canvas import MOST_SELECTED, head_grid, stack_path
from components.explore_session import change, is_dark, owner, view, workbench
from components.explore_state import EFFECT, written_bounds
from components.panels.drawing_progress import drawing_panel
from components.panels.effects_methods import method_of
from components.panels.media_panel import pinned_query
from components.panels.plain_text import literal
from components.panels.prediction_place import target_of
from components.panels.statistic_labels import Words, statistics_of
from components.run_panel import while_measuring
from components.session_state import chosen, key_showing, recall, remember, value_of
from viz.capture.stack import Stack
from viz.effects.effect_thumbnails import effect_thumbnails
from viz.effects.found_effects import FoundEffects
from viz.effects.trust import by_method
from viz.figures import diverging_rgb, palette_rgb
from viz.inputs.units import Grid, patch_grid
from viz.patterns import LAYER, Bounds, Thumbnails, arrange, glances
from viz.service import Analysis

# What stands beside a small pattern, where there is room for little.
BESIDE = ("entropy", "distance", "first", "previous")

# What small patterns show.
SMALL = {"weight": "weights", "weight_gradient": "what weights do (weight × gradient)"}

# With more heads than this in a layer the grid needs half of the page.
NARROW = 16

# A slider's span has some hundred steps of 1, 2 or 5 times a power of ten.
STEPS = 100


def is_wide(stack: Stack) -> bool:
    """Whether a stack's heads need more room than a narrow column has."""
    return max(stack.heads(layer) for layer in range(stack.layers)) > NARROW


def grid_panel(analysis: Analysis) -> None:
    """Draw every head that is wanted; clicks select one or several."""
    seen = view()
    thumbnails = analysis.thumbnails[seen.stack]
    grid = patch_grid(analysis.trace.stacks[seen.stack].keys)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("All heads", anchor=False)
        with st.popover("Sort and filter"):
            _sorting(analysis)
            _filters(analysis)
            _small(analysis)
        over = analysis.picture if grid is not None and _overlaid(analysis, grid) else None
    drawing_panel(analysis)
    order, everyone = arranged(analysis), len(thumbnails.layers)
    if not order:
        st.info(f"None of the {everyone:,} heads fits: {_filtered(analysis)}.")
    else:
        effects = None if over is not None else small_effects(analysis)
        shown, palette = thumbnails, palette_rgb(seen.palette, is_dark())
        if over is not None and grid is not None:
            shown = _glances(analysis, grid)
        elif effects is not None and len(effects[0].layers) == everyone:
            shown, palette = effects[0], diverging_rgb(is_dark())
        head_grid(
            shown,
            _beside(analysis),
            result=stack_path(analysis.token, seen.stack),
            order=order,
            flow=_sort(analysis) != LAYER,
            selected=seen.chosen,
            palette=palette,
            key="grid",
            on_pick=_pick,
            picture=over,
            signed=effects is not None and shown is effects[0],
        )
        words = _caption(analysis, thumbnails, over=over is not None, effects=effects)
        st.caption(words, help=HELP)
    if len(order) < everyone:
        if order:
            st.caption(f"{len(order):,} of {everyone:,} heads: {_filtered(analysis)}.")
        st.button("Show all heads", on_click=lambda: change(keep=""))


HELP = (
    f"Ctrl, Cmd or Shift with a click adds a head, up to {MOST_SELECTED}, or takes it away. "
    "The first is the one that the other panels show; outlines have the colours of their lines."
)


def _overlaid(analysis: Analysis, grid: Grid) -> bool:
    """Ask whether heads are drawn over the picture or as patterns, where there is a picture."""
    if analysis.picture is None:
        return False
    remember("grid overlays", view().overlays)
    st.segmented_control(
        "Small heads",
        [True, False],
        key="grid overlays",
        required=True,
        format_func=lambda over: "On the picture" if over else "Patterns",
        label_visibility="collapsed",
        help="Where one patch looks, over the picture; or the whole pattern of every patch.",
        on_change=lambda: change(overlays=value_of("grid overlays")),
    )
    return view().overlays


def _glances(analysis: Analysis, grid: Grid) -> Thumbnails:
    """Draw where the pinned query looks in every head."""
    stack = analysis.trace.stacks[view().stack]
    return glances(stack, pinned_query(analysis), grid)


def arranged(analysis: Analysis) -> list[int]:
    """Return which heads are shown and in what order, as indices into the thumbnails."""
    seen = view()
    thumbnails = analysis.thumbnails[seen.stack]
    offered = statistics_of(analysis.trace.stacks[seen.stack])
    sort = _sort(analysis)
    places = list(zip(thumbnails.layers, thumbnails.heads, strict=True))
    order = arrange(
        analysis.statistics[seen.stack],
        places,
        sort=offered[sort].field if sort in offered else LAYER,
        descending=seen.descending,
        keep={
            name if name == LAYER else offered[name].field: bounds
            for name, bounds in _kept(analysis).items()
        },
    )
    effects = _effects(analysis) if sort == EFFECT else None
    if effects is None:
        return order
    # The toggle turns the order round; heads of which nothing is known stay last.
    turn = 1 if seen.descending else -1
    return sorted(order, key=lambda index: turn * effects.get(places[index], turn * math.inf))


def found_effects(analysis: Analysis) -> FoundEffects | None:
    """Return the effects of the prediction that is explained, if they are found."""
    target = target_of(analysis)
    if target is None:
        return None
    return workbench().known_effects(owner(), analysis.request, target)


def small_effects(analysis: Analysis) -> tuple[Thumbnails, float] | None:
    """Return small patterns of what weights do, and the largest number, where they are wanted and found; drawn once."""
    seen, target = view(), target_of(analysis)
    found = found_effects(analysis) if seen.small != "weight" else None
    if found is None or target is None or seen.stack not in found.trace.stacks:
        return None
    wanted = (workbench().effects_name(owner(), analysis.request, target), seen.stack)
    before, drawn = recall("grid effects", (None, None))
    if before != wanted:
        drawn = while_measuring(
            "Drawing what weights do",
            lambda tell: found.ask(
                effect_thumbnails, stack=seen.stack, progress=lambda done, of: tell(done / of)
            ),
        )
        if drawn is None:
            return None
        remember("grid effects", (wanted, drawn))
    pictures: tuple[Thumbnails, float] = drawn
    return pictures


def _effects(analysis: Analysis) -> dict[tuple[int, int], float] | None:
    """Return how large the effect of each head is by the method that is chosen; None before they are found."""
    seen = view()
    found = found_effects(analysis)
    if found is None:
        return None
    frame = found.ask(by_method)
    frame = frame[frame["stack"] == seen.stack]
    method = method_of(frame)
    known = frame.dropna(subset=[method])
    columns = (known[name].tolist() for name in ("layer", "head", method))
    return {(layer, head): abs(value) for layer, head, value in zip(*columns, strict=True)}


def _small(analysis: Analysis) -> None:
    """Ask what the small patterns show, once effects of the prediction are found."""
    if found_effects(analysis) is None:
        return
    st.selectbox(
        "Small patterns show",
        list(SMALL),
        key=key_showing("grid small", view().small),
        format_func=SMALL.__getitem__,
        on_change=lambda: change(small=chosen("grid small")),
        help="What each weight is, or to first order what it adds to the prediction, on one scale for all heads.",
    )


def _sort(analysis: Analysis) -> str:
    """Return what heads are sorted by; by layer where the stack has no such statistic."""
    seen = view()
    if seen.sort == EFFECT and target_of(analysis) is not None:
        return EFFECT
    return seen.sort if seen.sort in statistics_of(analysis.trace.stacks[seen.stack]) else LAYER


def _kept(analysis: Analysis) -> dict[str, Bounds]:
    """Return the bounds that mean something for the stack."""
    seen = view()
    offered = statistics_of(analysis.trace.stacks[seen.stack])
    return {name: bounds for name, bounds in seen.kept.items() if name == LAYER or name in offered}


def _sorting(analysis: Analysis) -> None:
    """Ask for the order."""
    offered = statistics_of(analysis.trace.stacks[view().stack])
    names = {LAYER: LAYER, **{name: words.name for name, words in offered.items()}}
    if target_of(analysis) is not None:
        names[EFFECT] = "effect on the prediction"
    st.selectbox(
        "Sort by",
        list(names),
        key=key_showing("grid sort", _sort(analysis)),
        format_func=names.__getitem__,
        on_change=lambda: change(sort=chosen("grid sort")),
        help="What the small patterns are ordered by: their layer, or a number of each head.",
    )
    st.toggle(
        {LAYER: "Last layer first", EFFECT: "Smallest first"}.get(_sort(analysis), "Largest first"),
        key=key_showing("grid descending", view().descending),
        on_change=lambda: change(descending=chosen("grid descending")),
        help="Turns the order round.",
    )


def _filters(analysis: Analysis) -> None:
    """Ask for the bounds of what is shown."""
    seen = view()
    stack = analysis.trace.stacks[seen.stack]
    kept = _kept(analysis)
    if stack.layers > 1:
        _filter(LAYER, "Layers", 0.0, float(stack.layers - 1), 1.0, kept.get(LAYER))
    for name, words in statistics_of(stack).items():
        values = analysis.statistics[seen.stack].of(words.field)
        if len(np.unique(values[np.isfinite(values)])) < 2 and name not in kept:
            continue
        low, high, step = slider_span(values, kept.get(name))
        _filter(name, words.name, low, high, step, kept.get(name))


def slider_span(values: NDArray[np.float32], bounds: Bounds | None) -> tuple[float, float, float]:
    """Return the ends and the step of a slider that holds all values, and bounds from a link."""
    given = [bound for bound in bounds or () if math.isfinite(bound)]
    known = np.concatenate([values[np.isfinite(values)].astype(np.float64), given])
    least, most = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    rough = max(most - least, 1e-3) / STEPS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * part for part in (1, 2, 5, 10) if power * part >= rough * 0.999)
    digits = max(0, -math.floor(math.log10(step)))
    # A value on a step, but for its last bits, is on it.
    low, high = math.floor(least / step + 1e-6) * step, math.ceil(most / step - 1e-6) * step
    if high <= low:
        high = low + step
    return round(low, digits), round(high, digits), round(step, digits)


def _filter(
    name: str, label: str, low: float, high: float, step: float, bounds: Bounds | None
) -> None:
    """Ask for the bounds of one number; a slider's ends bound nothing."""
    widget = f"grid keep {name}"
    first, last = bounds or (-math.inf, math.inf)
    key = key_showing(widget, (min(max(first, low), high), max(min(last, high), low)))

    def keep() -> None:
        least, most = chosen(widget)
        within = (
            least if least > low + step / 2 else -math.inf,
            most if most < high - step / 2 else math.inf,
        )
        change(keep=written_bounds({**view().kept, name: within}))

    digits = max(0, -math.floor(math.log10(step)))
    st.slider(
        label,
        low,
        high,
        step=step,
        key=key,
        format=f"%.{digits}f",
        on_change=keep,
        help="Heads outside are left out of the grid; nothing is left out at both ends.",
    )


def _filtered(analysis: Analysis) -> str:
    """Say in words what the heads on screen are within."""
    offered = statistics_of(analysis.trace.stacks[view().stack])
    return ", ".join(_within(offered.get(name), bounds) for name, bounds in _kept(analysis).items())


def _within(words: Words | None, bounds: Bounds) -> str:
    low, high = bounds
    if words is None and low == high:
        return f"layer {low:g}"
    name = "layers" if words is None else words.beside
    if words is None and not math.isfinite(low):
        low = 0.0
    if not math.isfinite(high):
        return f"{name} {low:g} and above" if words is None else f"{name} at least {low:g}"
    if not math.isfinite(low):
        return f"{name} at most {high:g}"
    return f"{name} {low:g} to {high:g}"


def _caption(
    analysis: Analysis,
    thumbnails: Thumbnails,
    *,
    over: bool,
    effects: tuple[Thumbnails, float] | None,
) -> str:
    """Say how the grid is to be read."""
    units = analysis.trace.stacks[view().stack].queries
    colour = (
        "weight × gradient, red for the prediction and blue against it, up to "
        f"{effects[1]:.3g}; the square root of each is drawn"
        if effects is not None
        else f"lit up where {literal(units.labels[pinned_query(analysis)])} looks, as a share of the head's "
        "largest weight on a patch"
        if over
        else "colour is the square root of the weight"
        if thumbnails.pooling == "max"
        else "colour is the square root of the mean weight, as a share of the head's largest"
    )
    sort = _sort(analysis)
    if sort == LAYER:
        return f"Row is a layer, column is a head; {colour}."
    if sort == EFFECT and _effects(analysis) is None:
        return (
            "By layer until effects are found: open *What the prediction rests on*; named layer.head; "
            f"{colour}."
        )
    if sort == EFFECT:
        first = "smallest" if view().descending else "largest"
        return f"By effect on the prediction, {first} first; named layer.head; {colour}."
    words = statistics_of(analysis.trace.stacks[view().stack])[sort]
    first = "largest" if view().descending else "smallest"
    return f"By {words.beside}, {first} first; named layer.head; {colour}."


def _beside(analysis: Analysis) -> dict[str, tuple[NDArray[np.float32], str]]:
    """Name the numbers that stand beside a small pattern."""
    name = view().stack
    offered = statistics_of(analysis.trace.stacks[name])
    return {
        words.beside: (analysis.statistics[name].of(words.field), words.unit)
        for choice, words in offered.items()
        if choice in {*BESIDE, _sort(analysis)}
    }


def _pick() -> None:
    picked = value_of("grid").get("picked")
    if picked:
        (layer, head), *others = ((int(layer), int(head)) for layer, head in picked)
        also = ",".join(f"{one}.{other}" for one, other in others)
        change(layer=layer, head=head, also=also)
