"""Which columns of which product with a matrix are a layer's values, found by the numbers themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from viz.effects.stream_pass import allowed_apart


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of some states, and how to make it again.

    Attributes:
        again: does the same to others, [batch, row, width].
        given: what it was made of.
        result: what it was.
    """

    again: Callable[[Tensor], Any]
    given: Tensor
    result: Tensor


class LinearCalls(TorchFunctionMode):
    """Says of each product of states with a matrix what was made of what, whichever part makes it.

    Args:
        hear: is told.
    """

    def __init__(self, hear: Callable[[Made], None]) -> None:
        super().__init__()
        self.hear = hear

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch, and tell of it where it is such a product."""
        options = kwargs or {}
        result = func(*args, **options)
        if func is functional.linear and args and args[0].ndim == 3:
            self.hear(Made(lambda states: func(states, *args[1:], **options), args[0], result))
        return result


def columns_holding(wanted: Tensor, found: Tensor) -> Tensor | None:
    """Find the column of one matrix that is each column of another, bit by bit.

    Args:
        wanted: [row, column].
        found: [row, other column].

    Returns:
        The other column of each, int64 [column]; None where one is not there.
    """
    if len(wanted) != len(found) or wanted.dtype != found.dtype:
        return None
    places = {numbers: place for place, numbers in enumerate(_bits(found))}
    columns = [places.get(numbers, -1) for numbers in _bits(wanted)]
    return None if -1 in columns else torch.tensor(columns, device=found.device)


def linear_columns(made: Made, columns: Tensor) -> Tensor | None:
    """Return the matrix by which some columns are made, beside what is added to all; None if it is not by one.

    Args:
        made: what was made, of one input.
        columns: which of its columns.

    Returns:
        Float32 [in, column]; it makes of the rows of the pass what they became, to rounding.
    """
    rows, expected = made.given[0], made.result[0][:, columns].float()
    unit = torch.eye(rows.shape[-1], dtype=rows.dtype, device=rows.device)
    try:
        added = made.again(torch.zeros_like(rows[None, :1]))[0][:, columns].float()
        matrix: Tensor = made.again(unit[None])[0][:, columns].float() - added
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None
    apart = torch.linalg.vector_norm(rows.float() @ matrix + added - expected)
    size = torch.linalg.vector_norm(expected) + torch.linalg.vector_norm(added)
    return matrix if bool(apart <= allowed_apart(rows) * size) else None


def _bits(matrix: Tensor) -> list[bytes]:
    """Return each column as bytes; zeros have one sign."""
    columns = (matrix.detach() + 0.0).T.contiguous().cpu()
    return [one.tobytes() for one in columns.view(torch.uint8).numpy()]
