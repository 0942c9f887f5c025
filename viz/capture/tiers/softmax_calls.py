"""Which weights a model multiplies with values: the proof of those that it returns.

And a way to those that it does not return: a softmax whose result is multiplied with values is
attention, whoever wrote it. Both are exact by construction, because they are the very tensor that the
model multiplied its values with. What is multiplied and then multiplied again (weights mixed over
heads, landmarks, two hops) is a step on the way to weights, and no weights.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from viz.capture.replay.product_axes import PRODUCTS
from viz.capture.replay.recorded_products import ProductLog, axes_of
from viz.capture.tiers.hand_written import ByHand, is_users
from viz.capture.tiers.part_calls import RunningParts
from viz.capture.tiers.registry import is_covered
from viz.capture.tiers.running_part import calling_part
from viz.models.head_count import head_count
from viz.models.part_names import part_names

SOFTMAX = {torch.softmax, functional.softmax, Tensor.softmax}

# How far the last row of what may be weights may be from summing to 1; enough for every dtype.
LIKELY = 2e-2

# How streams of one part are told apart in its name.
STREAM = "#"
STREAMS = ("content", "query")

# Softmaxes that wait for their product; a router's never comes.
WAITING = 4

# Rows or pieces of each product that are computed once more, and numbers of one that is done as a whole.
CHECKED_ROWS = 8
CHECKED_PIECES = 2
MOST_AGAIN = 1 << 24


@dataclass(frozen=True, slots=True)
class Multiplied:
    """Weights as they were when they were multiplied.

    Attributes:
        weights: the tensor itself.
        last: its last rows, copied then, because a model may change it afterwards.
        values: what it was multiplied with; None where that is not one tensor.
        result: the product; held, so that no other tensor comes to lie there.
        error: max |weights @ v - result| of the last rows, the former summed in a wider type; None
            where that would cost too much.
    """

    weights: Tensor
    last: Tensor
    values: Tensor | None
    result: Tensor
    error: float | None

    def is_same(self, tensor: Tensor) -> bool:
        """Whether a tensor is these weights, still as they were."""
        return (
            tensor.data_ptr() == self.weights.data_ptr()
            and tensor.numel() == self.weights.numel()
            and tensor.shape[-1] == self.weights.shape[-1]
            and torch.equal(self.weights[..., -1, :], self.last)
        )


class Softmaxes(TorchFunctionMode):
    """Watches for softmaxes in this thread, and keeps those that are multiplied with values.

    Attributes:
        found: the part that computed each, and its weights [batch or window, head, query, key].
        multiplied: whatever looked like weights and was multiplied, in any number of dimensions.
        dropped: parts whose softmax weighed something on the way to something else.
        log: products of the parts that run, noted for whoever asks.
        several: parts that multiplied several softmaxes in one run, so that each is but a share of
            their pattern.
        errors: of the product of what was found or multiplied, by where its numbers lie; there
            once the pass has ended.
        by_hand: products in parts of no library that is known here, whose axes have to be read off
            what they do; None where there are no such parts.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.log = ProductLog()
        self.names: dict[int, str] = part_names(module)
        self.module = module
        self.found: list[tuple[str, Tensor]] = []
        self.multiplied: list[Multiplied] = []
        self.several: set[str] = set()
        self.dropped: set[str] = set()
        self._made: set[str] = set()
        self.errors: dict[int, float | None] = {}
        self._waiting: list[Tensor] = []
        self._told = 0
        self._handles: list[Any] = []
        self._owner = threading.get_ident()
        self._parameters = {
            parameter.untyped_storage().data_ptr() for parameter in module.parameters()
        }
        self._running = RunningParts(module, lambda: self.by_hand.products if self.by_hand else 0)
        self.by_hand: ByHand | None = None
        if any(is_users(part) for part in module.modules()):
            self.by_hand = ByHand(
                module, self._running, self._calling, _product_error, parameters=self._parameters
            )

    def _calling(self) -> str:
        """Name the part of this module whose code is running."""
        return str(self.names[id(calling_part(self.names, self.module))])

    def __enter__(self) -> Softmaxes:
        for name, part in self.module.named_modules():

            def ended(part: nn.Module, _given: Any, _output: Any, name: str = name) -> None:
                if threading.get_ident() == self._owner and not is_covered():
                    self._end_of(name, part)

            if name:
                self._handles.append(part.register_forward_hook(ended))
        if self.by_hand is not None:
            self._running.__enter__()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *details: Any) -> None:
        super().__exit__(*details)  # type: ignore[no-untyped-call]
        self._running.__exit__(*details)
        for handle in self._handles:
            handle.remove()
        # Found first, and only afterwards seen to be a step on the way.
        kept = {id(one.weights) for one in self.multiplied}
        self.dropped = {name for name, weights in self.found if id(weights) not in kept}
        # What is cut, mixed or scaled before it weighs something is not found again.
        self.dropped |= self._made - {name for name, _ in self.found}
        self.found = [pair for pair in self.found if id(pair[1]) in kept]
        for one in self.multiplied:
            self.errors.setdefault(one.weights.data_ptr(), one.error)
        found, self.found = self.found, []
        for name, weights in found:
            by_head = self.by_head(name, weights)
            if by_head is not None:
                self.errors[by_head.data_ptr()] = self.errors[weights.data_ptr()]
                self.found.append((name, by_head))

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.by_hand is not None:
            self.by_hand.saw(func, args, kwargs or {}, result)
        self.log.see(func, args, kwargs or {}, result)
        if is_covered():
            return result
        if func in SOFTMAX and result.ndim >= 3:
            self._waiting = [*self._waiting[-WAITING:], result]
            if self.by_hand is not None and result.ndim > 3:
                self._made.add(self._calling())
        elif func in PRODUCTS:
            given = [*args, *(kwargs or {}).values()]
            factors = [one for one in given if isinstance(one, Tensor)]
            # Values may stand on the left, channels first, and weights beside them turned.
            turned = [one.mT for one in factors[1:] if one.ndim >= 3 and self._waits(one.mT)]
            self._multiply(factors, [*factors[:1], *turned], result, func)
        elif func is torch.einsum:
            operands = args[1] if isinstance(args[1], (tuple, list)) else args[1:]
            self._multiply(list(operands), operands, result, partial(func, args[0]))
        return result

    def release(self) -> None:
        """Let go of what was kept: it refers to itself, and would wait for Python to collect it."""
        self.found, self.multiplied, self._waiting = [], [], []
        self.by_hand = None
        self.log.clear()

    def made(self) -> list[tuple[str, Multiplied]]:
        """List what was found so far, with what it was multiplied with."""
        kept = {id(one.weights): one for one in self.multiplied}
        return [(name, kept[id(one)]) for name, one in self.found if id(one) in kept]

    def _multiply(
        self,
        factors: list[Tensor],
        candidates: Sequence[Tensor],
        result: Tensor,
        product: Callable[..., Tensor],
    ) -> None:
        """Note a product: of weights with values, or of what such a product made."""
        ours = [one.untyped_storage().data_ptr() not in self._parameters for one in factors]
        if all(ours):
            pointers = {one.data_ptr() for one in factors}
            before = len(self.multiplied)
            self.multiplied = [
                one for one in self.multiplied if one.result.data_ptr() not in pointers
            ]
            if len(self.multiplied) < before:
                return  # a product of products: what is weighed are no values
        for factor in candidates:
            if factor.ndim < 3 or not factor.is_floating_point() or not factor.numel():
                continue
            last = factor[..., -1, :]
            some = last[(0,) * (last.ndim - 1)].float()
            if abs(float(some.sum()) - 1) < LIKELY or not bool(some.any()):
                error = _product_error(product, factors, result, rows=product in PRODUCTS)
                others = [one for one in factors if one.data_ptr() != factor.data_ptr()]
                values = others[0] if len(others) == 1 else None
                self.multiplied.append(Multiplied(factor, last.clone(), values, result, error))
                self._weigh(factor)

    def _weigh(self, factor: Tensor) -> None:
        """Keep a softmax that turns out to weigh something."""
        for number, weights in enumerate(self._waiting):
            if _is_view(factor, weights):
                del self._waiting[number]
                part = calling_part(self.names, self.module)
                self.found.append((self.names[id(part)], factor))
                return

    def _waits(self, factor: Tensor) -> bool:
        """Whether this is a softmax that waits for its product, as its rows stand."""
        return any(
            _is_view(factor, weights) and factor.stride()[-2:] == weights.stride()[-2:]
            for weights in self._waiting
        )

    def _end_of(self, name: str, part: nn.Module) -> None:
        """Tell two streams of a part apart, once it has run; any other two are shares of a pattern.

        XLNet's layers look twice with the same keys: from contents, and from positions whose
        content is to be guessed.
        """
        mine = [n for n in range(self._told, len(self.found)) if self.found[n][0] == name]
        if len(mine) == len(STREAMS) and "XLNet" in type(part).__name__:
            for number, stream in zip(mine, STREAMS, strict=True):
                self.found[number] = (f"{name}{STREAM}{stream}", self.found[number][1])
        elif len(mine) > 1:
            self.several.add(name)
        if mine:
            self._told = len(self.found)

    def by_head(self, name: str, weights: Tensor) -> Tensor | None:
        """Bring weights to [batch or window, head, query, key]; None where heads cannot be told."""
        part = self.module.get_submodule(name.partition(STREAM)[0])
        weights = weights.detach()
        if weights.ndim == 4:
            return weights
        heads = head_count(part)
        if heads is None:
            return None
        if weights.ndim == 3:
            whole = weights.shape[0] % heads == 0
            return weights.reshape(-1, heads, *weights.shape[1:]) if whole else None
        middle = [dim for dim in range(1, weights.ndim - 2) if weights.shape[dim] == heads]
        if len(middle) != 1:
            return None
        return weights.movedim(middle[0], -3).flatten(0, -4)


