"""Attention that a module writes out by hand: products of means and values, and what their axes are.

Whatever makes the weights (a softmax, exponentials divided by their sum, before the product or after
it), what counts is that values are multiplied with them and that their rows are means. Several such
products in one run of a part are layers where one needs the other's result, and heads where their
results are laid side by side; any other are shares of something that only the part knows.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from viz.capture.replay.product_axes import PRODUCTS, Axes, are_means, readings
from viz.capture.replay.replay_with_marked_values import EXP, SOFTMAX, run_marked, tensors_in
from viz.capture.tiers.hand_written_axes import Unclear, read_layout
from viz.capture.tiers.part_calls import PartCall, RunningParts
from viz.capture.tiers.product_layout import Layout
from viz.capture.tiers.registry import is_covered, unobserved
from viz.models.forward_errors import RUN_ERRORS
from viz.models.head_count import head_count
from viz.models.preserve_state import preserved

DIVISIONS = {
    *(torch.div, torch.true_divide, torch.divide, Tensor.div, Tensor.div_, Tensor.true_divide),
    *(Tensor.__truediv__, Tensor.__itruediv__, Tensor.divide),
}
JOINS = {torch.cat, torch.concat, torch.concatenate}
SIGMOIDS = {torch.sigmoid, Tensor.sigmoid, torch.nn.functional.sigmoid}

# Layouts that were read, by the whole, and by a part's name, its product and all shapes.
_layouts: weakref.WeakKeyDictionary[nn.Module, dict[Any, Layout | Unclear]]
_layouts = weakref.WeakKeyDictionary()

# Whose parts say in their names and attributes what their axes are, or make no products of their own.
LIBRARIES = ("transformers.", "torch.")

# How far sums of exponentials and what results are divided by may be apart, as a share.
SAME_SUM = 1e-4


@dataclass(slots=True, eq=False)
class Weighing:
    """One product of weights with values.

    Attributes:
        name: of the part whose code made it.
        call: the innermost run of a part in which it was made.
        number: of the product, counted over the whole.
        axes: of its factors.
        weights: as they were multiplied.
        laid: the same as `Axes.laid_out` lays them out.
        values: the shape of the values.
        shared: how many leading axes values have too.
        result: the product; held, so that no other tensor comes to lie there.
        error: max |weights @ v - result|, as far as it was computed.
        joined: which torch.cat its result went into, and whether along the channels.
    """

    name: str
    call: PartCall
    number: int
    axes: Axes
    weights: Tensor
    laid: Tensor
    values: torch.Size
    shared: int
    result: Tensor
    error: float | None
    joined: tuple[int, bool] | None = None


@dataclass(slots=True)
class ByHand:
    """What one pass of a module multiplied its values with.

    Attributes:
        found: names of parts and weights [window, head, query, key]; there once `read` was called.
        unclear: why a part that weighs something is not shown, by its name.
    """

    module: nn.Module
    parts: RunningParts
    part_name: Callable[[], str]
    product_error: Callable[..., float | None]
    parameters: set[int]
    products: int = 0
    weighings: list[Weighing] = field(default_factory=list)
    unclear: dict[str, Unclear] = field(default_factory=dict)
    errors: dict[int, float | None] = field(default_factory=dict)
    _exponentials: list[Tensor] = field(default_factory=list)
    _softmaxes: list[Tensor] = field(default_factory=list)
    _sigmoids: list[Tensor] = field(default_factory=list)
    _undivided: list[tuple[Weighing, Tensor]] = field(default_factory=list)
    _joins: int = 0

    def saw(self, func: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> None:
        """Take down one call of torch."""
        if is_covered():
            # Counted all the same, because a part that is run again makes these products too.
            self.products += func in PRODUCTS or func is torch.einsum
            return
        if func in SOFTMAX:
            self._softmaxes = [*self._softmaxes[-3:], result]
        elif func in EXP:
            self._exponentials = [*self._exponentials[-3:], result]
        elif func in SIGMOIDS:
            self._sigmoids = [*self._sigmoids[-3:], result]
        elif func in DIVISIONS:
            self._divided(args, kwargs, result)
        elif func in JOINS:
            self._join(args, kwargs, result)
        found = readings(func, args, kwargs)
        if found or func in PRODUCTS or func is torch.einsum:
            number, self.products = self.products, self.products + 1
            self._product(number, func, args, found, result)

    def _product(
        self,
        number: int,
        func: Callable[..., Any],
        args: Any,
        found: Sequence[tuple[Tensor, Tensor, Axes]],
        result: Any,
    ) -> None:
        call = self.parts.current
        factors = [weights for weights, _, _ in found]
        fixed = any(_storage(one) in self.parameters for one in factors)
        if not found or call is None or fixed or not isinstance(result, Tensor):
            return
        before = {_storage(one.result): one for one in self.weighings}
        steps = [before[_storage(one)] for one in factors if _storage(one) in before]
        for step in steps:
            self.weighings.remove(step)
        for weights, values, axes in found:
            undivided = any(_storage(weights) == _storage(e) for e in self._exponentials)
            means = are_means(weights, axes)
            if not means and not undivided:
                continue
            name = self.part_name()
            if steps and _storage(weights) not in before:
                self._two_steps(name)
                return
            product = partial(func, args[0]) if func is torch.einsum else func
            ordered = (weights, values) if axes.left else (values, weights)
            one = Weighing(
                *(name, call, number, axes, weights, axes.laid_out(weights, values)),
                values=values.shape,
                shared=len(axes.shared(weights, values)),
                result=result,
                error=self.product_error(
                    product, ordered, result, rows=func is not torch.einsum and axes.left
                ),
            )
            if means:
                self.weighings.append(one)
            else:
                self._undivided = [*self._undivided[-3:], (one, result)]
            return
        if steps:
            self._two_steps(self.part_name())
        self._explain(found)

    def _two_steps(self, name: str) -> None:
        self.unclear[name] = Unclear(
            "weighs what it has weighed already (landmarks, two hops or linear attention), so that "
            "neither weights are those of its values",
            "Say what it computes",
            mixes=True,
        )

    def _explain(self, found: Sequence[tuple[Tensor, Tensor, Axes]]) -> None:
        """Say of weights that are no means what they were made of."""
        for weights, _, _ in found:
            cut = any(_storage(weights) == _storage(one) for one in self._softmaxes)
            means = (*self._softmaxes, *self._exponentials)
            if cut or any(weights.shape == one.shape for one in means):
                self.unclear.setdefault(
                    self.part_name(),
                    Unclear(
                        "changes its softmax before it multiplies its values with it (mixed over "
                        "heads, gated or cut), so that no row is a mean",
                        "Say what it computes",
                        mixes=True,
                    ),
                )
            elif any(weights.shape == one.shape for one in self._sigmoids):
                self.unclear.setdefault(
                    self.part_name(),
                    Unclear(
                        "weighs its values by a sigmoid, whose rows sum to anything",
                        "That is no softmax attention.",
                        mixes=True,
                    ),
                )

    def _divided(self, args: Any, kwargs: Any, result: Any) -> None:
        """See exponentials divided by their sum after they were multiplied with values."""
        given = list(tensors_in(args, kwargs))
        if len(given) != 2 or not isinstance(result, Tensor):
            return
        for pending in self._undivided:
            one, product = pending
            if product is not given[0] or not (one.axes.left and one.axes.result[-1:] == "Z"):
                continue
            sums = one.weights.sum(dim=-1, keepdim=True)
            share = sums.expand(*product.shape[:-1], 1)
            try:
                told = given[1].expand(*product.shape[:-1], given[1].shape[-1])[..., :1]
            except RuntimeError:
                continue
            if not torch.allclose(told, share, rtol=SAME_SUM):
                continue
            self._undivided.remove(pending)
            one.weights = one.weights / told
            one.laid = one.laid / one.laid.sum(dim=-1, keepdim=True)
            one.result = result
            self.weighings.append(one)
            return

    def _join(self, args: Any, kwargs: Any, result: Any) -> None:
        """See results laid side by side, along their channels or otherwise."""
        pieces = args[0] if args else kwargs.get("tensors")
        given = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))
        if not isinstance(pieces, (tuple, list)) or not isinstance(result, Tensor):
            return
        self._joins += 1
        by_result = {id(one.result): one for one in self.weighings}
        for piece in pieces:
            one = by_result.get(id(piece))
            if one is not None and isinstance(given, int) and piece.ndim:
                axis = one.axes.result[given % piece.ndim]
                own = axis in one.axes.values and axis not in one.axes.weights
                one.joined = (self._joins, own)

    def read(self) -> list[tuple[str, Tensor]]:
        """Bring what was found to [window, head, query, key]; run parts again to learn how."""
        found: list[tuple[int, str, Tensor]] = []
        groups: dict[int, list[Weighing]] = {}
        for one in self.weighings:
            groups.setdefault(id(one.call), []).append(one)
        for group in groups.values():
            read = [(one, layout) for one in group if (layout := self._layout(one)) is not None]
            pieces = self._together(read)
            if pieces is None:
                name = group[0].name
                self.unclear[name] = Unclear(
                    f"weighs values {len(read)} times in one run, side by side, and how they join "
                    "cannot be told",
                    "Say what it computes",
                    mixes=True,
                )
                continue
            for first, weights, errors in pieces:
                known = [error for error in errors if error is not None]
                self.errors[weights.data_ptr()] = max(known) if known else None
                found.append((first.number, first.name, weights))
        found.sort(key=lambda one: one[0])
        return [(name, weights) for _, name, weights in found]

    def _layout(self, one: Weighing) -> Layout | None:
        known = _layouts.setdefault(self.module, {})
        own = one.number - one.call.first
        part = self.module.get_submodule(one.name)
        shapes = (one.axes, one.laid.shape, one.values, head_count(part))
        key = (one.name, one.call.name, own, shapes)
        if key not in known:
            known[key] = read_layout(
                *(one.call, one.number, one.axes, one.laid.shape, one.shared),
                name=one.name,
                heads=head_count(part),
                earlier=[other.number for other in self.weighings if other.number < one.number],
            )
        read = known[key]
        if isinstance(read, Unclear):
            self.unclear.setdefault(one.name, read)
            return None
        return read

    def _together(
        self, group: Sequence[tuple[Weighing, Layout]]
    ) -> list[tuple[Weighing, Tensor, list[float | None]]] | None:
        """Say which products of one run are layers, and which are heads of one; None where neither."""
        each = [(one, layout.apply(one.laid.detach()), [one.error]) for one, layout in group]
        if len(each) < 2:
            return each
        joins = {one.joined for one, _, _ in each}
        shapes = {weights.shape for _, weights, _ in each}
        if len(joins) == 1 and len(shapes) == 1:
            join = next(iter(joins))
            if join is not None and join[1]:
                whole = torch.cat([weights for _, weights, _ in each], dim=1)
                return [(each[0][0], whole, [e for _, _, errors in each for e in errors])]
        ordered = [one for one, _, _ in each]
        if all(_needs(later, earlier) for earlier, later in pairwise(ordered)):
            return each
        return None


def _needs(later: Weighing, earlier: Weighing) -> bool:
    """Whether a product is made of the other's result."""
    call = later.call
    try:
        with unobserved(), preserved(call.part):
            run = run_marked(
                call, {later.number - call.first: later.axes}, spoiled=earlier.number - call.first
            )
    except RUN_ERRORS:
        return False
    reached = run.reached.get(later.number - call.first)
    return reached is not None and bool(reached.values.any())


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def is_users(part: nn.Module) -> bool:
    """Whether a part's axes have to be read off what it does, because no library's names tell them."""
    return not type(part).__module__.startswith(LIBRARIES)
