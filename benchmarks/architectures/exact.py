"""What captured weights are held against where the model's own are rounded, or but a choice of rows."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch

from benchmarks.architectures.examine import distance, flat
from viz.capture.replay.module_runs import with_attentions
from viz.capture.tiers.eager import returned_weights

# How much further from the weights in float64 than the model's own in float32 weights may be.
ROUNDED = 2

# How far rounding may take the model's own weights from those in float64.
MOST_ROUNDED = 1e-3


class Exact:
    """The model's own weights in float64, found out once they are asked for."""

    def __init__(self, eager: Any, inputs: dict[str, Any]) -> None:
        self._eager, self._inputs = eager, inputs
        self._weights: dict[str, Any] | None = None

    def is_as_near(self, name: str, mine: Any, theirs: Any) -> bool:
        """Whether weights are as near to what they are without rounding as the model's own."""
        exact = self._own().get(name)
        exact = None if exact is None else flat(exact, mine.shape)
        if exact is None or not distance(theirs.double(), exact) <= MOST_ROUNDED:
            return False
        return distance(mine.double(), exact) <= ROUNDED * distance(theirs.double(), exact)

    def _own(self) -> dict[str, Any]:
        if self._weights is None:
            wide = {
                name: value.double()
                if isinstance(value, torch.Tensor) and value.is_floating_point()
                else value
                for name, value in self._inputs.items()
            }
            try:
                double = copy.deepcopy(self._eager).double()
                torch.manual_seed(0)
                with torch.inference_mode(), returned_weights(double) as returned:
                    double(**with_attentions(double, wide))
                often = Counter(name for name, _ in returned.proven)
                self._weights = {name: one for name, one in returned.proven if often[name] == 1}
            except Exception:
                self._weights = {}
        return self._weights


def rows_like(mine: Any, theirs: Any) -> Any:
    """Take the rows that a model returned of its own, where those are a choice (Informer's)."""
    if theirs.shape[0] != 1 or not (theirs.ndim == 4 and theirs.shape[2] < mine.shape[1]):
        return mine
    if theirs.shape[1] != mine.shape[0] or theirs.shape[3] != mine.shape[2]:
        return mine
    near = torch.cdist(theirs[0].double(), mine.double()).argmin(dim=-1)
    if any(len(torch.unique(rows)) < len(rows) for rows in near):
        return mine
    return torch.stack([rows[at] for rows, at in zip(mine, near, strict=True)])
