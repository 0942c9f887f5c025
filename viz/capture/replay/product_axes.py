"""A product of two tensors, read as weights times values: which axes are summed, shared, or their own.

`weights @ values`, `values.mT @ weights.mT` and an einsum of either say the same. Here each is brought
to one form, in which every axis has a meaning of its own: weights [shared.., query.., key] and values
[shared.., key, channel]. Heads, items and windows are shared axes, where values have them; a head that
shares its values with others is an axis of the weights alone, as queries are.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm}

# How far a row of weights may be from summing to 1, by what its dtype rounds.
ROW_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
HALF_ROW_TOLERANCE = 2e-2


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes of a product's factors are, by letters.

    Attributes:
        weights: of the factor that weighs, in its own order.
        values: of the other.
        result: of the product.
        left: whether the factor that weighs stands first.
    """

    weights: str
    values: str
    result: str
    left: bool

    @property
    def keys(self) -> str:
        """Axes that are summed over."""
        return "".join(a for a in self.weights if a in self.values and a not in self.result)

    def shared(self, weights: Tensor, values: Tensor) -> str:
        """Axes that both have in full, in the order of the weights."""
        return "".join(
            a
            for n, a in enumerate(self.weights)
            if a in self.values
            and a in self.result
            and (values.shape[self.values.index(a)] == weights.shape[n])
        )

    def queries(self, weights: Tensor, values: Tensor) -> str:
        """Axes that weights alone have, or have in full: queries, and heads that share values."""
        shared = self.shared(weights, values)
        return "".join(a for a in self.weights if a not in self.keys and a not in shared)

    def laid_out(self, weights: Tensor, values: Tensor) -> Tensor:
        """Lay out weights, or anything of their shape: [shared.., query.., key]."""
        shared, queries = self.shared(weights, values), self.queries(weights, values)
        order = [self.weights.index(a) for a in (*shared, *queries, *self.keys)]
        turned = weights.permute(order)
        return turned.flatten(-len(self.keys)) if len(self.keys) > 1 else turned

    def values_laid_out(self, weights: Tensor, values: Tensor) -> Tensor:
        """Lay out values: [shared.., key, channel], channels being all that is left."""
        shared = self.shared(weights, values)
        rest = [a for a in self.values if a not in self.keys and a not in shared]
        order = [self.values.index(a) for a in (*shared, *self.keys, *rest)]
        turned = values.permute(order)
        keys, lead = len(self.keys), len(shared)
        return turned.reshape(*turned.shape[:lead], _count(turned.shape[lead : lead + keys]), -1)


def _count(sizes: Sequence[int]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count


def readings(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[Tensor, Tensor, Axes]]:
    """Read a product both ways: the first factor as weights of the second, and the other way round.

    Returns:
        Weights, values and their axes of each reading that sums over some axis; nothing where the
        function is no product of two tensors.
    """
    if func is torch.einsum:
        parsed = _einsum(args)
    elif func in PRODUCTS:
        parsed = _matmul([*args, *kwargs.values()])
    else:
        return []
    if parsed is None:
        return []
    first, second, one, other, result = parsed
    both = [
        (first, second, Axes(one, other, result, True)),
        (second, first, Axes(other, one, result, False)),
    ]
    return [reading for reading in both if reading[2].keys and len(reading[2].weights) > 1]


Parsed = tuple[Tensor, Tensor, str, str, str]


def _matmul(given: Sequence[Any]) -> Parsed | None:
    factors = [one for one in given if isinstance(one, Tensor)]
    if len(factors) != 2 or min(one.ndim for one in factors) < 2:
        return None
    first, second = factors
    lead = string.ascii_lowercase[: max(first.ndim, second.ndim) - 2]
    one = lead[len(lead) - (first.ndim - 2) :] + "XY"
    other = lead[len(lead) - (second.ndim - 2) :] + "YZ"
    return first, second, one, other, lead + "XZ"


def _einsum(args: tuple[Any, ...]) -> Parsed | None:
    if len(args) < 2 or not isinstance(args[0], str):
        return None
    operands = args[1] if isinstance(args[1], (tuple, list)) else args[1:]
    sides, arrow, result = args[0].replace(" ", "").partition("->")
    terms = sides.split(",")
    if len(operands) != 2 or len(terms) != 2:
        return None
    used = set(args[0])
    spare = [a for a in string.ascii_letters if a not in used]
    most = max(
        one.ndim - len(term.replace("...", ""))
        for one, term in zip(operands, terms, strict=True)
        if isinstance(one, Tensor)
    )
    dots = "".join(spare[: max(0, most)])
    spelled = []
    for one, term in zip(operands, terms, strict=True):
        count = one.ndim - len(term.replace("...", ""))
        spelled.append(term.replace("...", dots[len(dots) - count :] if count else ""))
    if not arrow:
        letters = sorted(set(spelled[0] + spelled[1]) - set(dots))
        result = dots + "".join(a for a in letters if (spelled[0] + spelled[1]).count(a) == 1)
    else:
        result = result.replace("...", dots)
    if any(len(set(term)) < len(term) for term in spelled):
        return None  # a diagonal
    return operands[0], operands[1], spelled[0], spelled[1], result


def are_means(weights: Tensor, axes: Axes) -> bool:
    """Whether what is summed is a mean: no weight below 0, rows that sum to 1 or look at nothing."""
    if not weights.is_floating_point() or not weights.numel() or axes.keys == "":
        return False
    dims = tuple(axes.weights.index(a) for a in axes.keys)
    sums = weights.sum(dim=dims, dtype=torch.promote_types(weights.dtype, torch.float32))
    tolerance = ROW_TOLERANCE.get(weights.dtype, HALF_ROW_TOLERANCE)
    full = (sums - 1).abs() <= tolerance
    # Negated, so that NaN does not pass.
    return (
        bool(full.any())
        and bool((full | (sums == 0)).all())
        and not bool((weights < 0).any())
        and not bool(weights.isnan().any())
    )
