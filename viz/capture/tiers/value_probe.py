"""Weights read off a module by giving it other values: the way to local and block-sparse attention.

A head's output is its weights times its values, whatever the module does to get at the weights:
windows, blocks, hashes, global tokens. With one-hot values in place of its own the output *is* the
weights, each where its query and its key belong. A module whose output is something else than a
mean of its values (most linear attention, a gate) shows by that that it has no weights; one that is
a mean of them is shown as the weights of that mean.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.replay.matching_rows import RecentOutputs, source_of
from viz.capture.replay.pattern_pieces import pieces_of
from viz.capture.replay.recorded_products import Product, ProductLog
from viz.capture.replay.replay import (
    ROW_SUM_TOLERANCE,
    Rerun,
    Run,
    by_item,
    listen,
    one_hot,
    sparse,
)
from viz.capture.replay.rounding import allowed_error, wide
from viz.capture.replay.weight_matrices import apart, is_identity, least, moved, row_sums
from viz.capture.tiers.registry import unobserved
from viz.inputs.input_copies import copied
from viz.models.head_count import head_count
from viz.models.preserve_state import preserved
from viz.models.random_state import random_state, restore_random

VALUE_NAME = re.compile(r"(^|_)(v|value|values)(_|$)")

# Errors of a part that is run with values of another kind.
RERUN_ERRORS = (
    *(RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError),
    AssertionError,
)


@dataclass(frozen=True, slots=True)
class ValuePart:
    """A part of a model that projects values, and so may attend."""

    name: str
    part: nn.Module
    projections: tuple[nn.Module, ...]
    heads: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Weights read off one run of a part.

    Attributes:
        name: of the part.
        weights: [head, query, key], as a whole, or sparse and coalesced; what is 0, or not stored, was not
            attended.
        tokens: how many of the first keys are the model's own units; the rest are what the part
            adds to them, such as global tokens.
        output_error: max |weights @ v - output|.
        tolerance: what that was allowed to be.
        row_sum_error: max |row sum - 1| of rows that look at something.
        dtype: what the part computed in.
    """

    name: str
    weights: Tensor
    tokens: int
    output_error: float
    tolerance: float
    row_sum_error: float
    dtype: torch.dtype


OnReading = Callable[[str, Reading | None], None]


@dataclass(frozen=True, slots=True)
class PartRun:
    """One run of a part, as it was.

    Attributes:
        part: that ran.
        given: the first tensor that it was given.
        read: what its value projections were given, call by call.
        projected: what they returned.
        output: of the part.
    """

    part: ValuePart
    given: Tensor | None
    read: list[Tensor]
    projected: list[Tensor]
    output: Any


@dataclass(frozen=True, slots=True)
class _Running:
    """A part that runs: how to run it again, what is seen of it, and what was returned before it."""

    again: Rerun
    run: Run
    made: list[Product]
    recent: list[Tensor]
    first: Tensor | None


# Says of a part that has just run whether its weights show in another way.
IsExplained = Callable[[PartRun], bool]


def value_parts(module: nn.Module) -> list[ValuePart]:
    """Find the parts that project values of their own, where the number of heads is known."""
    found = []
    for name, part in module.named_modules():
        projections = tuple(
            child
            for child_name, child in part.named_children()
            if VALUE_NAME.search(child_name) and isinstance(getattr(child, "weight", None), Tensor)
        )
        heads = head_count(part) if projections else None
        if heads is not None:
            found.append(ValuePart(name, part, projections, heads))
    return found


