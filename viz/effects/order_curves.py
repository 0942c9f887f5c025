"""What becomes of a prediction as more and more heads are silenced, or let in, in the order of a method.

A method that knows which heads matter loses the prediction sooner than a random order does, and wins it back sooner.

Source: Petsiuk et al. 2018, "RISE", deletion and insertion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from viz.effects.every_head import is_read_at
from viz.effects.pass_variants import Edits
from viz.effects.prediction_effects import Effects
from viz.effects.replacements import Head, head_edit
from viz.effects.trust import SIGNS, by_method
from viz.effects.variants import predicted_without
from viz.errors import InputError

# Points of a curve beside its ends, and orders drawn at random.
STEPS, ORDERS = 9, 20

RANDOM = "random"


@dataclass(frozen=True, slots=True)
class OrderCurves:
    """Curves of each method and of random orders.

    Attributes:
        curves: columns method, kind ("deletion" or "insertion"), order (0; of "random" the number of the draw), share
            (of the heads that were taken, from 0 to 1) and value, of the prediction.
        areas: columns method, kind, area (the mean of the prediction along the curve), random (the same, mean over the
            random orders) and spread (their standard deviation). A method is good where its area of deletion is below
            the random ones by more than their spread, and its area of insertion above.
    """

    curves: pd.DataFrame
    areas: pd.DataFrame


def order_curves(
    found: Effects,
    *,
    steps: int = STEPS,
    orders: int = ORDERS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> OrderCurves:
    """Silence heads one after the other, and let them in one after the other, by each method and in random orders.

    Heads are silenced at the position of the prediction, or at all positions where it is said of the whole input.

    Args:
        found: the effects of one prediction.
        steps: points of a curve beside its ends.
        orders: drawn at random.
        seed: of the random orders.
        progress: called with how many variants are done, and of how many; may raise to cancel.

    Raises:
        InputError: exact knock-out of all heads is not known, as in models that attend in several stacks.

    Cost: two times the points of all curves in variants: tokens in a decoder, passes elsewhere.
    """
    if found.at_position is None:
        raise InputError(
            "Heads are silenced one after the other where each was silenced on its own first, and that is not known.",
            "Choose a decoder, or a model of fewer heads.",
        )
    elsewhere = [
        name for name in found.trace.stacks if not is_read_at(found.trace, found.objective, name)
    ]
    if found.objective.position is not None and elsewhere:
        raise InputError(
            f"Heads of {', '.join(elsewhere)} are silenced at all positions and those of other stacks at one, so they "
            "have no order together.",
            "Knock heads of one stack out instead.",
        )
    frame = by_method(found)
    columns = (frame[name].tolist() for name in ("layer", "head", "stack"))
    heads = [Head(*one) for one in zip(*columns, strict=True)]
    draw = np.random.default_rng(seed)
    ranked: list[tuple[str, int, NDArray[np.int64]]] = [
        (method, 0, np.argsort(sign * frame[method].to_numpy(), kind="stable"))
        for method, sign in {"at_position": 1, **SIGNS}.items()
        if frame[method].notna().all()
    ]
    ranked += [(RANDOM, number, draw.permutation(len(heads))) for number in range(orders)]
    counts = np.unique(np.linspace(0, len(heads), steps + 2).round().astype(int)).tolist()
    values = _values(found, heads, ranked, counts, progress)
    rows = [
        [method, kind, number, count / len(heads), values[kind, method, number, count]]
        for method, number, _ in ranked
        for kind in ("deletion", "insertion")
        for count in counts
    ]
    curves = pd.DataFrame(rows, columns=["method", "kind", "order", "share", "value"])
    return OrderCurves(curves, _areas(curves))


def _values(
    found: Effects,
    heads: Sequence[Head],
    ranked: Sequence[tuple[str, int, NDArray[np.int64]]],
    counts: Sequence[int],
    progress: Callable[[int, int], None] | None,
) -> dict[tuple[str, str, int, int], float]:
    """Predict at each point of each curve."""
    edits = np.empty(len(heads), dtype=object)
    edits[:] = [head_edit(found.trace, one) for one in heads]
    variants: list[Edits] = []
    names = []
    for method, number, order in ranked:
        for count in counts:
            names.append(("deletion", method, number, count))
            variants.append(edits[order[:count]].tolist())
            names.append(("insertion", method, number, count))
            variants.append(edits[order[count:]].tolist())
    place = found.objective.position
    predicted = predicted_without(
        found.captured,
        variants,
        rows=None if place is None else [place],
        states=found.gradients.layers,
        progress=progress,
    )
    return dict(zip(names, predicted, strict=True))


def _areas(curves: pd.DataFrame) -> pd.DataFrame:
    """Measure the area under each curve, and that of random ones."""
    each = pd.DataFrame(
        [
            [method, kind, float(np.trapezoid(curve["value"], curve["share"]))]
            for (method, kind, _), curve in curves.groupby(["method", "kind", "order"], sort=False)
        ],
        columns=["method", "kind", "area"],
    )
    drawn = each[each["method"] == RANDOM].groupby("kind")["area"]
    areas = each[each["method"] != RANDOM].reset_index(drop=True)
    return areas.assign(
        random=areas["kind"].map(drawn.mean()), spread=areas["kind"].map(drawn.std())
    )
