"""A plain account of who looks where, of modules that attend in ways drawn at random.

It is written with loops over queries in float64 and knows nothing of how the module, or `viz`, arranges
its tensors: a score for each pair that may look, a softmax, a sum.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.capture.random_modules import Part, Spec, Whole, reach


@dataclass(frozen=True)
class Expected:
    """What one part does to the chosen item.

    Shapes: weights [head, query, key] float64; seen [query, key] bool. Along `items` the weights of
    every token stand one after the other: [token, head, item, item].
    """

    name: str
    spec: Spec
    weights: Tensor
    seen: Tensor

    def in_windows(self, pairs: Tensor) -> Tensor:
        """Lay [.., query, key] out one window after the other."""
        if not self.spec.window:
            return pairs
        window_of, place_of = _windows(self.spec, pairs.shape[-1])
        order = sorted(
            range(pairs.shape[-1]), key=lambda token: (window_of(token), place_of(token))
        )
        return pairs[..., order, :][..., order]


@dataclass(frozen=True)
class Case:
    """A module, what it is given, and what is to be seen."""

    module: Whole
    inputs: dict[str, Tensor]
    item: int
    expected: list[Expected]
    output: Tensor

    def __repr__(self) -> str:
        shapes = {name: tuple(value.shape) for name, value in self.inputs.items()}
        specs = "; ".join(repr(one.spec) for one in self.expected)
        return f"Case({shapes}, item={self.item}, tokens_first={self.module.tokens_first}: {specs})"


def sees(part: Part, query: int, key: int, tokens: int, present: Tensor | None) -> bool:
    """Whether a token may look at another; a key beside the tokens' own is seen by all."""
    spec = part.spec
    if spec.window:
        window_of, place_of = _windows(spec, tokens)
        if window_of(query) != window_of(key):
            return False
        query, key, tokens = place_of(query), place_of(key), spec.window
    if spec.mask in ("causal", "flag"):
        return key <= query
    if spec.mask == "sliding":
        return 0 <= query - key <= reach(tokens)
    if spec.mask == "bool":
        return key == query or bool(part.table[query, key] > 0)
    return spec.mask != "padding" or present is None or bool(present[key])