class ValueReader:
    """Reads the weights of parts during one pass, each right after it ran.

    Args:
        module: the whole.
        parts: those of it that are read.
        on_reading: is given each part's name and its reading; None where its output is no mean of
            its values, or where it cannot be run again.
        is_explained: says which parts need not be read.
        item: which input of the batch.
        batch: how many inputs the batch has.
        log: of the products that parts make.

    Cost: one or two runs of each part where its products are all that it makes of its values, else
    keys / d; memory for one part's whole matrix at a time.
    """

    def __init__(
        self,
        module: nn.Module,
        parts: Sequence[ValuePart],
        on_reading: OnReading,
        is_explained: IsExplained,
        *,
        item: int = 0,
        batch: int = 1,
        log: ProductLog,
    ) -> None:
        self.parts = parts
        self.log = log
        self.on_reading = on_reading
        self.is_explained = is_explained
        self.item = item
        self.batch = batch
        self._is_reading = False
        self._recent = RecentOutputs(module)
        self._handles: list[Any] = []

    def __enter__(self) -> ValueReader:
        if self.parts:
            self._recent.__enter__()
        for part in self.parts:
            self._follow(part)
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._recent.__exit__()

    def _follow(self, part: ValuePart) -> None:
        running: list[_Running] = []
        owner = threading.get_ident()

        def is_ours() -> bool:
            return threading.get_ident() == owner and bool(running) and not self._is_reading

        def before(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if threading.get_ident() != owner or self._is_reading:
                return
            # Copies, because the part may write to what it is given.
            given = tuple(copied(value) for value in args)
            named = {name: copied(value) for name, value in kwargs.items()}
            state = random_state()
            again = Rerun(part.part, part.projections, given, named, state, self.batch)
            first = next((v for v in (*args, *kwargs.values()) if isinstance(v, Tensor)), None)
            recent = list(self._recent.latest)
            running.append(_Running(again, Run(self.batch), self.log.begin(), recent, first))

        def on_value(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if is_ours() and isinstance(output, Tensor):
                running[-1].run.values.append((module, args[0], output))

        def on_input(module: nn.Module, args: tuple[Any, ...]) -> None:
            if is_ours():
                running[-1].run.note_input(module, args)

        def after(_module: nn.Module, _args: tuple[Any, ...], output: Any) -> None:
            if not is_ours():
                return
            one = running.pop()
            self.log.end(one.made)
            one.run.note_output(output)
            read = [given for _, given, _ in one.run.values]
            projected = [value for _, _, value in one.run.values]
            if not self.is_explained(PartRun(part, one.first, read, projected, output)):
                self.on_reading(part.name, self._reading(part, one))

        self._handles.append(part.part.register_forward_pre_hook(before, with_kwargs=True))
        self._handles.append(part.part.register_forward_hook(after))
        self._handles += listen(part.part, part.projections, on_value, on_input)

    def _reading(self, part: ValuePart, one: _Running) -> Reading | None:
        """Read a part that has just run."""
        later, drawn = random_state(), False
        self._is_reading = True
        again = replace(one.again, state=None)
        try:
            with (
                unobserved(),
                torch.inference_mode(),
                preserved(part.part),
                self.log.paused(),
            ):
                # Random numbers are everyone's, and are touched only where they matter: another thread
                # may have drawn some, too.
                if not all(map(torch.equal, later, one.again.state or ())):
                    drawn = not again(_as_they_are).gives(one.run)
                    again = one.again if drawn else again
                reading = _read(part, again, self.item, one.run, one.made)
                return reading and _in_order(reading, again, one.run, one.recent)
        except RERUN_ERRORS:
            return None
        finally:
            self._is_reading = False
            if drawn:
                restore_random(later)


def _as_they_are(_call: int, value: Tensor) -> Tensor:
    return value


def _read(
    part: ValuePart, run: Rerun, item: int, plain: Run, made: Sequence[Product]
) -> Reading | None:
    """Put weights together, or run the part with one-hot values, a head's dimensions at a time."""
    if not plain.values:
        return None
    reading = _read_pieces(part, run, item, plain, made)
    if reading is not None:
        return reading
    ones = run(lambda _, value: torch.ones_like(value))
    for stream in ones.means_of_values(part.heads, plain):
        reading = _read_stream(part, run, item, plain, stream)
        if reading is not None:
            return reading
    return None


def _read_pieces(
    part: ValuePart, run: Rerun, item: int, plain: Run, made: Sequence[Product]
) -> Reading | None:
    """Put the weights together from the products that the part makes; None where that is not all."""
    try:
        stream, weights = pieces_of(run, plain, made, part.heads, item)
        output = plain.joined(stream, plain.query_order(stream, part.heads), part.heads)
        tokens = by_item(plain.values[0][2], run.batch).shape[1]
        return _checked(part.name, weights, tokens, plain, output[item], item)
    except RERUN_ERRORS:
        return None


def _read_stream(part: ValuePart, run: Rerun, item: int, plain: Run, stream: int) -> Reading | None:
    """Read the weights of what may be the mean of a part's values."""
    starts, keys = plain.key_starts()
    order = plain.query_order(stream, part.heads)
    output = plain.joined(stream, order, part.heads)
    d, width = output.shape[-1] // part.heads, plain.values[0][2].shape[-1]
    if width % d or part.heads % (width // d):
        return None
    pieces = []
    for first in range(0, keys, d):

        def hot(call: int, value: Tensor, first: int = first) -> Tensor:
            return one_hot(value, run.batch, width // d, first - starts[call])

        columns = wide(run(hot).joined(stream, order, part.heads)[item])
        piece = columns.view(len(columns), part.heads, d).transpose(0, 1)
        head, query, key = piece[..., : keys - first].nonzero(as_tuple=True)
        pieces.append((torch.stack([head, query, key + first]), piece[head, query, key]))
    weights = sparse(
        torch.cat([indices for indices, _ in pieces], dim=1),
        torch.cat([values for _, values in pieces]),
        (part.heads, output.shape[1], keys),
    )
    tokens = by_item(plain.values[0][2], run.batch).shape[1]
    return _checked(part.name, weights, tokens, plain, output[item], item)


def _checked(
    name: str, weights: Tensor, tokens: int, plain: Run, output: Tensor, item: int
) -> Reading | None:
    """Compare weights @ v with the output; None where they are no weights, or not these."""
    parts = [wide(by_item(value, plain.batch)[item]) for _, _, value in plain.values]
    values = parts[0].new_zeros(weights.shape[2], parts[0].shape[-1])
    largest = max(1.0, *(float(value.abs().max()) for value in parts))
    tolerance = allowed_error(output.dtype) * largest
    # Where two projections serve one key (Longformer's local and global rows), which of them a row
    # saw cannot be told from here; rows are then held against what either of them gives.
    error = torch.full((weights.shape[1],), torch.inf, device=output.device)
    for start, value in zip(plain.key_starts()[0], parts, strict=True):
        values[start : start + len(value)] = value
        error = torch.minimum(error, apart(weights, values, wide(output)))
    sums = row_sums(weights)
    row_sum_error = float(torch.minimum((sums - 1).abs(), sums.abs()).max())
    looking = sums.sum(dim=0) > 0  # a row that looks at nothing has any output
    output_error = float(error[looking].max()) if bool(looking.any()) else torch.inf
    if weights.shape[1] > 1 and is_identity(weights):
        return None  # everyone looks at itself alone: nothing was mixed
    right = output_error <= tolerance and row_sum_error <= ROW_SUM_TOLERANCE
    if not (right and least(weights) >= 0):
        return None
    return Reading(name, weights, tokens, output_error, tolerance, row_sum_error, output.dtype)


def _in_order(reading: Reading, run: Rerun, plain: Run, recent: list[Tensor]) -> Reading | None:
    """Undo the padding and the order in which the model laid out its units before this part.

    Returns:
        The reading, each row and column at its own unit; None where the part lays its units out
        anew inside, so that its output's order is not known, or where padding had weight.
    """
    given = plain.values[0][1]
    found = source_of(given, recent)
    if found is None:
        return reading
    places, tokens = found
    in_order = len(places) == tokens and torch.equal(places, torch.arange(tokens))
    if in_order:
        return reading
    if not any(_same_rows(given, value) for value in (*run.args, *run.kwargs.values())):
        return None
    queries, keys = reading.weights.shape[1:]
    across = torch.cat([places, tokens + torch.arange(keys - reading.tokens)])
    # The queries are the same rows, with what the part adds to them or without; in cross-attention
    # they are others, and stay as they are.
    down = {len(across): across, len(places): places}.get(queries, torch.arange(queries))
    weights = moved(reading.weights, down, across)
    return None if weights is None else replace(reading, weights=weights, tokens=tokens)


def _same_rows(given: Tensor, value: Any) -> bool:
    """Whether a part was handed these very rows, in this order."""
    return (
        isinstance(value, Tensor)
        and value.numel() == given.numel()
        and torch.equal(value.flatten(), given.flatten())
    )
