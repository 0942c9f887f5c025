"""What each token does to a prediction, or how much of it arrives there, by methods that are told apart by name."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, get_args

import pandas as pd
from torch import Tensor

from viz.effects.attention_flow import attention_flow
from viz.effects.attn_lrp import attn_lrp
from viz.effects.captured_pass import CapturedPass
from viz.effects.integrated_gradients import integrated_gradients
from viz.effects.leave_one_out import leave_one_out
from viz.effects.relevance import relevance
from viz.effects.rollout import rollout_back
from viz.effects.way_back import WayBack, way_back
from viz.effects.weight_gradients import WeightGradients
from viz.errors import InputError, ShapeError

TokenMethod = Literal[
    "gradient_times_input",
    "integrated_gradients",
    "attn_lrp",
    "relevance",
    "rollout",
    "flow",
    "leave_one_out",
]

# Those that follow weights back, and say something of what an encoder-decoder writes, too.
FOLLOWING = ("relevance", "rollout", "flow")

Progress = Callable[[int, int], None]


def tokens_by_method(
    captured: CapturedPass,
    gradients: WeightGradients,
    method: TokenMethod,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Say what each token does to the prediction; arguments, columns and errors as in `Effects.tokens`."""
    if method not in get_args(TokenMethod):
        raise InputError(
            f"There is no method {method!r}.",
            f"Choose one of {', '.join(get_args(TokenMethod))}.",
        )
    if method in FOLLOWING:
        return _followed(captured, gradients, method, progress)
    effect: Sequence[float | None]
    told: dict[Hashable, Any] = {}
    if method == "leave_one_out":
        effect = leave_one_out(captured, progress)
    elif method == "integrated_gradients":
        integrated = integrated_gradients(captured, progress=progress)
        effect = integrated.tokens.tolist()
        told = {"change": integrated.change, "gap": integrated.gap}
    elif method == "attn_lrp":
        passed_back = attn_lrp(captured, progress=progress)
        effect = passed_back.tokens.tolist()
        told = {"value": passed_back.value, "gap": passed_back.gap}
    else:
        if gradients.gradient_times_input is None:
            raise InputError(
                f"{captured.trace.model.name} does not embed its tokens one by one.",
                "Choose another method.",
            )
        effect = gradients.gradient_times_input.tolist()
    return _table(captured.trace.units.labels, effect, told)


def _followed(
    captured: CapturedPass,
    gradients: WeightGradients,
    method: TokenMethod,
    progress: Progress | None,
) -> pd.DataFrame:
    """Follow weights back to what the model read, and to what it wrote before."""
    way = way_back(captured.trace, gradients.calls)
    found: Mapping[str, Tensor | Sequence[float]]
    if method == "flow":
        found = attention_flow(way, captured.objective.place, progress=progress)
    else:
        rows = _read_from(captured, gradients, way)
        if method == "relevance":
            found = relevance(gradients, way, rows, progress=progress)
        else:
            arrived = rollout_back(way, rows, progress=progress)
            found = {name: one.mean(dim=0) for name, one in arrived.items()}
    effects = {name: [float(value) for value in one] for name, one in found.items()}
    units = captured.trace.units if way.own == way.source else way.sides[way.source]
    told: dict[Hashable, Any] = {}
    if way.own != way.source:
        told["written"] = {"token": list(way.sides[way.own].labels), "effect": effects[way.own]}
    return _table(units.labels, effects[way.source], told)


def _table(
    labels: Sequence[str], effect: Sequence[float | None], told: Mapping[Hashable, Any]
) -> pd.DataFrame:
    frame = pd.DataFrame({"token": labels, "effect": effect}).astype({"effect": "float64"})
    frame.attrs.update(told)
    return frame


def _read_from(captured: CapturedPass, gradients: WeightGradients, way: WayBack) -> list[int]:
    """Say from which positions the prediction is read: of a class, those whose last states it changes with.

    Raises:
        ShapeError: there are fewer units than positions of predictions.
    """
    position, count = captured.objective.position, len(way.sides[way.own])
    if position is not None and position >= count:
        raise ShapeError(
            f"The prediction is made at position {position}, and {way.own} has {count} units.",
            "Choose another method.",
        )
    if position is not None:
        return [position]
    last = gradients.layers[way.own][-1].gradient
    read: list[int] = last.abs().amax(dim=(0, 2)).nonzero()[:, 0].tolist()
    return read or list(range(last.shape[1]))
