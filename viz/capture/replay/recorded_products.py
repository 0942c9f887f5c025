"""The products of weights and values that a part makes when it runs, and what their axes are.

Local and block-sparse attention multiplies its weights with its values piece by piece: blocks of keys,
padded, repeated, gathered. What the pieces are differs from model to model; that each is a product of
two tensors, of which one came from the values, does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from viz.capture.replay.product_axes import PRODUCTS

# Letters that stand for the axes of an ellipsis, and for those of a plain product.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Given the number of a product and itself, returns what takes the place of its result.
Replace = Callable[[int, "Product"], Tensor]


@dataclass(frozen=True, slots=True)
class Product:
    """Two factors and their product, with a letter for every axis of each."""

    first: Tensor
    second: Tensor
    result: Tensor
    axes: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Weighing:
    """A product of weights with values, brought to one form.

    Attributes:
        weights: [piece, query, key].
        values: [piece, key, d].
        letters: of its axes.
        sizes: of those of a piece, of the queries and of d.
        order: its axes, first those of a piece, then the queries', then d's.
    """

    weights: Tensor
    values: Tensor
    letters: str
    sizes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    order: str

    def laid_out(self, numbers: Tensor) -> Tensor:
        """Bring [piece, query, d] to the shape of the product."""
        pieces, queries, channels = self.sizes
        whole = numbers.reshape(*pieces, *queries, *channels)
        return whole.permute([self.order.index(letter) for letter in self.letters])


class Products(TorchFunctionMode):
    """Keeps the products that are made in this thread, and puts others in their place."""

    def __init__(self, replace: Replace) -> None:
        super().__init__()
        self.made: list[Product] = []
        self._replace = replace

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        product = _product(func, args, kwargs or {}, result)
        if product is None:
            return result
        self.made.append(product)
        return self._replace(len(self.made) - 1, product)


class ProductLog:
    """Products of the parts that run, each for as long as it does; inner parts' are their wholes', too."""

    def __init__(self) -> None:
        self._running: list[list[Product]] = []

    def begin(self) -> list[Product]:
        """Begin to note; whoever is given the list is to end it."""
        self._running.append([])
        return self._running[-1]

    def end(self, noted: list[Product]) -> None:
        """End what was begun, and whatever was begun since then and never ended."""
        while self._running and self._running.pop() is not noted:
            pass

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Note nothing for a while: what a part is run again for is no pass of its whole."""
        running, self._running = self._running, []
        try:
            yield
        finally:
            self._running = running

    def clear(self) -> None:
        """Let go of what was begun and never ended, because a part raised."""
        self._running = []

    def see(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        """Note a product for every part that runs."""
        product = _product(func, args, kwargs, result) if self._running else None
        if product is not None:
            for noted in self._running:
                noted.append(product)


def _product(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Product | None:
    if func in PRODUCTS:
        factors = [one for one in (*args, *kwargs.values()) if isinstance(one, Tensor)]
        if len(factors) != 2 or min(one.ndim for one in factors) < 2:
            return None
        first, second = factors
        return Product(first, second, result, _plain_axes(first, second))
    if func is torch.einsum and isinstance(args[0], str):
        factors = list(args[1] if isinstance(args[1], (tuple, list)) else args[1:])
        axes = axes_of(args[0], factors) if len(factors) == 2 else None
        return None if axes is None else Product(factors[0], factors[1], result, axes)
    return None


def _plain_axes(first: Tensor, second: Tensor) -> tuple[str, str, str]:
    """Name the axes of a product of matrices; those before them are broadcast from the right."""
    ahead = LETTERS[: max(first.ndim, second.ndim) - 2]
    one, other = ahead[len(ahead) - first.ndim + 2 :], ahead[len(ahead) - second.ndim + 2 :]
    return f"{one}xy", f"{other}yz", f"{ahead}xz"


def axes_of(equation: str, factors: Sequence[Tensor]) -> tuple[str, str, str] | None:
    """Name the axes of an einsum; None where it does not say what comes out, or repeats an axis."""
    given, arrow, out = equation.replace(" ", "").partition("->")
    terms = given.split(",")
    if not arrow or len(terms) != 2:
        return None
    spread = [
        len(factor.shape) - len(term.replace("...", "")) if "..." in term else 0
        for term, factor in zip(terms, factors, strict=True)
    ]
    free = [letter for letter in LETTERS if letter not in equation][: max(spread)]
    first, second = (
        term.replace("...", "".join(free[len(free) - count :]))
        for term, count in zip(terms, spread, strict=True)
    )
    out = out.replace("...", "".join(free))
    if any(len(set(term)) < len(term) for term in (first, second, out)):
        return None
    return first, second, out


def weighing(product: Product, *, values_first: bool) -> Weighing | None:
    """Bring a product of weights with values to one form; None where it is of another.

    Args:
        product: of which one factor are values.
        values_first: whether that is the first.
    """
    weights, values = product.first, product.second
    of_weights, of_values, out = product.axes
    if values_first:
        weights, values, of_weights, of_values = values, weights, of_values, of_weights
    keys = [a for a in of_weights if a in of_values and a not in out]
    queries = [a for a in out if a in of_weights and a not in of_values]
    channels = [a for a in out if a in of_values and a not in of_weights]
    pieces = [a for a in out if a in of_values and a in of_weights]
    everything = {*keys, *queries, *channels, *pieces}
    if not keys or not channels or everything != {*of_weights, *of_values, *out}:
        return None
    size = dict(zip(out, product.result.shape, strict=True))
    for letters, tensor in ((of_weights, weights), (of_values, values)):
        for letter, length in zip(letters, tensor.shape, strict=True):
            size[letter] = max(size.get(letter, 1), length)

    def arranged(tensor: Tensor, letters: str, *groups: list[str]) -> Tensor:
        order = [letter for group in groups for letter in group]
        missing = [letter for letter in order if letter not in letters]
        whole = tensor.reshape(*tensor.shape, *(1 for _ in missing))
        named = letters + "".join(missing)
        whole = whole.permute([named.index(letter) for letter in order])
        whole = whole.expand([size[letter] for letter in order])
        return whole.reshape([_count(size, group) for group in groups])

    return Weighing(
        weights=arranged(weights, of_weights, pieces, queries, keys),
        values=arranged(values, of_values, pieces, keys, channels),
        letters=out,
        sizes=(
            tuple(size[a] for a in pieces),
            tuple(size[a] for a in queries),
            tuple(size[a] for a in channels),
        ),
        order="".join([*pieces, *queries, *channels]),
    )


def _count(size: dict[str, int], letters: list[str]) -> int:
    count = 1
    for letter in letters:
        count *= size[letter]
    return count
