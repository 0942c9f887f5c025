"""Where the tokens of a survey's examples stand in their texts, found while the model is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from viz.capture import capture
from viz.errors import LoupeError, StorageError
from viz.inputs.prepare import prepare
from viz.inputs.units import Units
from viz.models import Model
from viz.survey import Survey

# What names an example.
EXAMPLE = ["stack", "layer", "head", "kind", "place", "window", "query", "key"]

END = ("query", "key")
COLUMNS = [*EXAMPLE, *(f"{end}_{part}" for end in END for part in ("label", "from", "to"))]

# Which of the units that a model's input has a stack's queries are, and which its keys.
Axes = dict[str, tuple[int, int]]


def write_example_words(path: Path, model: Model, survey: Survey) -> None:
    """Find the words of all examples, and write them in one piece.

    Raises:
        StorageError: they cannot be written.
    """
    beside = path.with_suffix(".part")
    try:
        example_words(model, survey).to_parquet(beside, index=False)
        beside.replace(path)
    except OSError as error:
        raise StorageError(
            f"Where examples stand cannot be written to {path.parent}: {error.strerror or error}.",
            "Free some space, and let the survey go on.",
        ) from error


def example_words(model: Model, survey: Survey) -> pd.DataFrame:
    """Say of each example which token asks and which is looked at: its label, and its characters.

    Args:
        model: that was surveyed.
        survey: of it.

    Returns:
        Columns stack, layer, head, kind, place, window, query, key; query_label, query_from, query_to, key_label, key_from, key_to. A
        token that stands for no text is where the text before it ends. Examples whose tokens have no place in the
        text, or whose text cannot be read again, are left out.

    Cost: a pass over one text; the others are cut into tokens only.
    """
    texts = survey.table("windows").set_index("window")["text"]
    axes: Axes | None = None
    found: list[list[Any]] = []
    for window, examples in survey.table("examples").groupby("window"):
        text = texts.get(window)
        if text is None:
            continue
        try:
            axes = _axes(model, text) if axes is None else axes
            known = prepare(model, text).known
        except LoupeError:
            continue  # it was read before; what refuses it now will say so in Explore
        for named in examples[EXAMPLE].values.tolist():
            stack, query, key = named[0], named[-2], named[-1]
            ends = _ends(known, axes.get(stack), query, key)
            if ends is not None:
                found.append([*named, *ends])
    return pd.DataFrame(found, columns=COLUMNS)


def _axes(model: Model, text: str) -> Axes:
    """Find which units each stack's queries and keys are; stacks of other units have none."""
    known = prepare(model, text).known
    axes: Axes = {}
    for name, stack in capture(model, text).stacks.items():
        places = [
            next((at for at, units in enumerate(known) if units == axis), None)
            for axis in (stack.queries, stack.keys)
        ]
        if places[0] is not None and places[1] is not None:
            axes[name] = places[0], places[1]
    return axes


def _ends(
    known: tuple[Units, ...], axes: tuple[int, int] | None, query: int, key: int
) -> list[Any] | None:
    if axes is None or max(axes) >= len(known):
        return None
    asks, looked_at = known[axes[0]], known[axes[1]]
    if query >= len(asks) or key >= len(looked_at):
        return None
    # What an encoder-decoder writes stands in no place of what it reads.
    return [
        *_end(asks, query, in_text=axes[0] == 0),
        *_end(looked_at, key, in_text=axes[1] == 0),
    ]


def _end(units: Units, at: int, *, in_text: bool) -> list[Any]:
    """Return a token's label, and the first and last character + 1 that it stands for."""
    label = units.labels[at]
    if not in_text:
        return [label, -1, -1]
    span = units.spans[at]
    if span is not None:
        return [label, *span]
    before = [one[1] for one in units.spans[:at] if one is not None]
    place = before[-1] if before else 0
    return [label, place, place]
