"""Calls of the kernel of any number of dimensions, brought to [batch, head, token, d].

Which axis holds the heads is read, never guessed: from how the output is put back, from the part's own
number of heads, from the batch. Where two readings remain, the call is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from torch import Tensor

from viz.capture.tiers.output_projection import Piece, PutBack
from viz.capture.tiers.registry import AttentionCall
from viz.errors import CaptureError

USUAL = 4


def is_usual(shape: Sequence[int], count: int | None) -> bool:
    """Whether a query's shape is [batch, head, token, d] beyond doubt."""
    return len(shape) == USUAL and shape[1] == count


def with_heads(
    call: AttentionCall, put_back: PutBack, count: int | None, batch: int | None, name: str
) -> AttentionCall:
    """Bring a call's tensors to [batch, head, token, d].

    Args:
        call: with query, key, value, mask and output [.., token, d] of any number of dimensions.
        put_back: what the module did with the output.
        count: how many heads the part says that it has.
        batch: how many inputs there are; None where that does not matter, as in a probe.
        name: of the part, for messages.

    Raises:
        CaptureError: the heads cannot be told from windows.
    """
    query = call.query
    if query.ndim == 2:
        query = query[None]
    lead = query.shape[:-2]
    heads = heads_of(lead, put_back, count, batch)
    if heads is None:
        raise CaptureError(
            f"Layer {name or '(the model itself)'} calls the kernel on queries of shape "
            f"{tuple(call.query.shape)}, and nothing tells which axis holds its heads.",
            "Give the part its number of heads as `num_heads`, or say what it computes: "
            "viz.wrap_model(module, attention={name: function}).",
        )
    mask = call.mask
    if mask is not None and mask.ndim > 2:
        mask = _laid_out(_spread(mask, lead), lead, heads)
    elif mask is not None:
        mask = mask[None, None]
    return replace(
        call,
        query=_laid_out(query, lead, heads),
        key=_laid_out(_spread(call.key, lead, grouped=True), lead, heads),
        value=_laid_out(_spread(call.value, lead, grouped=True), lead, heads),
        mask=mask,
        output=_laid_out(_spread(call.output, lead), lead, heads).transpose(1, 2),
    )


def heads_of(
    lead: Sequence[int], put_back: PutBack, count: int | None, batch: int | None
) -> tuple[Piece, ...] | None:
    """Say which pieces of the leading axes are heads, the outermost first; none where there is one.

    Returns:
        None where two readings remain possible.
    """
    if put_back.heads is not None:
        return put_back.heads
    usual = len(lead) == USUAL - 2
    left = [axis for axis, size in enumerate(lead) if size > 1 and axis not in put_back.beside]
    # The first axis is the batch's where it is as long.
    if left[:1] == [0] and (batch is None or lead[0] == batch):
        left = left[1:]
    if not left or count == 1:
        return ()
    if usual and 1 in left and count == lead[1]:
        return (Piece(1, lead[1], 1),)
    if usual and count is not None and (left == [0, 1] and lead[0] % count == 0):
        return None  # heads may be folded into the batch, and windows stand in their place
    if usual:
        return (Piece(1, lead[1], 1),) if 1 in left else ()
    fits = [axis for axis in left if lead[axis] == count]
    if len(fits) == 1:
        return (Piece(fits[0], lead[fits[0]], 1),)
    if not fits and prod(lead[axis] for axis in left) == count:
        return tuple(Piece(axis, lead[axis], 1) for axis in left)
    return None


def _spread(tensor: Tensor, lead: Sequence[int], *, grouped: bool = False) -> Tensor:
    """Give a tensor all leading axes; grouped keys keep their own number of heads."""
    axes = [1] * (len(lead) + 2 - tensor.ndim) + list(tensor.shape[:-2])
    sizes = [
        has if grouped and axis == len(lead) - 1 and 1 < has < whole else whole
        for axis, (has, whole) in enumerate(zip(axes, lead, strict=True))
    ]
    return tensor.expand(*sizes, *tensor.shape[-2:])


def _laid_out(tensor: Tensor, lead: Sequence[int], heads: tuple[Piece, ...]) -> Tensor:
    """Lay heads side by side, and everything else into the batch."""
    sizes: list[int] = []
    at: dict[Piece, int] = {}
    for axis, whole in enumerate(lead):
        has = tensor.shape[axis]
        mine = sorted((p for p in heads if p.axis == axis), key=lambda p: -p.inner)
        for piece in mine:
            if has != whole and len(mine) == 1 and piece.size == whole:
                at[piece] = len(sizes)
                sizes.append(has)
                has = 1
                continue
            sizes.append(has // (piece.size * piece.inner))
            at[piece] = len(sizes)
            sizes.append(piece.size)
            has = piece.inner
        sizes.append(has)
    split = tensor.reshape(*sizes, *tensor.shape[-2:])
    order = [at[piece] for piece in heads]
    others = [axis for axis in range(len(sizes)) if axis not in order]
    count = prod(sizes[axis] for axis in order)
    turned = split.permute(*others, *order, len(sizes), len(sizes) + 1)
    return turned.reshape(-1, count, *tensor.shape[-2:])