def _windows(spec: Spec, tokens: int) -> tuple[Callable[[int], int], Callable[[int], int]]:
    """Return functions that say in which window a token is, and where in it."""
    count = tokens // spec.window
    if spec.strided:
        return (lambda token: token % count), (lambda token: token // count)
    return (lambda token: token // spec.window), (lambda token: token % spec.window)


def account(
    part: Part, x: Tensor, context: Tensor, present: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Say what a part does, pair by pair: weights [batch, head, query, key], seen, and its output."""
    spec = part.spec
    query, key, value = part.projected(x, context)
    batch, tokens, heads, width = query.shape
    groups = heads // key.shape[2]
    keys = key.shape[1]
    first = 1 if spec.null == "front" else 0
    scores = torch.full((batch, heads, tokens, keys), -torch.inf, dtype=torch.float64)
    added = torch.zeros(batch, heads, tokens, keys, dtype=torch.float64)
    seen = torch.zeros(batch, tokens, keys, dtype=torch.bool)
    for item in range(batch):
        here = None if present is None else present[item]
        for row in range(tokens):
            for column in range(keys):
                own = column - first
                beside = spec.null not in ("", "sink") and not 0 <= own < keys - 1
                if not beside and not sees(part, row, own, tokens, here):
                    continue
                seen[item, row, column] = True
                for head in range(heads):
                    dot = query[item, row, head] @ key[item, column, head // groups]
                    scores[item, head, row, column] = dot / math.sqrt(width)
                if spec.mask == "additive":
                    place = _windows(spec, tokens)[1] if spec.window else (lambda token: token)
                    added[item, :, row, column] = part.table[place(row), place(own)].double()
    if spec.talks == "before":
        scores = torch.einsum("gh,bhqk->bgqk", part.mix, scores.nan_to_num(neginf=0.0))
        scores = scores.masked_fill(~seen[:, None], -torch.inf)
    scores = scores + added
    if spec.null == "sink":
        sinks = part.sink.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
        scores = torch.cat([scores, sinks], dim=-1)
    weights = scores.softmax(dim=-1)[..., :keys]
    if spec.talks == "after":
        weights = torch.einsum("gh,bhqk->bgqk", part.mix, weights)
    heads_out = torch.stack(
        [weights[:, head] @ value[:, :, head // groups] for head in range(heads)], dim=2
    )
    return weights, seen, finished(part, heads_out, x)


def account_of_items(part: Part, x: Tensor) -> tuple[Tensor, Tensor]:
    """The same where the items of a batch look at each other: [token, head, item, item]."""
    query, key, value = (one.transpose(0, 1) for one in part.projected(x, x))
    tokens, _, heads, width = query.shape
    groups = heads // key.shape[2]
    out, weights = torch.zeros_like(query), []
    for token in range(tokens):
        for head in range(heads):
            mine, other = query[token, :, head], key[token, :, head // groups]
            weights.append((mine @ other.T / math.sqrt(width)).softmax(dim=-1))
            out[token, :, head] = weights[-1] @ value[token, :, head // groups]
    stacked = torch.stack(weights).unflatten(0, (tokens, heads))
    return stacked, finished(part, out.transpose(0, 1), x)


def account_of_channels(part: Part, x: Tensor) -> tuple[Tensor, Tensor]:
    """The same where channels of a head look at each other: [batch, head, channel, channel]."""
    query, key, value = part.projected(x, x)
    batch, _, heads, width = query.shape
    out = torch.zeros_like(query)
    weights = torch.zeros(batch, heads, width, width, dtype=torch.float64)
    for item in range(batch):
        for head in range(heads):
            scores = query[item, :, head].T @ key[item, :, head] / math.sqrt(width)
            weights[item, head] = scores.softmax(dim=-1)
            out[item, :, head] = value[item, :, head] @ weights[item, head].T
    return weights, finished(part, out, x)


def finished(part: Part, heads: Tensor, x: Tensor) -> Tensor:
    """Do to the heads what the part does before it returns them."""
    joined = heads.flatten(-2)
    if part.spec.by == "mha":
        return part.inner.out_proj(joined)
    return part.out(joined * torch.sigmoid(part.gate(x)) if part.spec.gate else joined)


def case_of(
    specs: list[Spec],
    *,
    tokens: int,
    batch: int = 1,
    item: int = 0,
    seed: int = 0,
    keys: int = 5,
    tokens_first: bool = False,
) -> Case:
    """Build a module of parts, inputs for it, and the account of what it does to one item."""
    parts = [Part(spec, tokens, seed + number) for number, spec in enumerate(specs)]
    module = Whole(parts, tokens_first=tokens_first).eval()
    generator = torch.Generator().manual_seed(seed)
    d_model = specs[0].heads * specs[0].width
    x = torch.randn(batch, tokens, d_model, generator=generator)
    context = torch.randn(batch, keys, d_model, generator=generator)
    present = torch.arange(tokens)[None] < torch.randint(
        1, tokens + 1, (batch, 1), generator=generator
    )
    inputs = {"x": x}
    if any(spec.cross for spec in specs):
        inputs["context"] = context
    if tokens_first:
        inputs = {name: value.transpose(0, 1).contiguous() for name, value in inputs.items()}
    if any(spec.mask == "padding" for spec in specs):
        inputs["present"] = present
    wide = copy.deepcopy(module).double()
    stream, expected = x.double(), []
    with torch.no_grad():
        for number, part in enumerate(wide.blocks):
            spec = part.spec
            if spec.along == "items":
                weights, out = account_of_items(part, stream)
                seen = torch.ones(batch, batch, dtype=torch.bool)
            elif spec.along == "channels":
                by_item, out = account_of_channels(part, stream)
                weights, seen = by_item[item], torch.ones(spec.width, spec.width, dtype=torch.bool)
            else:
                read = context.double() if spec.cross else stream
                by_item, all_seen, out = account(
                    part, stream, read, present if spec.mask == "padding" else None
                )
                weights, seen = by_item[item], all_seen[item]
            expected.append(Expected(f"blocks.{number}", spec, weights, seen))
            stream = stream + out
    return Case(module, inputs, item, expected, stream)
