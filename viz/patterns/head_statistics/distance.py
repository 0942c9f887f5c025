"""Mean distance: how far a row looks."""

from __future__ import annotations

import torch
from torch import Tensor

from viz.patterns.statistic import STATISTICS, Statistic, WeightBlock


def _sum_of(block: WeightBlock) -> Tensor:
    heads = len(block.weights)
    return torch.mv(block.weights.reshape(heads, -1), block.distance.reshape(-1))


DISTANCE = STATISTICS.add(
    Statistic(
        name="distance",
        field="mean_distance",
        column="mean distance",
        title="mean distance ({units})",
        short="mean distance",
        unit="{units}",
        meaning="how far it looks, on average",
        sum_of=_sum_of,
        of_rows=lambda rows: rows.distance,
        needs_alignment=True,
    )
)
