"""Attention with matrices as textbooks write them: Q = X W_Q, one column a dimension."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from viz.errors import ShapeError
from viz.models.custom.attention_module import Attention
from viz.models.custom.option_checks import either

# Three tokens of width 3, and matrices that make every number easy to follow.
EXAMPLE_TOKENS = ((1, 0, 1), (0, 1, 0), (1, 1, 1))
EXAMPLE_QUERY = ((1, 1, 1), (1, 1, 1), (1, 1, 1))
EXAMPLE_KEY = ((1, 0, 1), (0, 1, 0), (1, 1, 1))
EXAMPLE_VALUE = ((1, 1, 0), (0, 1, 1), (1, 1, 1))


def from_matrices(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor | None = None,
    *,
    heads: int = 1,
    **options: Any,
) -> Attention:
    """Build an attention from given matrices, without biases.

    Args:
        query: W_Q, shape [d_model, heads * d_head].
        key: W_K, shape [kdim, heads * d_head].
        value: W_V, shape [vdim, heads * d_value].
        output: W_O, shape [heads * d_value, d_model]; None leaves joined heads as they are.
        heads: how many.
        options: further ones of `Attention`, such as `causal`.

    Returns:
        In evaluation mode, without gradients, in the dtype of `query`.

    Raises:
        ShapeError: the matrices do not fit each other.
        ConfigError: the options do not fit.
    """
    given = {"W_Q": query, "W_K": key, "W_V": value} | ({} if output is None else {"W_O": output})
    for name, matrix in given.items():
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ShapeError(
                f"{name} has shape {tuple(matrix.shape)}.",
                "Give rows and columns, one each at least.",
            )
    widths = {name: matrix.shape[1] for name, matrix in given.items() if name != "W_O"}
    if any(width % heads for width in widths.values()):
        common = math.gcd(*widths.values())
        fitting = [count for count in range(1, common + 1) if common % count == 0]
        raise ShapeError(
            f"{_columns(widths)}, which {heads} heads cannot share equally.",
            f"Choose {either(fitting)} head{'s' if fitting[-1] > 1 else ''}.",
        )
    if query.shape[1] != key.shape[1]:
        raise ShapeError(
            f"W_Q makes queries of width {query.shape[1]} and W_K keys of width {key.shape[1]}.",
            "Give both as many columns: every query is multiplied with every key.",
        )
    if output is not None and tuple(output.shape) != (value.shape[1], query.shape[0]):
        raise ShapeError(
            f"W_O has shape {tuple(output.shape)}.",
            f"Give [{value.shape[1]}, {query.shape[0]}]: from joined heads to the width of a token.",
        )
    attention = Attention(
        query.shape[0],
        heads,
        d_head=query.shape[1] // heads,
        d_value=value.shape[1] // heads,
        kdim=key.shape[0],
        vdim=value.shape[0],
        bias=False,
        output_projection=output is not None,
        **options,
    )
    attention = attention.to(query.dtype).eval().requires_grad_(False)
    with torch.no_grad():
        for (weight, _), matrix in zip(attention.matrices(), (query, key, value), strict=True):
            weight.copy_(matrix.T)
        if output is not None:
            attention.output.weight.copy_(output.T)
    return attention


def _columns(widths: Mapping[str, int]) -> str:
    """Say "W_Q, W_K and W_V have 3 columns", or how many each has."""
    *first, last = widths
    if len(set(widths.values())) == 1:
        return f"{', '.join(first)} and {last} have {widths[last]} column{'s' * (widths[last] > 1)}"
    return ", ".join(f"{name} has {width}" for name, width in widths.items()) + " columns"
