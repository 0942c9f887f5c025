"""Which heads of both sides are looked at: one, a layer's, several, or all."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from components.compare_state import ALL, SideView, chosen_heads, missing_heads
from components.panels.compare.compare_url import SIDES, complain, named, view
from components.panels.compare.run_both_sides import Both
from components.panels.compare.side_inputs import EVERYTHING, THINGS, change_both
from components.session_state import remember, value_of
from viz.capture.stack import Stack
from viz.service import Analysis


def heads_panel(runs: Both) -> None:
    """Let the stack, the layer and the head of both sides be chosen."""
    for place, which, run in zip(st.columns(2, gap="medium"), SIDES, runs.both, strict=True):
        side, stacks = getattr(runs.seen, which), run.trace.stacks
        with place.container(horizontal=True, vertical_alignment="bottom"):
            _heads(which, side, stacks)
        missing = missing_heads(side, stacks)
        if missing:
            complain(f"{which.capitalize()} side: {missing}" if _differ(runs) else missing)


def _differ(runs: Both) -> bool:
    """Whether it has to be said of which side something is."""
    return len({missing_heads(side, run.trace.stacks) for side, run in _sides(runs)}) > 1


def _sides(runs: Both) -> list[tuple[SideView, Analysis]]:
    return list(zip(runs.seen.sides, runs.both, strict=True))


def _heads(which: str, side: SideView, stacks: Mapping[str, Stack]) -> None:
    """Let the stack, the layer and the head of a side be chosen."""
    stack, heads = chosen_heads(side, stacks)
    # Where both sides stand below each other, nothing else would tell them apart.
    title = which.capitalize()
    several = len(heads) > 1 and "." in side.heads
    layer: int | str = heads[0][0] if side.heads != ALL else ALL
    head: int | str = heads[0][1] if "." in side.heads else ALL
    differs = EVERYTHING if which == "second" else _differs_in_heads()
    keys = {name: f"compare {which} {name}" for name in ("stack", "layer", "head", "several")}

    def moved() -> None:
        at = value_of(keys["layer"])
        one = value_of(keys["head"])
        change_both(
            which, differs, heads=ALL if at == ALL else str(at) if one == ALL else f"{at}.{one}"
        )

    if len(stacks) > 1:
        remember(keys["stack"], stack.name)
        st.selectbox(
            f"{title}: stack",
            list(stacks),
            key=keys["stack"],
            width=120,
            on_change=lambda: change_both(which, differs, stack=value_of(keys["stack"])),
        )
    remember(keys["layer"], layer)
    st.selectbox(
        f"{title}: layer",
        [*range(stack.layers), ALL],
        key=keys["layer"],
        width=104,
        disabled=several,
        on_change=moved,
    )
    if layer != ALL:
        remember(keys["head"], head)
        st.selectbox(
            f"{title}: head",
            [*range(stack.heads(int(layer))), ALL],
            key=keys["head"],
            width=104,
            disabled=several,
            on_change=moved,
        )
    with st.popover("Several …", width="content"):
        _several(which, differs, stack, heads if several else (), keys["several"])


def _differs_in_heads() -> str:
    """Say whether the second side has heads of its own; else they follow the first's."""
    seen = view()
    alike = all(getattr(seen.first, name) == getattr(seen.second, name) for name in THINGS["head"])
    runs_alike = seen.first.request == seen.second.request
    return EVERYTHING if not alike or runs_alike else "text"


def _several(
    which: str, differs: str, stack: Stack, heads: tuple[tuple[int, int], ...], key: str
) -> None:
    offered = [
        f"{layer}.{head}" for layer in range(stack.layers) for head in range(stack.heads(layer))
    ]
    usual = [f"{layer}.{head}" for layer, head in heads]
    key = named(key, usual)

    def picked() -> None:
        chosen = value_of(key)
        change_both(which, differs, heads=",".join(chosen) if chosen else "0.0")

    st.multiselect(
        "Heads taken together, as layer.head",
        offered,
        usual,
        key=key,
        max_selections=64,
        on_change=picked,
    )
