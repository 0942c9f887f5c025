"""Weight on the position before a query's own."""

from __future__ import annotations

from viz.patterns.statistic import STATISTICS, Statistic

PREVIOUS = STATISTICS.add(
    Statistic(
        name="previous",
        field="previous",
        column="previous token",
        title="weight on the previous {unit}",
        short="previous {unit}",
        unit="",
        meaning="mean weight on the {unit} before",
        sum_of=lambda block: block.on_one_key(block.at - 1),
        of_rows=lambda rows: rows.previous,
        needs_alignment=True,
    )
)
