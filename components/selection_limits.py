"""What of a view a trace has: a selection moves to the nearest that is there, and it is said what was asked for."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace

from components.explore_state import View, written_bounds
from components.panels.statistic_labels import plural
from viz.analysis import opening_stack
from viz.capture.stack import Stack
from viz.inputs.units import Units
from viz.patterns import STATISTICS

# Larger patterns are maps, because a heatmap cell would be smaller than a pixel.
LARGEST_EXACT = 264


def is_mapped(stack: Stack) -> bool:
    """Whether a stack's patterns are too large to be drawn whole."""
    return max(len(stack.queries), len(stack.keys)) > LARGEST_EXACT


def selected_inside(
    view: View, stacks: Mapping[str, Stack], *, named: Container[str] = ()
) -> tuple[View, list[str]]:
    """Move a selection that a trace does not have to the nearest that it has.

    Args:
        view: with the selection.
        stacks: of the trace.
        named: parameters of the link; the usual stack is missed only where it was asked for.

    Returns:
        The view, and a sentence for each part of it that is not there.
    """
    problems = []
    if view.stack not in stacks:
        main = opening_stack(stacks).name
        if view.stack != View().stack or "stack" in named:
            there = " and ".join(repr(name) for name in stacks)
            problems.append(
                _missed(
                    "stack",
                    repr(view.stack),
                    f"this model has {'stack' if len(stacks) == 1 else 'stacks'} {there}",
                    repr(main),
                )
            )
        view = replace(view, stack=main)
    stack = stacks[view.stack]
    layer = min(view.layer, stack.layers - 1)
    head = min(view.head, stack.heads(layer) - 1)
    kinds, count = plural(stack.queries.kind), len(stack.queries)
    if layer != view.layer:
        there = f"this model has layers 0 to {stack.layers - 1}"
        problems.append(_missed("layer", view.layer, there, layer))
    if head != view.head:
        there = f"layer {layer} has heads 0 to {stack.heads(layer) - 1}"
        problems.append(_missed("head", view.head, there, head))
    token = view.token if view.token < count else -1
    if token != view.token:
        problems.append(
            f"The link's token {view.token} is not valid: this input has {kinds} 0 to {count - 1}, "
            "so none is pinned."
        )
    also, missing = _others_inside(view, stack)
    if missing:
        there = f"layers go from 0 to {stack.layers - 1}, heads from 0 to {stack.heads(layer) - 1}"
        rest = also.replace(",", ", ") or "none"
        problems.append(_missed("also", repr(",".join(missing)), there, rest))
    whole = not is_mapped(stack)
    rows, said = _span_inside("rows", view.rows, stack.queries, whole=whole)
    columns, more = _span_inside("columns", view.columns, stack.keys, whole=whole)
    problems += [*said, *more]
    view = replace(view, layer=layer, head=head, token=token, also=also, rows=rows, columns=columns)
    return view, [*problems, *_not_offered(view, stack)]


def _missed(name: str, value: object, there: str, shown: object) -> str:
    return f"The link's {name} {value} is not valid: {there}, so {shown} is shown."


def _others_inside(view: View, stack: Stack) -> tuple[str, list[str]]:
    """Return the further heads that a stack has, as a link writes them, and those that it has not."""
    there: list[str] = []
    missing: list[str] = []
    for one in view.also.split(",") if view.also else ():
        layer, head = map(int, one.split("."))
        is_there = layer < stack.layers and head < stack.heads(layer)
        (there if is_there else missing).append(one)
    return ",".join(there), missing


def _span_inside(name: str, span: str, units: Units, *, whole: bool) -> tuple[str, list[str]]:
    """Return what a stack has of a span, and a sentence where that is another one."""
    if not span:
        return "", []
    start, stop = map(int, span.split("-"))
    last = len(units) - 1
    if start < min(stop, last + 1) and not whole:
        if stop <= last + 1:
            return span, []
        inside = f"{start}-{last + 1}"
        return inside, [
            _missed(name, repr(span), f"this input has {plural(units.kind)} 0 to {last}", inside)
        ]
    why = f"this input has {plural(units.kind)} 0 to {last}"
    if start >= stop:
        why = "it ends where it begins, or before"
    elif whole and start <= last:
        why = f"up to {LARGEST_EXACT} are drawn at once"
    return "", [_missed(name, repr(span), why, "all of it")]


def _not_offered(view: View, stack: Stack) -> list[str]:
    """Say what of a view means nothing where one input looks at another; panels show the usual instead."""
    problems = []
    if not stack.aligned:
        why = "it is not measured where one input attends to another"
        usual = View()
        if _is_of_aligned(view.statistic):
            problems.append(_missed("statistic", repr(view.statistic), why, repr(usual.statistic)))
        if _is_of_aligned(view.sort):
            problems.append(_missed("sort", repr(view.sort), why, f"the order by {usual.sort}"))
        gone = {name: bounds for name, bounds in view.kept.items() if _is_of_aligned(name)}
        if gone:
            shown = "what else it keeps" if len(gone) < len(view.kept) else "every head"
            problems.append(_missed("keep", repr(written_bounds(gone)), why, shown))
    if stack.queries != stack.keys and view.direction == "looked at by":
        why = "one input attends to another here"
        problems.append(_missed("direction", repr(view.direction), why, repr("looks at")))
    return problems


def _is_of_aligned(name: str) -> bool:
    """Whether a statistic means something only where a text looks at itself."""
    return name in STATISTICS and STATISTICS[name].needs_alignment
