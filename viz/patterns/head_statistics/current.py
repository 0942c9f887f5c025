"""Weight of a query on its own position."""

from __future__ import annotations

from viz.patterns.statistic import STATISTICS, Statistic

CURRENT = STATISTICS.add(
    Statistic(
        name="current",
        field="current",
        column="current token",
        title="weight on the current {unit}",
        short="current {unit}",
        unit="",
        meaning="mean weight of a {unit} on itself",
        sum_of=lambda block: block.on_one_key(block.at),
        of_rows=lambda rows: rows.current,
        needs_alignment=True,
    )
)
