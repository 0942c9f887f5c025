"""What is added to the residual stream of a model, found by watching its sums, whatever its parts are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Notes that are left on the tensors themselves, which lie nowhere else for the length of a pass.
TERMS, MADE = "_loupe_terms", "_loupe_made"

ADDITIONS: frozenset[Any] = frozenset(
    {
        *(torch.add, torch.Tensor.add, torch.Tensor.add_),
        *(torch.Tensor.__add__, torch.Tensor.__radd__, torch.Tensor.__iadd__),
    }
)

# What hands on the same numbers, or a multiple of them.
PASSING: frozenset[Any] = frozenset(
    {
        *(torch.mul, torch.Tensor.mul, torch.Tensor.__mul__, torch.Tensor.__rmul__),
        *(torch.Tensor.to, torch.Tensor.float, torch.Tensor.type_as, torch.Tensor.contiguous),
        *(torch.Tensor.clone, torch.Tensor.__getitem__, torch.nn.functional.dropout),
        *(torch.div, torch.Tensor.div, torch.Tensor.__truediv__),
        *(torch.Tensor.view, torch.Tensor.reshape, torch.reshape),
    }
)


@dataclass(frozen=True, slots=True)
class Maker:
    """A part that returned a tensor.

    Attributes:
        name: of the part.
        part: itself.
        given: the first tensor that it was handed.
        result: what it returned.
        turn: which of its calls this was, from 0.
    """

    name: str
    part: nn.Module
    given: Tensor | None
    result: Tensor
    turn: int

    @property
    def source(self) -> Tensor | None:
        """What it was handed, where that is of the same shape as what it returned."""
        same = self.given is not None and self.given.shape == self.result.shape
        return self.given if same else None


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that is added to the stream.

    Attributes:
        makers: the parts that returned it, the innermost first; none where it was computed between parts.
        vector: what it adds at the position, [d_model]; it can be differentiated.
        within: the part in which it was added first.
        number: of the term, in the order in which they were added.
    """

    makers: tuple[Maker, ...]
    vector: Tensor
    within: str
    number: int


@dataclass(slots=True)
class StreamTracer(TorchFunctionMode):
    """Notes on every sum of a pass what it is a sum of, and on every tensor which parts returned it.

    Attributes:
        item: which input of the batch.
        position: at which terms are kept.
        length: of the text; what has another number of rows is no state of it.
        within: the names of the parts that are running, the outermost first.
        turns: how many calls of each part are done, by name.
        states: is handed each sum and each of its terms, [batch, position, d_model], and what it is a sum of.
        count: of terms.
    """

    item: int
    position: int
    length: int
    states: Callable[[Tensor, tuple[Term, ...]], None] | None = None
    within: list[str] = field(default_factory=list)
    turns: Counter[str] = field(default_factory=Counter)
    count: int = 0

    def __post_init__(self) -> None:
        TorchFunctionMode.__init__(self)

    def __torch_function__(
        self,
        func: Any,
        _types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, and note what its result is made of."""
        options = kwargs or {}
        terms = None
        if func in ADDITIONS and not options and len(args) == 2 and self._are_states(*args):
            # Before it is called, because it may write over what it is handed.
            terms = (*self._terms_of(args[0]), *self._terms_of(args[1]))
        result = func(*args, **options)
        if terms is not None and isinstance(result, Tensor):
            setattr(result, TERMS, terms)
            vars(result).pop(MADE, None)
            if self.states is not None:
                self.states(result, terms)
        elif func in PASSING and isinstance(result, Tensor) and args and result is not args[0]:
            self._hand_on(args, result)
        return result

    def _terms_of(self, states: Tensor) -> tuple[Term, ...]:
        known: tuple[Term, ...] | None = getattr(states, TERMS, None)
        if known is not None:
            return known
        # A copy, lest what is added in place changes it.
        rows = states if states.ndim == 2 else states[self.item if len(states) > 1 else 0]
        where = self.within[-1] if self.within else ""
        self.count += 1
        term = Term(makers_of(states), rows[self.position].clone(), where, self.count)
        if self.states is not None and states.ndim == 3:
            self.states(states, (term,))
        return (term,)

    def _are_states(self, one: Any, other: Any) -> bool:
        """Whether two tensors are states of all positions; one of them may be shared by the whole batch."""
        return (
            isinstance(one, Tensor)
            and isinstance(other, Tensor)
            and {one.ndim, other.ndim} <= {2, 3}
            and 3 in (one.ndim, other.ndim)
            and one.shape[-2:] == other.shape[-2:]
            and one.shape[-2] == self.length
            and one.is_floating_point()
            and other.is_floating_point()
        )

    @staticmethod
    def _hand_on(args: tuple[Any, ...], result: Tensor) -> None:
        """Leave on a result what is known of what it was made of, if that was one tensor of its shape."""
        sources = [one for one in args if isinstance(one, Tensor) and one.numel() > 1]
        if len(sources) != 1 or sources[0].shape != result.shape or hasattr(result, MADE):
            return
        if made := makers_of(sources[0]):
            setattr(result, MADE, made)


def makers_of(tensor: Tensor) -> tuple[Maker, ...]:
    """Name the parts that returned a tensor, the innermost first."""
    made: tuple[Maker, ...] = getattr(tensor, MADE, ())
    return made


def line_of(makers: tuple[Maker, ...]) -> tuple[Maker, ...]:
    """Follow what parts returned back through single operations, such as a norm behind an MLP, to what they were handed."""
    line = makers
    while makers and not any(makers[-1].part.children()) and makers[-1].source is not None:
        makers = makers_of(makers[-1].source)
        line += makers
    return line


def terms_of(tensor: Tensor) -> tuple[Term, ...]:
    """List what a tensor is a sum of; nothing where it is no sum."""
    terms: tuple[Term, ...] = getattr(tensor, TERMS, ())
    return terms


@contextmanager
def traced(module: nn.Module, tracer: StreamTracer) -> Iterator[None]:
    """Let a tracer see a pass of a module."""
    handles = []
    for name, part in module.named_modules():
        if name:
            handles.append(part.register_forward_pre_hook(_entering(name, tracer.within)))
            handles.append(part.register_forward_hook(_noting(name, tracer)))
    try:
        with tracer:
            yield
    finally:
        for handle in handles:
            handle.remove()


def _entering(name: str, within: list[str]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    return lambda _part, _args: within.append(name)


def _noting(name: str, tracer: StreamTracer) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def note(part: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        tracer.within.pop()
        turn = tracer.turns[name]
        tracer.turns[name] += 1
        result = output[0] if isinstance(output, (tuple, list)) and output else output
        if not isinstance(result, Tensor) or not result.is_floating_point():
            return
        given = args[0] if args and isinstance(args[0], Tensor) else None
        if given is result:
            # Dropout that is off hands on what it was handed.
            return
        setattr(result, MADE, (*makers_of(result), Maker(name, part, given, result, turn)))

    return note


def nearest(names: Sequence[str], name: str) -> list[str]:
    """Say which of some names share the most dotted parts with another."""
    parts = name.split(".")

    def shared(other: str) -> int:
        pairs = zip(parts, other.split("."), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    counts = [shared(one) for one in names]
    return [one for one, count in zip(names, counts, strict=True) if count == max(counts)]
