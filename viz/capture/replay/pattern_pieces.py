"""Weights put together from the products that a part makes, each where its query and its key belong.

The part runs again with the number of its key in place of every value, and the number of its row in place
of every product of weights and values. What weights are multiplied with then says which key each column
is, and what comes out of the part says which query and head each row is. That is one run, or two
where heads are narrow, whatever the length of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from viz.capture.replay.recorded_products import Product, Products, Weighing, weighing
from viz.capture.replay.replay import Rerun, Run, by_item

# Numbers are written in digits of this base, one a channel, which every dtype holds exactly.
BASE = 128


# Products of one part beyond which reading value by value is no slower.
MOST_PRODUCTS = 24

# Numbers of a matrix that is held as a whole (256 MB in float32, three times that while it is put together).
MOST_DENSE = 1 << 26


class NotPiecesError(ValueError):
    """A part does something else with its values than to weigh them once."""


class FewDigitsError(ValueError):
    """There are more numbers than a format has."""


@dataclass(frozen=True, slots=True)
class Format:
    """How numbers are written along the channels of a head, over and over.

    Attributes:
        digits: of a number.
        period: channels that one takes, a power of two, as widths of heads are.
    """

    digits: int
    period: int

    def holds(self, number: int) -> bool:
        """Whether a number can be written."""
        return number < int(BASE**self.digits)

    def written(self, numbers: Tensor) -> Tensor:
        """Write numbers in digits; [.., period]."""
        if numbers.numel() and not self.holds(int(numbers.max())):
            raise FewDigitsError
        place = torch.arange(self.period, device=numbers.device)
        digits = torch.div(numbers[..., None], BASE**place, rounding_mode="floor") % BASE
        return digits.masked_fill(place >= self.digits, 0)

    def read(self, tensor: Tensor) -> Tensor | None:
        """Read numbers back from [.., channel]; 0 for what was padded, None where they are none."""
        digits = tensor[..., : self.digits].float()
        digits = digits.masked_fill((digits <= 0).all(dim=-1, keepdim=True), 0)
        if not bool(((digits == digits.round()) & (digits >= 0) & (digits < BASE)).all()):
            return None
        places = BASE ** torch.arange(self.digits, device=tensor.device)
        return (digits.long() * places).sum(dim=-1)

    def at(self, place: int) -> slice:
        """Say which channels of a head the number in some place takes."""
        return slice(place * self.period, (place + 1) * self.period)


FORMATS = (Format(1, 1), Format(2, 2), Format(3, 4))


@dataclass(frozen=True, slots=True)
class Piece:
    """A product of weights with values, and the number of its key for each of their columns.

    Shape: keys [piece, key], from 1; 0 for padding.
    """

    weighing: Weighing
    keys: Tensor


def pieces_of(
    run: Rerun, plain: Run, made: Sequence[Product], heads: int, item: int
) -> tuple[int, Tensor]:
    """Put the weights of one item together.

    Args:
        run: the part.
        plain: its run as it was.
        made: the products of that run.
        heads: of the part.
        item: which input of the batch.

    Returns:
        The stream in which the heads stand side by side, and weights [head, query, key], not yet checked.

    Raises:
        NotPiecesError: the part does something else with its values.
    """
    _, keys = plain.key_starts()
    for form in FORMATS:
        if form.holds(keys):
            try:
                return _by_numbers(run, plain, made, heads, item, form)
            except FewDigitsError:
                continue
    raise NotPiecesError


def _by_numbers(
    run: Rerun, plain: Run, made: Sequence[Product], heads: int, item: int, form: Format
) -> tuple[int, Tensor]:
    starts, keys = plain.key_starts()
    tagging = _Tagging(made, form)
    stream: int | None = None
    whole: Tensor | None = None
    done = 0
    while done == 0 or done < len(tagging.pieces):
        tagging.begin(done)
        with Products(tagging.replace) as products:
            seen = run(lambda call, value: _numbered_keys(value, run.batch, starts[call], form))
        if len(products.made) != len(made) or not 0 < len(tagging.pieces) <= MOST_PRODUCTS:
            raise NotPiecesError
        stream, out = _placed(seen, plain, stream, heads, item, form)
        for place, piece in enumerate(tagging.pieces[done : done + tagging.room]):
            numbers = form.read(out[..., form.at(place)])
            if numbers is None:
                raise NotPiecesError
            if whole is None:
                if heads * len(out) * (keys + 1) > MOST_DENSE:
                    raise NotPiecesError
                whole = piece.weighing.weights.new_zeros(heads * len(out), keys + 1)
            _add(whole, piece, numbers)
        done += tagging.room
    if stream is None or whole is None:
        raise NotPiecesError
    whole = whole.view(heads, -1, keys + 1)[..., 1:]  # the first column is that of padding
    return stream, whole if whole.dtype == torch.float64 else whole.float()


class _Tagging:
    """Finds the products of weights and values as they are made, and puts numbers of rows in their place."""

    def __init__(self, plain: Sequence[Product], form: Format) -> None:
        self.plain = plain
        self.form = form
        self.pieces: list[Piece] = []
        self.room = 1
        self._first = 0
        self._met = 0

    def begin(self, first: int) -> None:
        """Begin a run that numbers the rows of the pieces from this one on, as many as there is room for."""
        self._first, self._met = first, 0

    def replace(self, number: int, after: Product) -> Tensor:
        """Say what takes the place of a product."""
        if number >= len(self.plain):
            raise NotPiecesError
        before = self.plain[number]
        first, second = (
            not _same(before.first, after.first),
            not _same(before.second, after.second),
        )
        if not (first or second):
            return after.result
        if first and second:
            raise NotPiecesError
        if self._met == len(self.pieces):
            self.pieces.append(_piece(before, after, self.form, values_first=first))
            self.room = max(1, self.pieces[0].weighing.values.shape[-1] // self.form.period)
        piece = self.pieces[self._met]
        place = self._met - self._first
        self._met += 1
        if not 0 <= place < self.room:
            return torch.zeros_like(after.result)
        return _numbered_rows(piece.weighing, place, after.result, self.form)


def _piece(before: Product, after: Product, form: Format, *, values_first: bool) -> Piece:
    mine = weighing(before, values_first=values_first)
    told = weighing(after, values_first=values_first)
    if mine is None or told is None or told.values.shape[-1] % form.period:
        raise NotPiecesError
    keys = form.read(told.values)
    if keys is None:
        raise NotPiecesError
    return Piece(mine, keys)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _numbered_keys(value: Tensor, batch: int, start: int, form: Format) -> Tensor:
    """Put the number of its key, from 1, in place of every value, over and over along the channels."""
    numbered = torch.zeros_like(value)
    rows = by_item(numbered, batch)
    keys = torch.arange(start + 1, start + 1 + rows.shape[1], device=value.device)
    digits = form.written(keys).repeat(1, -(-rows.shape[-1] // form.period))[:, : rows.shape[-1]]
    rows.copy_(digits.to(value.dtype)[None].expand_as(rows))
    return numbered


def _numbered_rows(weights: Weighing, place: int, result: Tensor, form: Format) -> Tensor:
    """Number the rows of a product from 1, in one place of every head's channels."""
    pieces, queries = weights.weights.shape[:2]
    count = torch.arange(1, pieces * queries + 1, device=result.device)
    numbers = torch.zeros(len(count), weights.values.shape[-1], device=result.device)
    numbers[:, form.at(place)] = form.written(count).float()
    laid = weights.laid_out(numbers.view(pieces, queries, -1))
    return torch.empty_like(result).copy_(laid)


