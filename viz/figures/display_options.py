"""Ways to show a pattern that never change the stored numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from viz.inputs.units import Units

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Display:
    """How to show a pattern.

    Attributes:
        words: merge sub-words into words: sum over keys, mean over queries.
        hide_special: leave out rows and columns of special tokens.
        without_sink: leave out the sink's column and renormalise the rows for display.
        scale: of the colours.
        threshold: smaller weights are not shown.
        top_k: only so many largest weights of each row are shown; None for all.
        palette: one of `viz.figures.palettes.SEQUENTIAL`.
    """

    words: bool = False
    hide_special: bool = False
    without_sink: bool = False
    scale: Literal["linear", "log"] = "linear"
    threshold: float = 0.0
    top_k: int | None = None
    palette: str = "cividis"


@dataclass(frozen=True, slots=True)
class Shown:
    """A pattern as it is displayed.

    Attributes:
        values: what the colours say, [row, column]; 0 where nothing is shown.
        raw: the stored weights in the same grouping.
        query_labels: one a row.
        key_labels: one a column.
        query_positions: where in the text each row stands, no two alike.
        key_positions: the same for the columns.
        sink: raw weight of each row on the sink, [row]; None where the sink is in the pattern.
        sink_label: the sink token's name.
        notes: what was done, for the reader.
        attended: which cells may have weight at all, [row, column]; None where all may.
    """

    values: Matrix
    raw: Matrix
    query_labels: tuple[str, ...]
    key_labels: tuple[str, ...]
    query_positions: tuple[str, ...]
    key_positions: tuple[str, ...]
    sink: Matrix | None = None
    sink_label: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)
    attended: NDArray[np.bool_] | None = None


def apply(
    pattern: Matrix,
    queries: Units,
    keys: Units,
    display: Display,
    *,
    first: tuple[int, int] = (0, 0),
    attended: NDArray[np.bool_] | None = None,
) -> Shown:
    """Group, hide, renormalise and thin out a pattern for display.

    Args:
        pattern: stored weights [query, key]; not changed.
        queries: units of the rows.
        keys: units of the columns.
        display: what to do.
        first: positions of the first query and the first key, where they are part of a text.
        attended: where queries may look, [query, key]; None for everywhere.
    """
    notes: list[str] = []
    rows = _groups(queries, display.words)
    columns = _groups(keys, display.words)
    raw = _merged(pattern, rows, columns)
    if display.words and len(columns) < len(keys):
        notes.append("sub-words merged into words: weights summed over keys, averaged over queries")
    sink_column = _sink(raw, columns, keys) if display.without_sink else None
    if display.hide_special:
        kept_rows = [i for i, group in enumerate(rows) if not queries.special[group[0]]]
        kept = [i for i, group in enumerate(columns) if not keys.special[group[0]]]
        kept_sums = "" if sink_column is not None else ", rows not renormalised"
        notes.append(f"special tokens hidden{kept_sums}")
    else:
        kept_rows, kept = list(range(len(rows))), list(range(len(columns)))
    sink: Matrix | None = None
    sink_label = ""
    if sink_column is not None:
        sink = raw[kept_rows, sink_column]
        sink_label = _label(keys, columns[sink_column])
        kept = [i for i in kept if i != sink_column]
        notes.append(
            f"without the sink {sink_label}, whose weight is the strip on the left: "
            "rows renormalised over what is shown"
        )
    raw = raw[np.ix_(kept_rows, kept)]
    values: Matrix = raw if sink is None else _renormalised(raw)
    values = _thinned(values, display, notes)
    return Shown(
        values=values,
        raw=raw,
        query_labels=tuple(_label(queries, rows[i]) for i in kept_rows),
        key_labels=tuple(_label(keys, columns[i]) for i in kept),
        query_positions=tuple(_positions(rows[i], first[0]) for i in kept_rows),
        key_positions=tuple(_positions(columns[i], first[1]) for i in kept),
        sink=sink,
        sink_label=sink_label,
        notes=tuple(notes),
        attended=None
        if attended is None or bool(attended.all())
        else _any_of(attended, rows, columns)[np.ix_(kept_rows, kept)],
    )


def _groups(units: Units, words: bool) -> list[list[int]]:
    """Return which units stand behind each row or column."""
    groups: list[list[int]] = []
    last: int | None = None
    for index, word in enumerate(units.words):
        if words and word is not None and word == last:
            groups[-1].append(index)
        else:
            groups.append([index])
        last = word
    return groups


def _merged(pattern: Matrix, rows: list[list[int]], columns: list[list[int]]) -> Matrix:
    """Sum over the keys and average over the queries of each group, so that row sums stay."""
    queries, keys = pattern.shape
    if len(rows) == queries and len(columns) == keys:
        return pattern
    by_key: Matrix = np.add.reduceat(pattern, [group[0] for group in columns], axis=1)
    by_query: Matrix = np.add.reduceat(by_key, [group[0] for group in rows], axis=0)
    sizes = np.array([len(group) for group in rows], dtype=np.float32)
    merged: Matrix = by_query / sizes[:, None]
    return merged


def _any_of(
    attended: NDArray[np.bool_], rows: list[list[int]], columns: list[list[int]]
) -> NDArray[np.bool_]:
    """A merged cell may have weight if any of its cells may."""
    by_key = np.logical_or.reduceat(attended, [group[0] for group in columns], axis=1)
    merged: NDArray[np.bool_] = np.logical_or.reduceat(by_key, [group[0] for group in rows], axis=0)
    return merged


def sink_of(pattern: Matrix, keys: Units) -> int | None:
    """Return the key that `without_sink` leaves out of a pattern; None where there is but one."""
    return _sink(pattern, _groups(keys, words=False), keys)


def _sink(raw: Matrix, columns: list[list[int]], keys: Units) -> int | None:
    """Return the column that takes most weight among the first token and the special ones."""
    candidates = [
        i for i, group in enumerate(columns) if i == 0 or any(keys.special[g] for g in group)
    ]
    if len(columns) < 2:
        return None
    means = raw.mean(axis=0)
    return max(candidates, key=lambda i: float(means[i]))


def _renormalised(raw: Matrix) -> Matrix:
    """Let rows sum to 1; a row with nothing left stays empty."""
    sums = raw.sum(axis=1, keepdims=True)
    shares: Matrix = np.divide(raw, sums, out=np.zeros_like(raw), where=sums > 0)
    return shares


def _thinned(values: Matrix, display: Display, notes: list[str]) -> Matrix:
    """Blank what is under the threshold or not among each row's largest."""
    if display.threshold > 0:
        values = _blanked(values, values >= display.threshold)
        notes.append(f"weights under {display.threshold:g} not shown")
    if display.top_k is not None and 0 < display.top_k < values.shape[1]:
        last = values.shape[1] - display.top_k
        bound = np.partition(values, last, axis=1)[:, last, None]
        values = _blanked(values, values >= bound)
        notes.append(f"only the {display.top_k} largest weights of each row")
    return values


def _blanked(values: Matrix, kept: NDArray[np.bool_]) -> Matrix:
    blanked: Matrix = np.where(kept, values, 0).astype(np.float32)
    return blanked


def _label(units: Units, group: Sequence[int]) -> str:
    return "".join(units.labels[index] for index in group)


def _positions(group: Sequence[int], first: int) -> str:
    return span_words(first + group[0], first + group[-1] + 1)


def span_words(start: int, stop: int) -> str:
    """Say a run of positions, the last one included."""
    return f"{start}" if stop - start == 1 else f"{start}–{stop - 1}"
