"""The smallest set of weights in the row of a prediction that keeps most of it: greedy by gradient, each step exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from viz.capture.layers.recorded_layer import RecordedLayer
from viz.effects.attention_calls import calls_of
from viz.effects.edges import EdgeEdit, HiddenKeys
from viz.effects.every_head import stack_read
from viz.effects.knock_out_edges import require_masks_that_stay
from viz.effects.prediction_effects import Effects
from viz.effects.variants import predicted_without
from viz.errors import CaptureError, InputError

# Sizes that are tried at once while the place is narrowed down.
SPLITS = 8


@dataclass(frozen=True, slots=True)
class EdgeSearch:
    """The edges that were found.

    Attributes:
        edges: columns layer, head, key, token, weight, weight_gradient; the largest share first.
        of: how many edges the row has in all heads.
        value: of the prediction with all of them.
        kept: of it with these alone.
        tried: how many sets were run.
    """

    edges: pd.DataFrame
    of: int
    value: float
    kept: float
    tried: int


def smallest_edges(
    found: Effects,
    *,
    keep: float = 0.9,
    stack: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EdgeSearch:
    """Search for the fewest weights of the prediction's row that keep a share of it.

    Weights are taken in the order of weight times gradient; all others of the row are knocked out, in all heads and layers at
    once. How many are needed is narrowed down by running sets of growing size, each exactly; between two sizes that
    were run the prediction may still rise and fall.

    Args:
        found: effects of a prediction that is above what it is compared with.
        keep: which share of it is kept, above 0 and at most 1.
        stack: in which the prediction's row is; `self` or `decoder` by default.
        progress: called with how many sets were run, and of how many at most; may raise to cancel.

    Raises:
        InputError: the share is none, or the prediction is not above 0.
        CaptureError: a layer keeps something else than queries and keys.
    """
    if not isinstance(keep, (int, float)) or not 0 < keep <= 1:
        raise InputError(
            f"A share of {keep!r:.30} cannot be kept.", "Choose one above 0, at most 1."
        )
    value = found.value
    if value <= 0:
        raise InputError(
            f"The prediction is {value:.3g}, not above 0, so there is no share of it to keep.",
            "Explain a token that is above what it is compared with.",
        )
    stack = stack_read(found.trace, found.objective, stack)
    table = _ranked(found, stack)
    whole = len(table)
    run = _Runs(found, stack, table, progress)
    require_masks_that_stay(found.captured, run.without_others(whole))
    sizes = sorted({min(whole, 1 << power) for power in range(whole.bit_length() + 1)})
    values = dict(zip(sizes, run(sizes), strict=True))
    enough = next((size for size in sizes if values[size] >= keep * value), whole)
    below = max((size for size in sizes if size < enough), default=0)
    while enough - below > 1:
        step = max(1, (enough - below) // SPLITS)
        between = list(range(below + step, enough, step))
        values |= dict(zip(between, run(between), strict=True))
        first = next((size for size in between if values[size] >= keep * value), None)
        enough, below = (
            (enough, between[-1]) if first is None else (first, max(below, first - step))
        )
    return EdgeSearch(
        table.head(enough).reset_index(drop=True), whole, value, values[enough], len(values)
    )


def _ranked(found: Effects, stack: str) -> pd.DataFrame:
    """List every weight of the row that is not masked, by what it adds to first order."""
    own, place = found.trace.stacks[stack], found.objective.place
    parts = []
    for layer in range(own.layers):
        record = own.record(layer)
        row = torch.tensor([place], device=record.tensors[0].device)
        allowed = record.may_look(row)[:, 0]
        for head in range(own.heads(layer)):
            keys = allowed[min(head, len(allowed) - 1)].nonzero()[:, 0].tolist()
            weights = own.weights(layer, head, [place], keys)[0].tolist()
            gained = found.gradients.weight_times_gradient(layer, head, [place], keys, stack=stack)[
                0
            ].tolist()
            parts.append(
                pd.DataFrame(
                    {
                        "layer": layer,
                        "head": head,
                        "key": keys,
                        "token": [own.keys.labels[key] for key in keys],
                        "weight": weights,
                        "weight_gradient": gained,
                    }
                )
            )
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values("weight_gradient", ascending=False, kind="stable", ignore_index=True)


@dataclass(slots=True)
class _Runs:
    """Runs sets of the first edges of a table."""

    found: Effects
    stack: str
    table: pd.DataFrame
    progress: Callable[[int, int], None] | None
    done: int = 0

    def __call__(self, sizes: list[int]) -> tuple[float, ...]:
        """Predict with so many edges alone, for each size."""
        place = self.found.objective.place
        values = predicted_without(
            self.found.captured,
            [self.without_others(size) for size in sizes],
            rows=[place],
            states=self.found.gradients.layers,
        )
        self.done += len(sizes)
        if self.progress is not None:
            most = self.done + SPLITS * len(self.table).bit_length()
            self.progress(self.done, most)
        return values

    def without_others(self, size: int) -> list[EdgeEdit]:
        """Hide all weights of the row but so many of the first of the table."""
        place, trace = self.found.objective.place, self.found.trace
        own, calls = trace.stacks[self.stack], calls_of(trace)
        kept: dict[tuple[int, int], list[int]] = {}
        first = self.table.head(size)
        columns = (first[name].astype(int).tolist() for name in ("layer", "head", "key"))
        for layer, head, key in zip(*columns, strict=True):
            kept.setdefault((layer, head), []).append(key)
        edits: list[EdgeEdit] = []
        for layer in range(own.layers):
            record = own.record(layer)
            if not isinstance(record, RecordedLayer):
                raise CaptureError(
                    f"Layer {record.name} is not one call of the kernel for one input.",
                    "Choose a model whose layers attend over whole texts.",
                )
            rows = torch.tensor([place], device=record.key.device)
            for head in range(record.heads):
                others = torch.ones(record.shape[1], dtype=torch.bool)
                others[kept.get((layer, head), [])] = False
                hidden = HiddenKeys(others.to(rows.device))
                edits.append(EdgeEdit(calls[self.stack, layer], record, (head,), rows, hidden))
        return edits
