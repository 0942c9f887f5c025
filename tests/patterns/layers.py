"""Layers of every kind that patterns are asked of, of noise, and their whole matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from viz.capture.layers.mask import Mask, Spans, as_rule, causal, full
from viz.capture.layers.recorded_layer import Layer, RecordedLayer, ReportedLayer
from viz.capture.layers.sparse_layer import SparseLayer
from viz.capture.verification import UNVERIFIED

CPU = torch.device("cpu")


def recorded(
    queries: int,
    keys: int,
    mask: Mask,
    *,
    heads: int = 4,
    key_heads: int = 2,
    width: int = 16,
    bias: torch.Tensor | None = None,
    softcap: float | None = None,
    sinks: torch.Tensor | None = None,
) -> RecordedLayer:
    generator = torch.Generator().manual_seed(queries * 7 + keys)
    return RecordedLayer(
        name="noise",
        query=torch.randn(heads, queries, width, generator=generator),
        key=torch.randn(key_heads, keys, width, generator=generator),
        scale=width**-0.5,
        mask=mask,
        bias=bias,
        softcap=softcap,
        sinks=sinks,
        provenance=UNVERIFIED,
    )


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def window(tokens: int, width: int) -> Spans:
    at = torch.arange(tokens, dtype=torch.int32)
    return Spans((at - width + 1).clamp(min=0), at + 1)


def padded(tokens: int, empty: int) -> Spans:
    """Left padding: the first rows look at nothing, the others at what is no padding."""
    at = torch.arange(tokens, dtype=torch.int32)
    looks = at >= empty
    start = torch.where(looks, empty, 0).int()
    return Spans(start, torch.where(looks, at + 1, 0).int())


def reported(tokens: int) -> ReportedLayer:
    return ReportedLayer("noise", noise(4, tokens, tokens).tril().softmax(-1), UNVERIFIED)


def sparse(tokens: int) -> SparseLayer:
    whole = noise(4, tokens, tokens).masked_fill(
        ~torch.ones(tokens, tokens).triu(-5).tril(5).bool(), -torch.inf
    )
    return SparseLayer.of("noise", whole.softmax(-1).to_sparse().coalesce(), tokens, UNVERIFIED)


LAYERS: dict[str, Callable[[], Layer]] = {
    "causal": lambda: recorded(600, 600, causal(600, CPU)),
    "full": lambda: recorded(530, 530, full(530, 530, CPU), key_heads=4, width=64),
    "more keys": lambda: recorded(100, 321, full(100, 321, CPU)),
    "more queries": lambda: recorded(321, 100, full(321, 100, CPU)),
    "generated": lambda: recorded(
        40, 300, Spans(torch.zeros(40).int(), torch.arange(261, 301).int())
    ),
    "window": lambda: recorded(600, 600, window(600, 40)),
    "padding": lambda: recorded(300, 300, padded(300, 37)),
    "holes": lambda: recorded(290, 290, as_rule(noise(1, 290, 290) > 0)),
    "holes of each head": lambda: recorded(90, 90, as_rule(noise(4, 90, 90) > 0)),
    "sinks": lambda: recorded(300, 300, causal(300, CPU), sinks=noise(4)),
    "sinks of each row": lambda: recorded(300, 300, causal(300, CPU), sinks=noise(4, 300)),
    "alibi": lambda: recorded(300, 300, causal(300, CPU), bias=noise(4, 1, 300)),
    "forbidding bias": lambda: recorded(
        300, 300, full(300, 300, CPU), bias=noise(4, 1, 300).clamp(min=0).log()
    ),
    "position bias": lambda: recorded(300, 300, full(300, 300, CPU), bias=noise(4, 300, 300)),
    "soft cap": lambda: recorded(300, 300, causal(300, CPU), softcap=0.7),
    "reported": lambda: reported(300),
    "sparse": lambda: sparse(300),
    "narrow": lambda: recorded(20, 20, causal(20, CPU), width=3, key_heads=1),
    "one token": lambda: recorded(1, 1, causal(1, CPU)),
}


def whole(layer: Layer, head: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all of a head's weights in float64 and what may be looked at, the plain way."""
    queries, keys = layer.shape
    rows = torch.arange(queries)
    allowed = layer.may_look(rows)
    allowed = allowed[min(head, len(allowed) - 1)]
    if not isinstance(layer, RecordedLayer):
        weights, first = layer.rows(slice(head, head + 1), rows)
        out = torch.zeros(queries, keys)
        out[:, first : first + weights.shape[-1]] = weights[0]
        return out.double().numpy(), allowed.numpy()
    query = layer.query[head].double()
    key = layer.key[head * len(layer.key) // layer.heads].double()
    score = query @ key.T * layer.scale
    if layer.softcap is not None:
        score = torch.tanh(score / layer.softcap) * layer.softcap
    if layer.bias is not None:
        score = score + layer.bias[min(head, len(layer.bias) - 1)].double()
    score = score.masked_fill(~allowed, -torch.inf)
    if layer.sinks is not None:
        sinks = layer.sinks[head].double().expand(queries)[:, None]
        return torch.cat([score, sinks], 1).softmax(1)[:, :-1].numpy(), allowed.numpy()
    return score.softmax(1).nan_to_num(0.0).numpy(), allowed.numpy()
