"""Entropy: how spread out a row is."""

from __future__ import annotations

import torch

from viz.patterns.statistic import STATISTICS, Statistic

ENTROPY = STATISTICS.add(
    Statistic(
        name="entropy",
        field="entropy_nats",
        column="entropy (nats)",
        title="entropy (nats)",
        short="entropy",
        unit="nats",
        meaning="0 where a row attends to one {unit} alone, ln n where it attends to n alike",
        sum_of=lambda block: torch.special.entr(block.weights).sum(dim=(1, 2)),
        of_rows=lambda rows: rows.entropy,
    )
)
