"""Whether it is a head's own pattern that matters, against the patterns of other heads in its place."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import torch

from viz.effects.every_head import stack_read
from viz.effects.prediction_effects import Effects
from viz.errors import ShapeError


def permuted_heads(
    found: Effects,
    *,
    stack: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Give each head the row of every other head at the prediction's position, its own values and gradients as they are.

    What a head adds to first order is the sum of its weights times their gradients. If another head's row, over the same
    keys, would add as much, then this head's own pattern is not what matters.

    Args:
        found: the effects of one prediction.
        stack: which attention; by default the one in which the prediction is made.
        progress: called with how many heads are done, and of how many; may raise to cancel.

    Returns:
        Columns layer, head, own (the sum with its own row), others (its mean with other heads' rows), spread (their
        standard deviation) and larger: the share of other heads whose row would add at least as much in size, from 0,
        where its own pattern is what matters, to 1. The largest `own` first.

    Raises:
        ShapeError: the prediction is not made at one position, or there is no such stack.
    """
    place = found.objective.place
    stack = stack_read(found.trace, found.objective, stack)
    own = found.trace.stacks[stack]
    if place >= len(own.queries):
        raise ShapeError(
            f"The prediction is made at position {place}, and {stack} has {len(own.queries)} queries.",
            "Choose the stack in which the prediction is made.",
        )
    heads = [(layer, head) for layer in range(own.layers) for head in range(own.heads(layer))]
    weights, gradients = [], []
    for done, one in enumerate(heads, start=1):
        weights.append(found.weights("weight", *one, rows=[place], stack=stack).cpu())
        gradients.append(found.weights("gradient", *one, rows=[place], stack=stack).cpu())
        if progress is not None:
            progress(done, len(heads))
    added = torch.cat(gradients) @ torch.cat(weights).T  # [head, whose row]
    mine = added.diagonal()
    others = ~torch.eye(len(heads), dtype=torch.bool)
    count = max(1, len(heads) - 1)
    mean = (added * others).sum(dim=1) / count
    spread = (((added - mean[:, None]) ** 2 * others).sum(dim=1) / count).sqrt()
    larger = ((added.abs() >= mine.abs()[:, None]) & others).sum(dim=1) / count
    frame = pd.DataFrame(heads, columns=["layer", "head"])
    for name, column in (("own", mine), ("others", mean), ("spread", spread), ("larger", larger)):
        frame[name] = column.tolist()
    return frame.sort_values("own", key=abs, ascending=False, kind="stable", ignore_index=True)
