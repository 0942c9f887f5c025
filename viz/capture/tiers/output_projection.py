"""Which axes of an attention call are its heads, as the module itself tells by how it goes on.

Queries of more than four dimensions have axes besides the batch, the heads and the tokens: windows,
groups, rows of a picture. Their order is the author's own. What tells is how the output is put back:
heads are laid beside the channels of a token, and windows beside the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Functions that lay numbers out in another shape, in the same order.
RESHAPES = {
    *("reshape", "view", "flatten", "unflatten", "ravel", "contiguous", "clone", "view_as"),
    *("reshape_as", "squeeze", "unsqueeze", "_unsafe_view"),
}

# Functions that put axes into another order.
TURNS = {"transpose", "permute", "movedim", "moveaxis", "swapaxes", "swapdims"}

# Functions whose result has other axes, though it may have as many of the same sizes.
MIXES = {"linear", "matmul", "__matmul__", "bmm", "einsum", "tensordot", "baddbmm"}

# Tensors that are followed at a time: the output, and what was made of it.
FOLLOWED = 8


class Piece(NamedTuple):
    """A part of an axis: number (outer * size + here) * inner + rest runs over `here`."""

    axis: int
    size: int
    inner: int


Layout = tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True, slots=True)
class PutBack:
    """What became of the axes of an output [.., token, d].

    Attributes:
        heads: laid beside the channels, the first one outermost; None where nothing was.
        beside: axes laid beside the tokens, which count places and no heads.
        channels: whether it was the axis of tokens that was laid beside the heads, as where
            channels look at channels.
    """

    heads: tuple[Piece, ...] | None
    beside: frozenset[int]
    channels: bool = False


@dataclass(slots=True)
class Follower:
    """Follows an output of attention until its heads lie beside its channels."""

    output: Tensor
    answer: PutBack | None = None
    _known: list[tuple[Tensor, Layout]] = field(default_factory=list)
    _beside: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        whole = tuple((Piece(axis, size, 1),) for axis, size in enumerate(self.output.shape))
        self._known.append((self.output, _without_ones(whole)))

    def see(
        self, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], result: Any
    ) -> None:
        """Look at one function that the module calls afterwards."""
        given = args[0] if args else None
        if not isinstance(result, Tensor) or result is given:
            return
        found = next((pair for pair in self._known if any(pair[0] is one for one in args)), None)
        if found is None:
            return
        tensor, layout = found
        new = self._laid_out(func, args, kwargs, tensor, layout, result)
        if new is None:
            return
        self._known = [*self._known[-FOLLOWED:], (result, new)]
        self._conclude(new)

    def end(self) -> PutBack:
        """Say what is known where the module does nothing more with it."""
        return self.answer or PutBack(None, self._beside)

    def _laid_out(
        self,
        func: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        tensor: Tensor,
        layout: Layout,
        result: Tensor,
    ) -> Layout | None:
        name = getattr(func, "__name__", "")
        turned_property = name == "__get__" and result.shape != tensor.shape
        if name in TURNS or turned_property:
            return _turned(func, args, kwargs, tensor, layout)
        if name in RESHAPES:
            return _regrouped(layout, result.shape)
        same = result.shape == tensor.shape and name not in MIXES
        return layout if same and name != "__get__" else None

    def _conclude(self, layout: Layout) -> None:
        token, channel = self.output.ndim - 2, self.output.ndim - 1
        for pieces in layout:
            axes = {piece.axis for piece in pieces}
            # Heads laid beside a share of the tokens are a scramble, and tell nothing.
            if Piece(token, self.output.shape[token], 1) in pieces and channel not in axes:
                self._beside |= axes - {token}
        last = layout[-1]
        if len(last) < 2:
            return
        inner = last[-1]
        whole = inner.size == self.output.shape[inner.axis]
        if inner.axis not in (token, channel) or not whole:
            return
        before: list[Piece] = []
        for piece in reversed(last[:-1]):
            if piece.axis >= token:
                break
            before.insert(0, piece)
        alone = len(before) == len(last) - 1
        if before and (inner.axis == channel or alone):
            self.answer = PutBack(tuple(before), self._beside, channels=inner.axis == token)


def _without_ones(layout: Layout) -> Layout:
    return tuple(tuple(piece for piece in pieces if piece.size > 1) for pieces in layout)


def _turned(
    func: Callable[..., Any],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    tensor: Tensor,
    layout: Layout,
) -> Layout | None:
    """Turn a tensor of the same shape that holds nothing, whose strides tell its axes apart."""
    # Sizes of their own keep the strides of axes of one unit apart.
    probe = torch.empty([size + 1 for size in tensor.shape], device="meta")
    axes = {probe.stride(axis): axis for axis in range(probe.ndim)}
    try:
        turned = func(probe, *args[1:], **kwargs)
    except (RuntimeError, TypeError, IndexError):
        return None
    if not isinstance(turned, Tensor) or turned.ndim != tensor.ndim:
        return None
    return tuple(layout[axes[turned.stride(axis)]] for axis in range(turned.ndim))


def _regrouped(layout: Layout, shape: Sequence[int]) -> Layout | None:
    """Share the pieces out over the axes of another shape; None where they do not fit it."""
    left = [piece for pieces in layout for piece in pieces]
    groups: list[tuple[Piece, ...]] = []
    for size in shape:
        group: list[Piece] = []
        while prod(piece.size for piece in group) < size:
            if not left:
                return None
            piece = left.pop(0)
            wanted = size // prod(one.size for one in group)
            if piece.size > wanted:
                if piece.size % wanted or size % wanted:
                    return None
                rest = piece.size // wanted
                left.insert(0, Piece(piece.axis, rest, piece.inner))
                piece = Piece(piece.axis, wanted, piece.inner * rest)
            group.append(piece)
        if prod(piece.size for piece in group) != size:
            return None
        groups.append(tuple(group))
    return tuple(groups) if not left else None
