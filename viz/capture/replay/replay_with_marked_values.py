"""A part run again with some numbers marked, to see what they reach: values, scores, results.

What is marked is NaN, which every computation hands on and none invents. An element that reaches all
of an axis is mixed into it, as channels are into heads; one that reaches a single place of it belongs
there, as a token does to its place. So the axes of attention are read off what a part does, whatever
it calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from viz.capture.replay.product_axes import PRODUCTS, Axes, readings
from viz.capture.tiers.part_calls import PartCall

SOFTMAX = {torch.softmax, functional.softmax, Tensor.softmax, torch.special.softmax}
EXP = {torch.exp, Tensor.exp, Tensor.exp_, torch.exp_, torch.exp2, Tensor.exp2}

# Functions that lay numbers out anew and change none.
LAYOUT = {
    *("permute", "transpose", "t", "swapaxes", "swapdims", "movedim", "moveaxis", "__get__"),
    *("reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze", "expand", "contiguous"),
    *("chunk", "split", "unbind", "select", "narrow", "__getitem__", "ravel"),
}

# Given a tensor, returns it with some numbers marked.
Mark = Callable[[Tensor], Tensor]


@dataclass(slots=True)
class Reached:
    """What marked numbers reached in one product.

    Attributes:
        values: bool, as `Axes.values_laid_out` lays values out.
        scores: bool, as `Axes.laid_out` lays weights out, before the softmax; None where none is known.
    """

    values: Tensor
    scores: Tensor | None


@dataclass(slots=True)
class Given:
    """A tensor that a part, or one within it, was given.

    Attributes:
        shape: of it.
        products: how many had been made by the part when it was first given.
        live: whether anything that the part was given reaches it; parameters are not reached.
    """

    shape: torch.Size
    products: int
    live: bool = True


@dataclass(slots=True)
class MarkedRun:
    """One run of a part."""

    given: list[Given] = field(default_factory=list)
    reached: dict[int, Reached] = field(default_factory=dict)


def run_marked(
    call: PartCall,
    wanted: dict[int, Axes],
    *,
    target: int | None = None,
    mark: Mark | None = None,
    spoiled: int | None = None,
    flooded: bool = False,
) -> MarkedRun:
    """Run a part again.

    Args:
        call: as it ran.
        wanted: products of the part, by their number from 0, and what their axes are.
        target: which of the tensors given is marked, by their order; None for none.
        mark: marks it.
        spoiled: the product whose result is marked as a whole instead.
        flooded: whether all that the part was given is marked as a whole instead.

    Raises:
        Whatever the part raises that is given such numbers.
    """
    run = MarkedRun()
    mode = _Marking(run, wanted, spoiled)
    names: dict[int, int] = {}
    held: list[Tensor] = []  # lest another tensor get the identity of one that is gone
    marked: list[Tensor] = []

    def replaced(value: Any) -> Any:
        if isinstance(value, (tuple, list)) and type(value) in (tuple, list):
            return type(value)(replaced(one) for one in value)
        if not _is_activation(value):
            return value
        number = names.get(id(value))
        if number is None:
            number = names[id(value)] = len(run.given)
            held.append(value)
            live = not flooded or bool(value.isnan().any())
            run.given.append(Given(value.shape, mode.products, live))
        if number != target or mark is None:
            return value
        if not marked:
            marked.append(mark(value))
            names[id(marked[0])] = number
            held.append(marked[0])
        return marked[0]

    def before(
        _part: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return replaced(args), {name: replaced(value) for name, value in kwargs.items()}

    handles = [
        part.register_forward_pre_hook(before, with_kwargs=True)
        for part in call.part.modules()
        if part is not call.part
    ]
    try:
        args, kwargs = call.args, call.kwargs
        flooded = flooded and any(_is_activation(one) for one in tensors_in(args, kwargs))
        if flooded:
            done: dict[int, Tensor] = {}
            args = _flood(args, done)
            kwargs = {name: _flood(value, done) for name, value in kwargs.items()}
        args = replaced(args)
        kwargs = {name: replaced(value) for name, value in kwargs.items()}
        with torch.inference_mode(), mode:
            call.part.forward(*args, **kwargs)
    except _AllSeenError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return run


def _is_activation(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.ndim >= 2


def _flood(value: Any, done: dict[int, Tensor]) -> Any:
    """Mark everything; what is given twice stays one."""
    if type(value) in (tuple, list):
        return type(value)(_flood(one, done) for one in value)
    if not _is_activation(value):
        return value
    return done.setdefault(id(value), torch.full_like(value, torch.nan))


class _AllSeenError(Exception):
    """Nothing that is wanted comes after this."""


class _Marking(TorchFunctionMode):
    """Counts products, and looks at what reached those that are wanted."""

    def __init__(self, run: MarkedRun, wanted: dict[int, Axes], spoiled: int | None) -> None:
        super().__init__()
        self.products = 0
        self._run = run
        self._wanted = wanted
        self._spoiled = spoiled
        self._last = max(wanted, default=-1)
        # What scores of which each tensor was made had been reached; held, as above.
        self._scores: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in PRODUCTS or func is torch.einsum:
            result = self._product(func, args, kwargs, result)
        elif func in SOFTMAX or func in EXP:
            first = next(tensors_in(args, kwargs), None)
            if first is not None and isinstance(result, Tensor) and first.shape == result.shape:
                known = self._scores.get(id(first))
                self._keep(result, first.isnan() if known is None else known[1])
        else:
            self._hand_on(func, args, kwargs, result)
        return result

    def _product(
        self, func: Callable[..., Any], args: Any, kwargs: dict[str, Any], result: Any
    ) -> Any:
        number, self.products = self.products, self.products + 1
        if number == self._spoiled:
            return torch.full_like(result, torch.nan)
        axes = self._wanted.get(number)
        for weights, values, own in readings(func, args, kwargs) if axes else ():
            if own != axes:
                continue
            known = self._scores.get(id(weights))
            scores = None if known is None else own.laid_out(known[1], values)
            self._run.reached[number] = Reached(
                own.values_laid_out(weights, values).isnan(), scores
            )
        if isinstance(result, Tensor):
            # Scores are a product, too: what is done to them before the softmax may spread a mark.
            self._keep(result, result.isnan())
        if number >= self._last:
            raise _AllSeenError
        return result

    def _hand_on(
        self, func: Callable[..., Any], args: Any, kwargs: dict[str, Any], result: Any
    ) -> None:
        """Let what is made of scores inherit what reached them."""
        source = next((t for t in tensors_in(args, kwargs) if id(t) in self._scores), None)
        if source is None:
            return
        reached = self._scores[id(source)][1]
        name = getattr(func, "__name__", "")
        if name in LAYOUT and args and args[0] is source:
            try:
                laid = func(reached, *args[1:], **kwargs)
            except (RuntimeError, TypeError, IndexError):
                return
            pairs = zip(_as_tuple(result), _as_tuple(laid), strict=False)
            for one, mask in pairs:
                if isinstance(one, Tensor) and isinstance(mask, Tensor):
                    self._keep(one, mask)
        elif isinstance(result, Tensor) and result.shape == reached.shape:
            self._keep(result, reached)

    def _keep(self, tensor: Tensor, reached: Tensor) -> None:
        self._scores[id(tensor)] = (tensor, reached)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def tensors_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Tensor]:
    """Every tensor among the arguments of a function."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from (one for one in value if isinstance(one, Tensor))
