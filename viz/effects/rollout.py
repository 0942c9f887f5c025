"""How much of each unit arrives at a position through the weights alone.

Source: Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers", sec. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from viz.capture.stack import Stack
from viz.effects.way_back import LayersDone, WayBack, carried_back, way_of


def rollout(
    stack: Stack,
    rows: Sequence[int],
    *,
    layers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Follow weights back through the layers of one stack, half of each step staying where it is.

    Heads count the same. By products of vectors with each layer's weights, never of whole matrices, so that memory grows
    with the text alone.

    Args:
        stack: whose queries stand among its keys.
        rows: queries that are followed.
        layers: how many of the first layers are followed; all by default.
        progress: called with how many layers are done, and of how many; may raise to cancel.

    Returns:
        Float32 [row, key]: rows sum to 1, or to less where the model has sinks.

    Raises:
        ShapeError: the queries are other units than the keys.

    Cost: weights of all rows that something arrives at, layer by layer, in blocks.
    """
    return rollout_back(way_of(stack, layers), rows, progress=progress)[stack.name]


def rollout_back(
    way: WayBack,
    rows: Sequence[int],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Tensor]:
    """Follow weights back from rows of the prediction's side to the units of every side.

    At each layer half of what is at a query stays there, and half moves to its keys by the mean of the heads' weights.
    Where a decoder looks across, that half moves over to the encoder's last states, and goes on through the encoder's
    layers from there; what stayed goes on through the decoder's earlier ones. A decoder's layer is one step for its
    own attention and one for the cross attention, in the reverse of the order in which they ran.

    Args:
        way: that is followed.
        rows: of the prediction's side.
        progress: called with how many layers are done, and of how many; may raise to cancel.

    Returns:
        By side, float32 [row, unit]: rows of all sides together sum to 1, or to less where the model has sinks.
    """
    arrived = way.begin(rows)
    tell = LayersDone(progress, len(way.steps))
    for step in way.steps:
        passed = carried_back(
            step, arrived[step.queries], lambda weights, _rows, _keys: weights.mean(dim=0)
        )
        arrived[step.queries] = 0.5 * arrived[step.queries]
        arrived[step.keys] = arrived[step.keys] + 0.5 * passed
        tell()
    return {name: one.cpu() for name, one in arrived.items()}
