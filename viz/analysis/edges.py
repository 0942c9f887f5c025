"""The heaviest weights of a pattern, as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from viz.models.tokens import Units


def strongest_edges(
    pattern: NDArray[np.float32],
    queries: Units,
    keys: Units,
    count: int = 20,
    *,
    skip_special: bool = False,
    skip_first: bool = False,
) -> pd.DataFrame:
    """List the largest weights, the largest first.

    Args:
        pattern: weights [query, key].
        queries: units of the rows.
        keys: units of the columns.
        count: at most so many rows.
        skip_special: leave out edges from or to special tokens.
        skip_first: leave out edges to the first token, the usual sink.

    Returns:
        Columns query, query token, key, key token, weight; positions count from 0.
    """
    open_rows = np.ones(len(queries), dtype=bool)
    open_columns = np.ones(len(keys), dtype=bool)
    if skip_special:
        open_rows &= ~np.array(queries.special)
        open_columns &= ~np.array(keys.special)
    if skip_first:
        open_columns[0] = False
    weights = np.where(np.outer(open_rows, open_columns), pattern, 0.0)
    flat = weights.ravel()
    kept = min(count, flat.size)
    largest = np.argpartition(flat, flat.size - kept)[flat.size - kept :]
    largest = largest[np.argsort(-flat[largest], kind="stable")]
    largest = largest[flat[largest] > 0]
    rows, columns = np.unravel_index(largest, weights.shape)
    return pd.DataFrame(
        {
            "query": rows,
            "query token": [queries.labels[row] for row in rows],
            "key": columns,
            "key token": [keys.labels[column] for column in columns],
            "weight": flat[largest].astype(np.float32),
        }
    )
