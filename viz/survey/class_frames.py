"""What heads look at from and to classes of tokens, as rows of a table: the tokenizer's own, and parts of speech."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def class_frames(
    named: tuple[str, str, tuple[str, ...]],
    heads: tuple[int, ...],
    by_class: NDArray[np.float64],
    chance: NDArray[np.float64],
    rows: NDArray[np.float64],
) -> Iterable[pd.DataFrame]:
    """Give a row for each pair of classes: the mean weight of a query of one on all keys of the other, and by chance.

    Args:
        named: the stack, the kind of its classes, and their names.
        heads: of each layer.
        by_class: sums, [half, layer, head, class, class].
        chance: sums, [layer, head, class, class].
        rows: queries of each class, [half, class].
    """
    stack, kind, names = named
    kinds, whole = np.array(names), rows.sum(axis=0)
    for layer, count in enumerate(heads):
        head, looks_from, looks_at = np.indices((count, len(kinds), len(kinds))).reshape(3, -1)
        some = whole[looks_from] > 0
        head, looks_from, looks_at = head[some], looks_from[some], looks_at[some]
        at = (layer, head, looks_from, looks_at)
        halves = [mean(by_class[half][at], rows[half][looks_from]) for half in range(len(by_class))]
        yield pd.DataFrame(
            {
                "stack": stack,
                "layer": layer,
                "head": head,
                "kind": kind,
                "looks_from": kinds[looks_from],
                "looks_at": kinds[looks_at],
                "weight": by_class.sum(axis=0)[at] / whole[looks_from],
                "chance": chance[at] / whole[looks_from],
                "first_half": halves[0],
                "second_half": halves[1],
                "counted": whole[looks_from].astype(np.int64),
            }
        )


def mean(total: NDArray[np.float64], counted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide sums by how many were added; NaN where none was."""
    return np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
