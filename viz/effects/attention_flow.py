"""How much of each token can flow to a position through the layers, with weights as capacities.

Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", sec. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import maximum_flow

from viz.capture.layers.recorded_layer import blocks
from viz.effects.way_back import WayBack
from viz.errors import InputError

# Every token takes a maximum flow of its own through layers x tokens^2 edges.
MOST_TOKENS = 128

# SciPy's capacities are whole numbers of 32 bits; so many of these units are a weight of 1.
UNITS = 1 << 24


def attention_flow(
    way: WayBack, position: int, *, progress: Callable[[int, int], None] | None = None
) -> dict[str, list[float]]:
    """Find how much can flow from each token to a position, half of each step staying where it is.

    Heads count the same. The weights of a layer are the capacities of its edges, so that a token's flow is at most 1, and
    flows of all tokens together may be more. A decoder's layer is two steps, its own attention and the cross attention: of
    the latter half leads to the decoder's own state before it, and half to the encoder's last states.

    Args:
        way: that is followed, through at most 128 tokens on all sides together.
        position: that is flowed to, after the last layer.
        progress: called with how many tokens are done, and of how many; may raise to cancel.

    Returns:
        By side, for each token its flow, from 0 to 1.

    Raises:
        InputError: there are more tokens.

    Cost: a maximum flow for each token.
    """
    count = sum(len(units) for units in way.sides.values())
    if count > MOST_TOKENS:
        several = "The text has" if len(way.sides) == 1 else "What is read and written has"
        raise InputError(
            f"{several} {count:,} tokens; attention flow is found for at most {MOST_TOKENS}.",
            "Choose rollout, which follows weights through texts of any length, or a shorter text.",
        )
    network = _network(way)
    flows: dict[str, list[float]] = {name: [] for name in way.sides}
    done = 0
    for name, units in way.sides.items():
        for token in range(len(units)):
            found = maximum_flow(
                network.edges, network.last[way.own] + position, network.first[name] + token
            )
            flows[name].append(found.flow_value / UNITS)
            done += 1
            if progress is not None:
                progress(done, count)
    return flows


@dataclass(frozen=True, slots=True)
class _Network:
    """Capacities between units, which are numbered anew after each layer.

    Attributes:
        edges: from each unit to those that it draws on.
        first: by side, the number of its first unit as it goes in.
        last: the same after the last layer.
    """

    edges: csr_array
    first: Mapping[str, int]
    last: Mapping[str, int]


def _network(way: WayBack) -> _Network:
    """Join every unit of a layer to itself before it, and to those that it attends to."""
    first, size = {}, 0
    for name, units in way.sides.items():
        first[name], size = size, size + len(units)
    last = dict(first)
    starts, ends, capacities = [], [], []
    for step in reversed(way.steps):
        record, count = step.record, step.record.shape[0]
        every = torch.arange(count, device=way.device)
        for block, weights, run in blocks(record, slice(0, record.heads), every):
            half = (0.5 * weights.mean(dim=0)).cpu().numpy()
            rows, keys = half.nonzero()
            starts.append(size + block.cpu().numpy()[rows])
            ends.append(last[step.keys] + run + keys)
            capacities.append(np.rint(half[rows, keys] * UNITS).astype(np.int32))
        starts.append(size + np.arange(count))
        ends.append(last[step.queries] + np.arange(count))
        capacities.append(np.full(count, UNITS // 2, dtype=np.int32))
        last[step.queries], size = size, size + count
    joined = coo_array(
        (np.concatenate(capacities), (np.concatenate(starts), np.concatenate(ends))),
        shape=(size, size),
    )
    # A unit that attends to itself has two edges there, which are added up.
    return _Network(csr_array(joined), first, last)
