"""Exact weights written into a buffer: block by block, so that each block stays in a cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import Layer, RecordedLayer, block_numbers, blocks
from viz.errors import ShapeError
from viz.models.argument_checks import kind_of_value

# Rows that a block has at least, so that it reads each key for many products; fewer heads at a time
# where all would leave it fewer.
FEWEST_ROWS = 32

# What weights are given as. Half as many bytes keep three digits, and call 0 what is under 6e-8.
DTYPES = (torch.float32, torch.float16)


def buffer_for(
    shape: tuple[int, ...], device: torch.device, dtype: torch.dtype | None, out: Tensor | None
) -> Tensor:
    """Return the buffer that was given if weights fit into it, or one that does.

    Args:
        shape: of the weights.
        device: of the trace.
        dtype: asked for; that of `out`, else float32, if None.
        out: the buffer, if one was given; what it holds is overwritten.

    Raises:
        ShapeError: the buffer or the dtype is another.
    """
    if out is not None and not isinstance(out, Tensor):
        raise ShapeError(
            f"out is {kind_of_value(out)}, and weights are written into a tensor.",
            f"Give torch.empty({shape}), or leave it out.",
        )
    wanted: Any = dtype if dtype is not None else torch.float32 if out is None else out.dtype
    if wanted not in DTYPES:
        what = wanted if isinstance(wanted, torch.dtype) else kind_of_value(wanted)
        raise ShapeError(
            f"Weights are given as torch.float32 or torch.float16, not as {what}.",
            "Choose one of them, and convert what you get.",
        )
    if out is None:
        return torch.empty(shape, dtype=wanted, device=device)
    found = (tuple(out.shape), out.dtype, out.device)
    if found != (shape, wanted, device):
        raise ShapeError(
            f"out is {_described(*found)}; these weights are {_described(shape, wanted, device)}.",
            f"Give torch.empty({shape}, dtype={wanted}, device={str(device)!r}).",
        )
    if any(step == 0 and size > 1 for step, size in zip(out.stride(), shape, strict=True)):
        raise ShapeError(
            "out was expanded, so that several of its numbers are one place in memory.",
            f"Give torch.empty({shape}).",
        )
    return out


@torch.inference_mode()
def read_into(
    out: Tensor, layer: Layer, heads: slice, rows: Tensor, columns: Tensor | None
) -> None:
    """Write weights of a run of heads into a buffer.

    Args:
        out: [head, row, column], overwritten.
        layer: to read.
        heads: a run of them.
        rows: numbers of queries.
        columns: numbers of keys; None for all.
    """
    for some in _few(layer, heads):
        part, done = out[some.start - heads.start : some.stop - heads.start], 0
        for block, weights, first in blocks(layer, some, rows):
            here = part[:, done : done + len(block)]
            done += len(block)
            last = first + weights.shape[-1]
            if columns is None:
                here[..., :first] = 0
                here[..., first:last] = weights
                here[..., last:] = 0
                continue
            inside = (columns >= first) & (columns < last)
            at = torch.where(inside, columns - first, 0)
            here[...] = weights[..., at].masked_fill_(~inside, 0)


def _few(layer: Layer, heads: slice) -> list[slice]:
    """Cut heads into runs of which a block has enough rows; heads that share keys stay together."""
    groups = layer.heads // layer.key.shape[0] if isinstance(layer, RecordedLayer) else 1
    most = block_numbers(layer) // (FEWEST_ROWS * max(1, layer.shape[1]))
    size = max(1, most // groups) * groups
    starts = range(heads.start, heads.stop, size)
    return [slice(start, min(start + size, heads.stop)) for start in starts]


def _described(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> str:
    size = " x ".join(f"{count:,}" for count in shape) or "a single number"
    return f"{size}, {dtype}, on {device}"
