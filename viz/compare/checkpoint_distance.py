"""How far each head has come since the first of several checkpoints or revisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from viz.capture.trace import Trace
from viz.compare.head_changes import Numbers, Progress, changed
from viz.compare.unit_alignment import How
from viz.errors import AlignmentError, InputError, LoupeError, ShapeError


def curves(
    traces: Iterable[Trace],
    names: Sequence[str | int],
    *,
    stack: str | None = None,
    words: bool = False,
    how: How = "text",
    rows: int | None = None,
    apart: Callable[[str | int, LoupeError], None] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure every head of every step against the same head of the first.

    Steps are traces of one text by models of one shape: the checkpoints of a training, the revisions of a
    model, or a model before and after it was tuned.

    Args:
        traces: in order; taken one after the other, so that a generator may load models as it goes, and
            only the first is kept.
        names: of the steps, such as their numbers.
        stack: by name; the main one by default.
        words: compare words, where units are parts of them.
        how: units belong together by `text`, or by `position`.
        rows: how many rows to measure, evenly spaced; by default all, or as many as cost little.
        apart: called with the name of a step that cannot be compared with the first, and why; it is left
            out. By default that is an error.
        progress: called with "compare" and the share done after every layer; may raise to cancel.

    Returns:
        Mean Jensen-Shannon divergence from the first step in nats: a row a step, by its name, and a column
        a head, by (layer, head). The first row is 0.

    Raises:
        AlignmentError: a step's heads or text have no counterpart in the first; its name is said.
        InputError: there are no steps, or not as many as names.
        ShapeError: there is no such stack.

    Cost: that of `changed` for each step.
    """
    steps = iter(traces)
    first = next(steps, None)
    if first is None or not names:
        raise InputError("There are no steps to compare.", "Give two checkpoints or more.")
    lines, measured = [], []
    for number, trace in enumerate(chain([first], steps)):
        if number == len(names):
            raise _unequal(f"more than {number}", len(names))
        try:
            found = changed(
                first,
                trace,
                stack=stack,
                words=words,
                how=how,
                rows=rows,
                progress=_part(progress, number, len(names)),
            )
        except (AlignmentError, ShapeError) as error:
            if number == 0:
                raise
            if apart is not None:
                apart(names[number], error)
                continue
            message = f"Step {names[number]} cannot be compared with {names[0]}: {error.message}"
            raise AlignmentError(message, error.hint) from error
        lines.append(found.divergence)
        measured.append(names[number])
    if number + 1 < len(names):
        raise _unequal(str(number + 1), len(names))
    return _framed(lines, measured)


def _framed(lines: Sequence[Numbers], names: Sequence[str | int]) -> pd.DataFrame:
    there = np.argwhere(np.isfinite(lines[0]))
    columns = pd.MultiIndex.from_arrays([there[:, 0], there[:, 1]], names=["layer", "head"])
    values = np.array([line[tuple(there.T)] for line in lines])
    return pd.DataFrame(values, index=pd.Index(names, name="step"), columns=columns)


def _unequal(traces: str, names: int) -> InputError:
    return InputError(
        f"There are {traces} traces and {names} names of steps.", "Name each step once."
    )


def _part(progress: Progress | None, number: int, count: int) -> Progress | None:
    """Turn the share of a step that is done into the share of all."""
    if progress is None:
        return None

    def tell(phase: str, share: float) -> None:
        progress(phase, (number + share) / count)

    return tell
