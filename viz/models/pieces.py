"""Weights put together from the products that a part makes, each where its query and its key belong.

The part runs once more with the number of its key in place of every value: what its weights are
multiplied with then says which key each column is. And once more for every product, with a number for
each of its rows in place of the result: what comes out says which query and head each row is. That is a
handful of runs, whatever the length of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from viz.models.products import Product, Products, Weighing, weighing
from viz.models.rerun import Rerun, Run, by_item

# Numbers are written in digits of this base, one a channel, which every dtype holds exactly.
BASE = 128
DIGITS = 3

# Products of one part beyond which reading value by value is no slower.
MOST_PRODUCTS = 24


def pieces_of(
    run: Rerun, plain: Run, made: Sequence[Product], heads: int, item: int
) -> tuple[int, Tensor] | None:
    """Put the weights of one item together.

    Args:
        run: the part.
        plain: its run as it was.
        made: the products of that run.
        heads: of the part.
        item: which input of the batch.

    Returns:
        The stream in which the heads stand side by side, and sparse weights [head, query, key], not yet
        checked; None where a part does something else with its values.
    """
    starts, _ = plain.key_starts()
    with Products() as tagged:
        run(lambda call, value: _numbered_keys(value, run.batch, starts[call]))
    if len(tagged.made) != len(made):
        return None
    found = _weighings(made, tagged.made)
    if found is None or not 0 < len(found) <= MOST_PRODUCTS:
        return None
    parts: list[tuple[Tensor, Tensor]] = []
    stream: int | None = None
    rows = 0
    for number, (weights, keys) in found.items():
        with Products(_only(number, found)):
            seen = run()
        placed = _placed(seen, plain, stream, heads, item, len(weights.weights))
        if placed is None:
            return None
        stream, numbers = placed
        rows = len(numbers)
        parts.append(_entries(weights, keys, numbers))
    if stream is None:
        return None
    size = (heads, rows, plain.key_starts()[1])
    indices = torch.cat([indices for indices, _ in parts], dim=1)
    values = torch.cat([values for _, values in parts])
    return stream, torch.sparse_coo_tensor(indices, values, size).coalesce()


Found = dict[int, tuple[Weighing, Tensor]]


def _weighings(plain: Sequence[Product], tagged: Sequence[Product]) -> Found | None:
    """Find the products whose one factor holds nothing but numbers of keys, [piece, key] each.

    Returns:
        By the number of the product, as it was in the plain run; None where values are used in another
        way, such as by a second product.
    """
    found: Found = {}
    for number, (before, after) in enumerate(zip(plain, tagged, strict=True)):
        first = not _same(before.first, after.first)
        second = not _same(before.second, after.second)
        if not (first or second):
            continue
        mine = weighing(before, values_first=first)
        told = weighing(after, values_first=first)
        if (first and second) or mine is None or told is None or told.values.shape[-1] < DIGITS:
            return None
        keys = _read_numbers(told.values)
        if keys is None:
            return None
        found[number] = mine, keys
    return found


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _numbered_keys(value: Tensor, batch: int, start: int) -> Tensor:
    """Put the number of its key, from 1, in place of every value, in every head."""
    numbered = torch.zeros_like(value)
    rows = by_item(numbered, batch)
    keys = torch.arange(start + 1, start + 1 + rows.shape[1], device=value.device)
    rows.copy_(_written(keys, rows.shape[-1]).to(value.dtype)[None].expand_as(rows))
    return numbered


def _only(number: int, found: Found) -> Callable[[int, Tensor], Tensor]:
    """Number the rows of one product from 1, and let all others of weights and values be 0."""

    def replace(made: int, result: Tensor) -> Tensor:
        if made not in found:
            return result
        if made != number:
            return torch.zeros_like(result)
        weights = found[number][0]
        pieces, queries = weights.weights.shape[:2]
        count = torch.arange(1, pieces * queries + 1, device=result.device)
        numbers = _written(count, weights.values.shape[-1]).view(pieces, queries, -1)
        return weights.laid_out(numbers).to(result.dtype).contiguous()

    return replace


def _written(numbers: Tensor, channels: int) -> Tensor:
    """Write numbers in digits, over and over along the channels; [.., channel]."""
    places = BASE ** (torch.arange(channels, device=numbers.device) % DIGITS)
    return torch.div(numbers[..., None], places, rounding_mode="floor") % BASE


def _read_numbers(tensor: Tensor) -> Tensor | None:
    """Read numbers back from [.., channel]; 0 for what was padded, None where they are none."""
    digits = tensor.float()
    none = ((digits < 0) | (digits == 0)).all(dim=-1)
    digits = digits.masked_fill(none[..., None], 0)
    whole = bool(((digits == digits.round()) & (digits >= 0) & (digits < BASE)).all())
    if not whole:
        return None
    places = BASE ** torch.arange(DIGITS, device=tensor.device)
    return (digits[..., :DIGITS].long() * places).sum(dim=-1)


def _placed(
    seen: Run, plain: Run, stream: int | None, heads: int, item: int, pieces: int
) -> tuple[int, Tensor] | None:
    """Find where the numbers of rows came out: the stream, and [row, head] of one item."""
    names = [stream] if stream is not None else list(reversed(seen.streams))
    values = [value.flatten() for _, _, value in plain.values]
    for name in names:
        own = [tensor.flatten() for tensor in plain.streams.get(name, ())]
        if not own or any(torch.equal(one, value) for one in own for value in values):
            continue
        tensors = seen.side_by_side(name, heads)
        if any(t.ndim < 2 or not t.is_floating_point() or t.shape[-1] % heads for t in tensors):
            continue
        if len({t.shape[-1] for t in tensors}) > 1 or tensors[0].shape[-1] // heads < DIGITS:
            continue
        order = plain.query_order(name, heads)
        out = seen.joined(name, order, heads)[item]
        numbers = _read_numbers(out.view(len(out), heads, -1))
        if numbers is not None and (stream is not None or bool(numbers.any())):
            return name, numbers
    return None


def _entries(weights: Weighing, keys: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """List the weights of a product, each with its head, its query and its key."""
    query, head = numbers.nonzero(as_tuple=True)
    place = numbers[query, head] - 1
    count = weights.weights.shape[1]
    piece, row = torch.div(place, count, rounding_mode="floor"), place % count
    values = weights.weights[piece, row]  # [entry, key]
    columns = keys[piece]
    entry, column = ((values != 0) & (columns > 0)).nonzero(as_tuple=True)
    indices = torch.stack([head[entry], query[entry], columns[entry, column] - 1])
    kept = values[entry, column]
    return indices, kept if kept.dtype == torch.float64 else kept.float()
