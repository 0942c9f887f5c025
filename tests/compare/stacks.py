"""Stacks of noise."""

from __future__ import annotations

import torch

from tests.patterns.layers import CPU, reported
from viz.capture.layers.mask import Mask, causal
from viz.capture.layers.recorded_layer import Layer, RecordedLayer, ReportedLayer
from viz.capture.stack import Stack
from viz.capture.verification import UNVERIFIED
from viz.inputs.units import numbered_units


def noisy_layer(tokens: int, heads: int, seed: int, mask: Mask | None = None) -> RecordedLayer:
    """Make a layer whose heads look sharply, so that they differ."""
    generator = torch.Generator().manual_seed(seed)
    query, key = 2 * torch.randn(2, heads, tokens, 8, generator=generator)
    return RecordedLayer(
        name="noise",
        query=query,
        key=key,
        scale=8**-0.5,
        mask=mask or causal(tokens, CPU),
        bias=None,
        softcap=None,
        sinks=None,
        provenance=UNVERIFIED,
    )


def stack_of(*layers: Layer) -> Stack:
    """Put layers into a stack."""
    queries, keys = layers[0].shape
    return Stack("self", layers, numbered_units("token", queries), numbered_units("token", keys))


def given(weights: torch.Tensor) -> Stack:
    """Make a stack of one layer of these weights, [head, query, key]."""
    return stack_of(ReportedLayer("given", weights, UNVERIFIED))


def mixed_stack(tokens: int, *, seed: int = 0) -> Stack:
    """Make a stack whose layers differ in their numbers of heads, and in kind."""
    layers = (noisy_layer(tokens, 3, seed), noisy_layer(tokens, 5, seed + 1))
    return stack_of(*layers, reported(tokens))