def _is_view(factor: Tensor, weights: Tensor) -> bool:
    """Whether a factor is these weights, batch and heads folded or not."""
    return factor.data_ptr() == weights.data_ptr() and factor.shape[-2:] == weights.shape[-2:]


def _product_error(
    product: Callable[..., Tensor], factors: Sequence[Tensor], result: Tensor, *, rows: bool
) -> float | None:
    """How far a product is from the same one in a wider type.

    Args:
        product: makes the result of the factors.
        factors: of which the first has rows of its own, which are those of the result, if `rows`.
    """
    if rows and result.ndim == factors[0].ndim:
        first, *rest = factors
        factors, result = [first[..., -CHECKED_ROWS:, :], *rest], result[..., -CHECKED_ROWS:, :]
    elif isinstance(product, partial) and len(factors) == 2:
        *factors, result = _some_pieces(str(product.args[0]), [*factors], result)
    # Of one factor alone, XLNet's weights laid out anew, there is no product.
    if len(factors) < 2 or sum(one.numel() for one in factors) > MOST_AGAIN:
        return None
    with torch.inference_mode():
        exact = product(*map(_wider, factors))
        return float((exact - result).abs().max()) if result.numel() else None


def _some_pieces(equation: str, factors: list[Tensor], result: Tensor) -> list[Tensor]:
    """Take some of the pieces of an einsum, along the longest axis that all three have."""
    axes = axes_of(equation, factors)
    if axes is None:
        return [*factors, result]
    shared = [letter for letter in axes[2] if letter in axes[0] and letter in axes[1]]
    lengths = dict(zip(axes[2], result.shape, strict=True))
    longest = max(shared, key=lengths.__getitem__, default="")
    tensors = [*factors, result]
    at = [letters.find(longest) for letters in axes] if longest else []
    if not at or any(one.shape[n] != lengths[longest] for one, n in zip(tensors, at, strict=True)):
        return tensors
    first = max(0, lengths[longest] - CHECKED_PIECES)
    return [
        one.narrow(n, first, lengths[longest] - first) for one, n in zip(tensors, at, strict=True)
    ]


def _wider(tensor: Tensor) -> Tensor:
    """Bring a tensor to a type whose rounding does not count beside its own."""
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.float() if half or tensor.device.type == "mps" else tensor.double()
