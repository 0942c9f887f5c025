"""How much of each token can flow to a position through the layers, with weights as capacities.

Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", sec. 3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import maximum_flow

from viz.capture.stack import Stack
from viz.effects.token_effects import require_to_itself
from viz.errors import InputError

# Every token takes a maximum flow of its own through layers x tokens^2 edges.
MOST_TOKENS = 128

# SciPy's capacities are whole numbers of 32 bits; so many of these units are a weight of 1.
UNITS = 1 << 24


def attention_flow(
    stack: Stack, position: int, *, progress: Callable[[int, int], None] | None = None
) -> list[float]:
    """Find how much can flow from each token to a position, half of each step staying where it is.

    Heads count the same. The weights of a layer are the capacities of its edges, so that a token's flow is at most 1, and
    flows of all tokens together may be more.

    Args:
        stack: whose queries stand among its keys, of at most 128 tokens.
        position: that is flowed to, after the last layer.
        progress: called with how many tokens are done, and of how many; may raise to cancel.

    Returns:
        For each token its flow, from 0 to 1.

    Raises:
        InputError: there are more tokens.
        ShapeError: the queries are other units than the keys.

    Cost: a maximum flow for each token.
    """
    count = len(stack.keys)
    require_to_itself(stack)
    if count > MOST_TOKENS:
        raise InputError(
            f"The text has {count:,} tokens; attention flow is found for at most {MOST_TOKENS}.",
            "Choose rollout, which follows weights through texts of any length, or a shorter text.",
        )
    network = _network(stack)
    # Nodes are numbered layer by layer, the tokens as they go in first.
    top = stack.layers * count + position
    flows = []
    for token in range(count):
        found = maximum_flow(network, top, token)
        flows.append(found.flow_value / UNITS)
        if progress is not None:
            progress(token + 1, count)
    return flows


def _network(stack: Stack) -> csr_array:
    """Join every unit of a layer to those of the layer before that it attends to."""
    count = len(stack.keys)
    starts, ends, capacities = [], [], []
    for layer in range(stack.layers):
        mean = torch.stack(
            [stack.weights(layer, head).float().cpu() for head in range(stack.heads(layer))]
        ).mean(dim=0)
        half: NDArray[np.float32] = (0.5 * mean + 0.5 * torch.eye(count)).numpy()
        queries, keys = half.nonzero()
        starts.append(queries + (layer + 1) * count)
        ends.append(keys + layer * count)
        capacities.append(np.rint(half[queries, keys] * UNITS).astype(np.int32))
    size = (stack.layers + 1) * count
    joined = coo_array(
        (np.concatenate(capacities), (np.concatenate(starts), np.concatenate(ends))),
        shape=(size, size),
    )
    return csr_array(joined)
