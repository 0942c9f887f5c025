"""What one text says about its own tokens, before any head has looked: the columns that weights are summed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from viz.analysis.head_patterns import NOTHING, Targets, induction_targets, same_targets
from viz.capture.stack import Stack
from viz.survey.sums.token_classes import CLASS_NAMES, PUNCTUATION, separators, token_classes

# Columns of `TextFacts.columns` before those of the classes.
PLACE, WHOLE, FIRST, SINK, SEPARATOR, MARK = range(6)
COLUMNS = 6

# A product with fewer columns takes a CPU as long as one with so many, or longer.
FULL_WIDTH = 16


@dataclass(frozen=True, slots=True)
class TextFacts:
    """One stack's view of one text.

    Attributes:
        columns: float32 [key, 6 + class + ...]: the key's place, 1 of every key, then 1 where it is the first, a sink, a
            separator, a mark, and of each class; columns of 0 behind them.
        at: where each query stands among the keys, int64 [query]; None where queries are no keys.
        same: the same token at other places; None where queries are no keys.
        after: what came after the same token earlier; None where queries are no keys.
        query_classes: of each query, int64 [query].
        classes: of the keys.
    """

    columns: Tensor
    at: Tensor | None
    same: Targets | None
    after: Targets | None
    query_classes: Tensor
    classes: Sequence[str]

    @property
    def device(self) -> torch.device:
        """Where the numbers are."""
        return self.columns.device


def text_facts(stack: Stack) -> TextFacts:
    """Read off a stack's units what its heads may look for."""
    device = stack.records[0].tensors[0].device
    of_keys = token_classes(stack.keys)
    same_units = stack.queries == stack.keys
    of_queries = of_keys if same_units else token_classes(stack.queries)
    keys = stack.keys
    count = len(keys)
    width = COLUMNS + len(CLASS_NAMES)
    columns = torch.zeros(count, width + -width % FULL_WIDTH)
    columns[:, PLACE] = torch.arange(count)
    columns[:, WHOLE] = 1
    columns[:1, FIRST] = 1
    columns[:, SINK] = torch.tensor(keys.special, dtype=torch.float32)
    columns[:1, SINK] = 1
    columns[:, SEPARATOR] = torch.from_numpy(separators(keys).astype(np.float32))
    columns[:, MARK] = torch.from_numpy((of_keys == PUNCTUATION).astype(np.float32))
    columns[torch.arange(count), COLUMNS + torch.from_numpy(of_keys)] = 1
    at, same, after = None, None, None
    if stack.aligned:
        start, stop = stack.first_query, stack.first_query + len(stack.queries)
        at = torch.arange(start, stop, device=device)
        ids = torch.tensor(keys.ids).masked_fill(torch.tensor(keys.special), NOTHING)
        # At itself too, which is taken off where it is measured.
        same = same_targets(ids, ids).of_queries(start, stop)
        after = induction_targets(keys.ids, special=keys.special).of_queries(start, stop)
    return TextFacts(
        columns.to(device),
        at,
        same,
        after,
        torch.from_numpy(of_queries).to(device),
        CLASS_NAMES,
    )
