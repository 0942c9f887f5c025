"""How far methods agree on which heads matter, and where the pattern alone would tell another story."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import torch

from viz.effects.every_head import is_read_at, stack_read
from viz.effects.prediction_effects import Effects

# A head attends strongly where so much of its row lies on one key, and weakly where no key has more than the second.
STRONG, WEAK = 0.5, 0.2

# It changes nothing where its effect is below this share of the largest, and decides above the second.
NOTHING, DECIDES = 0.02, 0.25

# Methods by the sign of their numbers against that of a change without the head.
SIGNS = {"share": -1, "first_order": 1}

# Ranks of fewer heads say nothing.
FEWEST = 3


@dataclass(frozen=True, slots=True)
class HeadNote:
    """What a head's pattern says and what its knock-out says.

    Attributes:
        layer: of the head.
        head: its number.
        key: that it attends to most from the position of the prediction.
        weight: on that key.
        change: of the prediction without the head there.
    """

    layer: int
    head: int
    key: int
    weight: float
    change: float


def by_method(found: Effects) -> pd.DataFrame:
    """List every head by every method, all of them of the position of the prediction.

    Returns:
        As `Effects.heads`, but that the estimate is that of silencing the same position alone.
    """
    frame, place = found.heads, found.objective.position
    queries = None if place is None else [place]
    estimates = {
        name: found.gradients.first_order(
            rows=queries if is_read_at(found.trace, found.objective, name) else None, stack=name
        )
        for name in found.trace.stacks
    }
    heads = frame[["stack", "layer", "head"]].itertuples(index=False)
    return frame.assign(
        first_order=[float(estimates[stack][layer, head]) for stack, layer, head in heads]
    )


def agreement(found: Effects) -> pd.DataFrame:
    """Correlate the ranks of all heads by each method with those by exact knock-out at the prediction's position.

    Returns:
        Columns method, rank_correlation (Spearman, of effects with their signs), heads: over how many. The estimate is
        that of silencing the same position alone. Nothing where no exact knock-out is known, or there are fewer
        than three heads.
    """
    if found.at_position is None:
        return pd.DataFrame(columns=["method", "rank_correlation", "heads"])
    by_head, rows = by_method(found), []
    for method, sign in SIGNS.items():
        both = by_head[["at_position", method]].dropna()
        if len(both) < FEWEST:
            continue
        signed = pd.DataFrame({"exact": both["at_position"], method: sign * both[method]})
        rows.append([method, float(signed.rank().corr().to_numpy()[0, 1]), len(both)])
    return pd.DataFrame(rows, columns=["method", "rank_correlation", "heads"])


def token_agreement(methods: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Correlate the ranks of all tokens by each method with those by leaving words out (Spearman, with signs).

    Args:
        methods: what `Effects.tokens` returned, by method; "leave_one_out" among them.

    Returns:
        By method; nothing of one that says something of fewer than three of the tokens.
    """
    if "leave_one_out" not in methods:
        return {}
    exact = -methods["leave_one_out"]["effect"]
    found = {}
    for name, frame in methods.items():
        both = pd.DataFrame({"exact": exact, name: frame["effect"]}).dropna()
        if name != "leave_one_out" and len(both) >= FEWEST:
            found[name] = float(both.rank().corr().to_numpy()[0, 1])
    return found


def misleading(
    found: Effects, *, stack: str | None = None
) -> tuple[HeadNote | None, HeadNote | None]:
    """Find where the pattern misleads most at the position of the prediction.

    Returns:
        The head that attends most strongly to one key, other than the first, and changes nothing; and the head that
        matters most of those that attend weakly. None where there is none such, or no exact knock-out is known.
    """
    place = found.objective.position
    if place is None:
        return None, None
    stack = stack_read(found.trace, found.objective, stack)
    own, frame = found.trace.stacks[stack], found.heads
    exact = frame[frame["stack"] == stack].set_index(["layer", "head"])["at_position"]
    if exact.isna().any() or place >= len(own.queries):
        return None, None
    largest = float(exact.abs().max())
    notes: list[HeadNote] = []
    resting: list[HeadNote] = []
    for layer in range(own.layers):
        rows = own.weights(layer, rows=[place])[:, 0].cpu()
        # The first key is where heads rest that have nothing to read.
        rest = rows.clone()
        rest[:, 0] = 0
        for kept, row in ((notes, rows), (resting, rest)):
            weights, keys = torch.max(row, dim=-1)
            kept += [
                HeadNote(layer, head, key, weight, float(exact[layer, head]))
                for head, (weight, key) in enumerate(
                    zip(weights.tolist(), keys.tolist(), strict=True)
                )
            ]
    idle = [one for one in resting if one.weight >= STRONG and abs(one.change) <= NOTHING * largest]
    deciding = [one for one in notes if one.weight <= WEAK and abs(one.change) >= DECIDES * largest]
    return (
        max(idle, key=lambda one: one.weight, default=None),
        max(deciding, key=lambda one: abs(one.change), default=None),
    )