def _placed(
    seen: Run, plain: Run, stream: int | None, heads: int, item: int, form: Format
) -> tuple[int, Tensor]:
    """Find where the numbers of rows came out: the stream, and [row, head, channel] of one item.

    Raises:
        NotPiecesError: they came out nowhere as they were.
    """
    names = [stream] if stream is not None else list(reversed(seen.streams))
    for name in names:
        own = plain.streams.get(name, ())
        tensors = seen.side_by_side(name, heads)
        if len(own) != len(tensors) or any(
            t.ndim < 2 or not t.is_floating_point() or t.shape[-1] % heads for t in tensors
        ):
            continue
        if len({t.shape[-1] for t in tensors}) > 1 or tensors[0].shape[-1] // heads % form.period:
            continue
        out = seen.joined(name, plain.query_order(name, heads), heads)[item]
        out = out.view(len(out), heads, -1)
        numbers = form.read(out[..., form.at(0)])
        # What reads as nothing but padding is another stream, whose numbers are below 0.
        if numbers is None or not bool(numbers.any()):
            continue
        if not _is_values(seen, tensors):
            return name, out
    raise NotPiecesError


def _is_values(seen: Run, tensors: Sequence[Tensor]) -> bool:
    """Whether a stream is but the values on their way, which hold numbers too."""
    values = [value.flatten() for _, _, value in seen.values]
    return any(torch.equal(tensor.flatten(), value) for tensor in tensors for value in values)


def _add(whole: Tensor, piece: Piece, numbers: Tensor) -> None:
    """Add the weights of a piece to [head * query, 1 + key], where its rows came out."""
    query, head = numbers.nonzero(as_tuple=True)
    place = numbers[query, head] - 1
    count = piece.weighing.weights.shape[1]
    part, row = torch.div(place, count, rounding_mode="floor"), place % count
    if len(place) and int(part.max()) >= len(piece.keys):
        raise NotPiecesError
    if int(piece.keys.max()) >= whole.shape[1]:
        raise NotPiecesError
    weights = piece.weighing.weights[part, row].to(whole.dtype)  # [entry, key]
    rows = head * numbers.shape[0] + query
    places = rows[:, None] * whole.shape[1] + piece.keys[part]
    whole.view(-1).index_add_(0, places.flatten(), weights.flatten())
