"""What a model returned as its attentions: weights, scores, means, rows without their sink, ...

Nothing but numbers tells these apart. Each reading says what the captured weights would be, if what was
returned were that; it holds where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from math import inf, isnan

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import BLOCK_NUMBERS, Layer
from viz.capture.layers.windowed_layer import ReportedWindows, WindowedLayer

# Rows that a reading is tried on before all are computed.
FIRST_ROWS = 8

# What a reading other than "these are the weights" may be off by, as a share of the largest weight:
# in the half types long rows would agree with anything.
CLOSE = 0.05

# Ours and theirs of some rows, [head, row, key]; says where a query may look; returns how far apart.
Reading = Callable[[Tensor, Tensor, Callable[[], Tensor]], float]


@dataclass(frozen=True, slots=True)
class Explained:
    """What something that a model returned turned out to be.

    Attributes:
        difference: the largest difference of a weight, read in that way; NaN where none fits.
        note: what it is, to follow "the model returns"; nothing where it is the weights.
    """

    difference: float
    note: str


@dataclass(frozen=True, slots=True)
class Laid:
    """What was returned, laid out as [window, 1 or head, query, key], and how it was laid out before."""

    weights: Tensor
    layout: str = ""


def identity(theirs: Tensor, record: Layer, item: int, batch: int, allowed: float) -> float | None:
    """How far weights lie from a layer's; None where they do not have its shape."""
    distances = []
    for laid in layouts(theirs, record, item, batch):
        if not laid.layout and laid.weights.shape[1] == record.heads:
            apart = distance(laid.weights, record, _same)
            if apart <= allowed or _in_order(laid, record):
                distances.append(apart)
    return min(distances) if distances else None


def has_shape(theirs: Tensor, record: Layer, item: int, batch: int) -> bool:
    """Whether a tensor has as many heads, queries and keys as a layer."""
    laid = layouts(theirs, record, item, batch)
    return any(not one.layout and one.weights.shape[1] == record.heads for one in laid)


def _in_order(laid: Laid, record: Layer) -> bool:
    """Whether units stand where the layer's do; windows do where the layer is kept by window."""
    return len(laid.weights) == 1 or isinstance(record, (WindowedLayer, ReportedWindows))


def explain(theirs: Tensor, record: Layer, item: int, batch: int, allowed: float) -> Explained:
    """Say what something that a model returned is, seen from the captured weights.

    Args:
        theirs: as it was returned, of any shape.
        record: the captured layer.
        item: which input of the batch it holds.
        batch: how many inputs there were.
        allowed: what rounding allows in a weight.
    """
    laid = [one for one in layouts(theirs, record, item, batch) if one.weights.numel()]
    shaped = False
    for one in laid:
        if one.weights.shape[1] != record.heads:
            continue
        apart = distance(one.weights, record, _same, allowed)
        if apart <= allowed:
            words = f"its weights in another layout ({one.layout})" if one.layout else ""
            return Explained(apart, words)
        shaped = shaped or (not one.layout and _in_order(one, record))
    largest = max((float(ours.max()) for _, ours in _blocks(record, 1)), default=1.0)
    close = min(allowed, CLOSE * largest)
    for one in laid:
        if one.layout:
            continue
        for words, reading in READINGS.items():
            apart = distance(one.weights, record, reading, close)
            if apart <= close:
                return Explained(apart, words)
    return Explained(float("nan"), "" if shaped else another_layout(theirs))


def sinkless(theirs: Tensor, record: Layer, item: int, batch: int) -> float:
    """How far weights are from a layer's, if they leave out the share that its sinks take."""
    laid = [one for one in layouts(theirs, record, item, batch) if not one.layout]
    return min((distance(one.weights, record, _without_sink) for one in laid), default=inf)


def another_layout(theirs: Tensor) -> str:
    """Name a shape that is not that of a layer's weights."""
    return f"its weights in another layout ({' x '.join(map(str, theirs.shape)) or 'one number'})"


def layouts(theirs: Tensor, record: Layer, item: int, batch: int) -> Iterator[Laid]:
    """Lay a tensor out in every way in which it may be weights of a layer, the plainest first."""
    if not theirs.is_floating_point() or not 2 <= theirs.ndim <= 5:
        return
    heads, (queries, keys) = record.heads, record.shape

    def fits(one: Tensor) -> bool:
        windows, _, wide, long = one.shape
        return windows * wide == queries and long * windows in (keys, keys + windows)

    for one in _by_window(theirs, heads, item, batch):
        if one.shape[1] in (1, heads) and fits(one):
            yield Laid(one)
    for at in (None, *(at for at in range(theirs.ndim) if theirs.shape[at] == batch)):
        kept = theirs if at is None else theirs.select(at, item)
        if kept.ndim != 3 or (at is None and batch > 1):
            continue
        for order in permutations(range(3)):
            turned = kept.permute(order)
            if (at in (None, 0) and order == (0, 1, 2)) or turned.shape != (heads, queries, keys):
                continue
            named = dict(zip(order, ("head", "query", "key"), strict=True))
            names = [named[axis] for axis in range(3)]
            if at is not None:
                names.insert(at, "batch")
            yield Laid(turned[None], " x ".join(names))


