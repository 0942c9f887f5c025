"""What one text says about its own tokens, before any head has looked: the columns that weights are summed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from viz.analysis.head_patterns import Targets, induction_targets
from viz.capture.stack import Stack
from viz.inputs.units import Units
from viz.survey.sums.token_classes import PUNCTUATION, Classes, separators, token_classes

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


def text_facts(stack: Stack, classes: tuple[Classes, Classes] | None = None) -> TextFacts:
    """Read off a stack's units what its heads may look for.

    Args:
        stack: of a pass over the text.
        classes: of its queries and of its keys; by their own text by default.
    """
    device = stack.records[0].tensors[0].device
    of_queries, of_keys = classes or _classes(stack)
    keys = stack.keys
    count = len(keys)
    width = COLUMNS + len(of_keys.names)
    columns = torch.zeros(count, width + -width % FULL_WIDTH)
    columns[:, PLACE] = torch.arange(count)
    columns[:, WHOLE] = 1
    columns[:1, FIRST] = 1
    columns[:, SINK] = torch.tensor(keys.special, dtype=torch.float32)
    columns[:1, SINK] = 1
    columns[:, SEPARATOR] = torch.from_numpy(separators(keys).astype(np.float32))
    by_text = of_keys if of_keys.scheme == "token" else token_classes(keys)
    columns[:, MARK] = torch.from_numpy((by_text.numbers == PUNCTUATION).astype(np.float32))
    columns[torch.arange(count), COLUMNS + torch.from_numpy(of_keys.numbers)] = 1
    at, same, after = None, None, None
    if stack.aligned:
        start = _start(stack)
        own = slice(start, start + len(stack.queries))
        at = torch.arange(own.start, own.stop, device=device)
        same = _same_targets(keys, own)
        followed = induction_targets(keys.ids, special=keys.special)
        assert followed.ends is not None
        after = Targets(followed.wanted[own], followed.labels, followed.ends[own])
    return TextFacts(
        columns.to(device),
        at,
        same,
        after,
        torch.from_numpy(of_queries.numbers).to(device),
        of_keys.names,
    )


def _classes(stack: Stack) -> tuple[Classes, Classes]:
    of_keys = token_classes(stack.keys)
    return of_keys if stack.queries == stack.keys else token_classes(stack.queries), of_keys


def _start(stack: Stack) -> int:
    """Say where the first query stands among the keys: a text that is written is the end of its own."""
    count = len(stack.queries)
    return 0 if stack.queries.labels == stack.keys.labels[:count] else len(stack.keys) - count


def _same_targets(keys: Units, own: slice) -> Targets:
    """Look at the same token; at itself too, which is taken off where it is measured."""
    ids = torch.tensor(keys.ids, dtype=torch.int64)
    ids[torch.tensor(keys.special, dtype=torch.bool)] = -1
    return Targets(wanted=ids[own], labels=ids)
