"""Tier 2: weights that the parts of a model return, watched for during one pass."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.tiers.hand_written import is_users
from viz.capture.tiers.registry import is_covered
from viz.capture.tiers.softmax_calls import STREAM, Multiplied, Softmaxes
from viz.models.head_count import head_count

ROW_SUM_TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-5}
HALF_ROW_SUM_TOLERANCE = 1e-2


@dataclass(slots=True)
class Returned:
    """Weights that parts of a module returned, in the order in which they finished.

    Attributes:
        found: the name of the innermost part that returned each, and [batch, head, query, key].
        softmaxes: those that a softmax made and values were multiplied with, returned or not; they
            are there once the pass has ended.
        errors: max |weights @ v - output| of each, by where its numbers lie.
        unclear: parts that weigh values in a way that may be attention and is not shown.
    """

    found: list[tuple[str, Tensor]] = field(default_factory=list)
    softmaxes: list[tuple[str, Tensor]] = field(default_factory=list)
    errors: dict[int, float | None] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()
    _seen: set[int] = field(default_factory=set)
    _multiplied: list[Multiplied] = field(default_factory=list)
    _parts: dict[str, nn.Module] = field(default_factory=dict)

    def look(self, name: str, output: Any) -> None:
        """Take what looks like attention weights out of what a part returned."""
        if is_covered():
            return
        for tensor in _tensors(output):
            if tensor.data_ptr() not in self._seen and _may_be_weights(tensor):
                self._seen.add(tensor.data_ptr())
                self.found.append((name, tensor.detach()))

    @property
    def patterns(self) -> list[tuple[str, Tensor]]:
        """What was found and says which query looks at which key."""
        return [pair for pair in self.found if self._is_pattern(*pair)]

    @property
    def proven(self) -> list[tuple[str, Tensor]]:
        """What was found and is the very numbers that the model multiplied its values with.

        Of a part that returns several kinds of weights, as Longformer's do, all or none.
        """
        doubtful = {
            name
            for name, weights in self.found
            if not (self._is_pattern(name, weights) and self._is_used(weights))
        }
        return [(name, weights) for name, weights in self.found if name not in doubtful]

    @property
    def unproven(self) -> set[str]:
        """Parts that return patterns which they did not use."""
        return {
            name
            for name, weights in self.found
            if self._is_pattern(name, weights) and not self._is_used(weights)
        }

    def proven_apart_from(self, names: Collection[str]) -> list[tuple[str, Tensor]]:
        """What was found of parts that neither hold nor belong to one of those named, and proven.

        First what parts returned, then softmaxes of other parts that did not.
        """
        proven = [pair for pair in self.proven if not is_related(pair[0], names)]
        names = {*names, *(name for name, _ in proven)}
        return proven + [pair for pair in self.softmaxes if not is_related(pair[0], names)]

    def _is_used(self, weights: Tensor) -> bool:
        return any(one.is_same(weights) for one in self._multiplied)

    def _is_pattern(self, name: str, weights: Tensor) -> bool:
        return _attends(self._parts, name, weights)


def likely(softmaxes: Softmaxes) -> list[tuple[str, Tensor]]:
    """Softmaxes that weighed values and look like weights, of parts that made one in each run.

    Where a part made several in one run, each is a piece of its pattern (BigBird's blocks).
    """
    found = [pair for pair in softmaxes.found if _may_be_weights(pair[1])]
    parts = dict(softmaxes.module.named_modules())
    by_hand = [] if softmaxes.by_hand is None else softmaxes.by_hand.read()
    if softmaxes.by_hand is not None:
        softmaxes.errors |= softmaxes.by_hand.errors
    return by_hand + [
        (name, weights)
        for name, weights in found
        if name not in softmaxes.several
        and not is_users(parts[name.partition(STREAM)[0]])
        and _attends(parts, name, weights)
    ]


def unclear_parts(softmaxes: Softmaxes) -> tuple[str, ...]:
    """Parts that weigh values in a way that may be attention and is not shown; after `likely`."""
    told = {} if softmaxes.by_hand is None else softmaxes.by_hand.unclear
    return tuple(name for name, one in told.items() if one.mixes)


def _attends(parts: Mapping[str, nn.Module], name: str, weights: Tensor) -> bool:
    """Whether weights have as many heads as their part says, and the part is called attention.

    Deformable attention weighs a few sampled points of each query, and hyper-connections mix the
    streams of one token: both are softmaxes, and neither says which query looks at which key.
    """
    name = name.partition(STREAM)[0]
    part, holder = parts[name], parts[name.rpartition(".")[0]]
    heads = head_count(part)
    ours = not type(part).__module__.startswith("transformers.")
    named = any("att" in type(one).__name__.lower() for one in (part, holder))
    if ours:
        return heads == weights.shape[1]  # only the part itself knows which dimension its heads are
    return named and heads in (None, weights.shape[1])


def is_related(name: str, names: Collection[str]) -> bool:
    """Whether a part is one of those named, or holds or belongs to one of them."""
    return any(
        f"{other}.".startswith(f"{name}.") or f"{name}.".startswith(f"{other}.") for other in names
    )


@contextmanager
def returned_weights(module: nn.Module) -> Iterator[Returned]:
    """Collect the attention weights that the parts of a module return during one pass."""
    softmaxes = Softmaxes(module)
    returned = Returned(_parts=dict(module.named_modules()))
    handles: list[Any] = []
    owner = threading.get_ident()

    try:
        for name, part in module.named_modules():

            def hook(_part: nn.Module, _given: Any, output: Any, name: str = name) -> None:
                if threading.get_ident() != owner:
                    return
                returned.look(name, output)

            if name:
                handles.append(part.register_forward_hook(hook))
        with softmaxes:
            yield returned
        returned._multiplied = softmaxes.multiplied
        returned.softmaxes = likely(softmaxes)
        returned.errors = softmaxes.errors
        returned.unclear = unclear_parts(softmaxes)
    finally:
        for handle in handles:
            handle.remove()


def row_sum_error(weights: Tensor) -> float:
    """How far rows are from summing to 1; rows of zeros look at nothing, which is allowed."""
    sums = weights.float().sum(dim=-1)
    return float(torch.minimum((sums - 1).abs(), sums.abs()).max())


def _tensors(output: Any) -> Iterator[Tensor]:
    """Walk through whatever a module returned, one level deep."""
    if isinstance(output, dict):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        for part in output:
            if isinstance(part, Tensor):
                yield part
            elif isinstance(part, (tuple, list)):
                yield from (inner for inner in part if isinstance(inner, Tensor))


def _may_be_weights(tensor: Tensor) -> bool:
    """Whether a tensor has the shape of weights and its rows are distributions, or empty."""
    if tensor.ndim != 4 or not tensor.is_floating_point() or tensor.numel() == 0:
        return False
    some = tensor[0].float()
    if not bool((some >= 0).all()):
        return False
    tolerance = ROW_SUM_TOLERANCE.get(tensor.dtype, HALF_ROW_SUM_TOLERANCE)
    full = (some.sum(dim=-1) - 1).abs() <= 10 * tolerance
    return row_sum_error(some) <= 10 * tolerance and bool(full.any())