def _by_window(theirs: Tensor, heads: int, item: int, batch: int) -> Iterator[Tensor]:
    """Fold what may be [batch or window (and) head, query, key] into [window, head, query, key]."""

    def mine(tensor: Tensor) -> Tensor:
        count = tensor.shape[0] // batch
        return tensor[item * count : (item + 1) * count]

    whole = theirs.shape[0] % batch == 0 and theirs.shape[0] > 0
    if theirs.ndim == 5:
        for one in (theirs.flatten(0, 1), theirs.transpose(1, 2).flatten(0, 1)):
            yield mine(one)
    elif theirs.ndim == 4 and whole:
        yield mine(theirs)
    elif theirs.ndim == 3 and whole:
        kept = mine(theirs)
        if len(kept) % heads == 0:
            yield kept.reshape(-1, heads, *kept.shape[1:])
        yield kept[:, None]
    elif theirs.ndim == 2 and batch == 1:
        yield theirs[None, None]


def distance(theirs: Tensor, record: Layer, reading: Reading, enough: float = inf) -> float:
    """How far weights [window, 1 or head, query, key] are from a layer's, read in some way.

    What lies outside of a window must not be attended. Gives up after some rows that are further
    apart than `enough`.
    """
    windows, _, wide, long = theirs.shape
    extra = windows * long - record.shape[1]
    long -= extra // windows
    largest = 0.0
    for rows, whole in _blocks(record, windows):
        window = int(rows[0]) // wide
        own = theirs[window][:, rows.to(theirs.device) - window * wide].float().to(whole.device)
        inside = slice(window * long, (window + 1) * long)
        ours = whole[..., inside]
        outside = float(whole.sum(dim=-1).sub(ours.sum(dim=-1)).abs().max())
        if outside > enough:
            return outside
        # Of a row of padding that looks at nothing, eager attention makes an even one.
        looking = (whole.sum(dim=-1) > 0).all(dim=0)
        if not bool(looking.any()):
            continue

        def may_look(rows: Tensor = rows[looking], inside: slice = inside) -> Tensor:
            return record.may_look(rows)[..., inside]

        apart = reading(ours[:, looking], own[:, looking], may_look)
        largest = max(largest, outside if windows > 1 else 0.0, inf if isnan(apart) else apart)
        if largest > enough:
            return largest
    return largest


def _blocks(record: Layer, windows: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Walk through a layer: rows of one window, and all their weights."""
    queries, keys = record.shape
    wide = queries // windows
    device = record.tensors[0].device
    size = max(1, BLOCK_NUMBERS // max(1, record.heads * keys))
    first = [FIRST_ROWS] if wide > FIRST_ROWS else []
    for window in range(windows):
        start, end = window * wide, (window + 1) * wide
        while start < end:
            stop = min(end, start + (first.pop() if first else size))
            rows = torch.arange(start, stop, device=device)
            captured, at = record.rows(slice(0, record.heads), rows)
            whole = captured.new_zeros(record.heads, len(rows), keys)
            whole[:, :, at : at + captured.shape[-1]] = captured
            yield rows, whole
            start = stop


def _apart(ours: Tensor, read: Tensor) -> float:
    return float((ours - read).abs().max()) if ours.shape == read.shape else inf


def _same(ours: Tensor, theirs: Tensor, _may_look: Callable[[], Tensor]) -> float:
    return _apart(ours, theirs)


def _mean(ours: Tensor, theirs: Tensor, _may_look: Callable[[], Tensor]) -> float:
    if len(ours) == 1:
        return inf
    return _apart(ours.mean(dim=0).expand_as(theirs), theirs)


def _scores(ours: Tensor, theirs: Tensor, may_look: Callable[[], Tensor]) -> float:
    """Masked or not; a sink takes the same share as it does of ours."""
    if ours.shape != theirs.shape:
        return inf
    share = ours.sum(dim=-1, keepdim=True)
    masked = theirs.masked_fill(~may_look(), -inf).softmax(dim=-1)
    return min(_apart(ours, theirs.softmax(dim=-1) * share), _apart(ours, masked * share))


def _logarithms(ours: Tensor, theirs: Tensor, may_look: Callable[[], Tensor]) -> float:
    return _apart(ours, theirs.exp() * may_look())


def _without_sink(ours: Tensor, theirs: Tensor, _may_look: Callable[[], Tensor]) -> float:
    share = ours.sum(dim=-1, keepdim=True)
    full = theirs.sum(dim=-1)
    if float(share.min()) > 1 - CLOSE**2 or float((full - 1).abs().max()) > CLOSE:
        return inf
    return _apart(ours, theirs * share)


def _sink_beside(ours: Tensor, theirs: Tensor, _may_look: Callable[[], Tensor]) -> float:
    if theirs.shape[-1] != ours.shape[-1] + 1:
        return inf
    return min(_apart(ours, theirs[..., 1:]), _apart(ours, theirs[..., :-1]))


def _not_normalised(ours: Tensor, theirs: Tensor, _may_look: Callable[[], Tensor]) -> float:
    if ours.shape != theirs.shape or float(theirs.min()) < 0:
        return inf
    share, sums = ours.sum(dim=-1, keepdim=True), theirs.sum(dim=-1, keepdim=True)
    return _apart(ours, theirs / sums * share)


def _dropped(ours: Tensor, theirs: Tensor, _may_look: Callable[[], Tensor]) -> float:
    """Some weights are zero, all others are larger by one factor."""
    if ours.shape != theirs.shape:
        return inf
    kept = theirs != 0
    here, there = ours[kept], theirs[kept]
    if not 0 < len(here) < int((ours > 0).sum()):
        return inf
    factor = float(there.sum() / here.sum())
    return float((here - there / factor).abs().max()) if factor > 1 else inf


READINGS: dict[str, Reading] = {
    "its rows without the sink's share": _without_sink,
    "the sink's share as one more key": _sink_beside,
    "one mean over all heads": _mean,
    "the logarithms of its weights": _logarithms,
    "its scores, before the softmax": _scores,
    "rows that are not normalised": _not_normalised,
    "its weights after dropout": _dropped,
}
