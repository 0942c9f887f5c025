"""Which tokens a prediction draws on, by weights times their gradients, followed back through the layers.

Source: Chefer et al. 2021, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
Transformers", of self-attention.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from viz.capture.layers.recorded_layer import blocks
from viz.effects.token_effects import SMALLEST, require_to_itself
from viz.effects.weight_gradients import HeadGradients, WeightGradients


def relevance(found: WeightGradients, rows: Sequence[int], *, stack: str = "self") -> Tensor:
    """Follow the positive parts of weight times gradient back to the tokens, each step beside what stays where it is.

    By products of vectors with each layer's weights, never of whole matrices.

    Args:
        found: gradients of the prediction.
        rows: positions that it is read from.
        stack: whose queries stand among its keys.

    Returns:
        Float32 [token], never negative: the mean over the rows. What the rows themselves begin with, 1, is in it.

    Raises:
        ShapeError: the queries are other units than the keys.

    Cost: weights and gradients of all rows that something arrives at, layer by layer, in blocks.
    """
    own = found.trace.stacks[stack]
    require_to_itself(own)
    device = own.records[0].tensors[0].device
    arrived = torch.zeros(len(own.keys), device=device)
    arrived[torch.as_tensor(list(rows), device=device)] = 1 / len(rows)
    for record, states in zip(reversed(own.records), reversed(found.layers[stack]), strict=True):
        passed = torch.zeros_like(arrived)
        reached = (arrived > SMALLEST).nonzero()[:, 0]
        for block, weights, first in blocks(record, slice(0, record.heads), reached):
            keys = slice(first, first + weights.shape[2])
            gradients = _gradients(states, block, keys)
            positive = (weights * gradients).clamp_min(0).mean(dim=0)
            passed[keys] += arrived[block] @ positive
        arrived = arrived + passed
    return arrived.cpu()


def _gradients(states: HeadGradients, rows: Tensor, keys: slice) -> Tensor:
    """Differentiate by the weights of some rows, float32 [head, row, key]."""
    groups = len(states.output) // len(states.value)
    value = states.value[:, keys].float().repeat_interleave(groups, dim=0)
    return states.gradient[:, rows].float() @ value.transpose(1, 2)
