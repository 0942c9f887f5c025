"""Weight on the first key, the usual sink."""

from __future__ import annotations

from torch import Tensor

from viz.patterns.statistic import STATISTICS, Statistic, WeightBlock


def _sum_of(block: WeightBlock) -> Tensor:
    if block.first > 0:
        return block.weights.new_zeros(len(block.weights))
    return block.weights[:, :, 0].sum(dim=1)


FIRST = STATISTICS.add(
    Statistic(
        name="first",
        field="first",
        column="first token",
        title="weight on {the_first}",
        short="{first}",
        unit="",
        meaning="mean weight on {the_first}, the usual sink",
        sum_of=_sum_of,
        of_rows=lambda rows: rows.first,
    )
)
