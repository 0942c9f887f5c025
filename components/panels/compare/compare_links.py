"""Links from other pages to Compare: a head against its neighbour, heads like it, a training's checkpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from components.compare_state import OPENING, CompareView, SideView, to_query
from components.explore_session import page_link, texts
from components.explore_state import View
from components.panels.training.unseen_example import text_of
from viz.analysis import opening_stack
from viz.capture.stack import Stack
from viz.capture.trace import Trace
from viz.compare.compared_side import Head
from viz.errors import StorageError
from viz.training.task import Loaded
from viz.training.training_folder import RunFolder, runs_root


def head_link(
    label: str, seen: View, trace: Trace, part: Literal["rows", "heads"] = "rows"
) -> None:
    """Draw a link that opens the head on Explore beside another head of the same run."""
    stack = trace.stacks[seen.stack]
    first = SideView(
        model=seen.model,
        revision=seen.revision,
        local=seen.local,
        text=seen.text,
        pair=seen.pair,
        media=seen.media,
        stack="" if stack is opening_stack(trace.stacks) else seen.stack,
        heads=f"{seen.layer}.{seen.head}",
    )
    layer, head = neighbour(stack, seen.layer, seen.head)
    second = replace(first, heads=f"{layer}.{head}")
    _link(label, CompareView(first=first, second=second, part=part))


def neighbour(stack: Stack, layer: int, head: int) -> Head:
    """Return the next head of a layer, after the last the first; where it has but one, another layer's."""
    if stack.heads(layer) > 1:
        return layer, (head + 1) % stack.heads(layer)
    other = (layer + 1) % stack.layers
    return other, min(head, stack.heads(other) - 1)


def checkpoints_link(
    label: str, folder: RunFolder, loaded: Loaded, at: tuple[str, int, int], step: int
) -> None:
    """Draw a link that opens a training's checkpoints; its first and this one are the sides, if they can be."""
    steps = folder.steps()
    if len(steps) < 2:
        return
    shown = replace(OPENING, part="steps", run=folder.name, step=step if step in steps[1:] else -1)
    stack, layer, head = at
    named = f"{layer}.{head}"
    text = text_of(loaded.probes[0], loaded)
    if text is None:
        first, second = shown.first, shown.second
        shown = replace(
            shown, first=replace(first, heads=named), second=replace(second, heads=named)
        )
    else:
        first = SideView(
            model=_named(folder, steps[0]),
            local=True,
            text=text,
            pair=loaded.probes[0].target or "",
            stack=stack,
            heads=named,
        )
        other = step if step in steps[1:] else steps[-1]
        shown = replace(
            shown, first=first, second=replace(first, model=_named(folder, other)), step=other
        )
    _link(label, shown)


def _named(folder: RunFolder, step: int) -> str:
    # Told from the folder of models on, so that a link says nothing of this machine's folders.
    return folder.checkpoint(step).relative_to(runs_root().parent).as_posix()


def _link(label: str, shown: CompareView) -> None:
    try:
        query = to_query(shown, texts())
    except StorageError:
        # A long text that cannot be kept cannot be linked to; the page that shows the link goes on.
        return
    page_link("Compare", label, **query)
