"""Parts through which no gradient flows, though what they put out follows what they are handed: quantised layers.

Without this, what goes by way of them would count as nothing, and gradients would be wrong without a word.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from viz.errors import CaptureError

# How much a part is moved to see whether it follows.
MOVED = 0.5


def refuse_cut(part: nn.Module, args: tuple[Any, ...], output: Any) -> None:
    """A forward hook that ends a pass where its graph is cut.

    Raises:
        CaptureError: a part hands gradients nothing on.
    """
    if not torch.is_grad_enabled():
        # The model itself lets nothing flow here, such as where it only chooses keys.
        return
    given = args[0] if args and isinstance(args[0], Tensor) else None
    if given is None or not given.requires_grad or not isinstance(output, Tensor):
        return
    if output.requires_grad or not output.is_floating_point():
        return
    # What has other rows, such as a table of positions, is no map of what it is handed.
    if output.shape[:-1] != given.shape[:-1] or not _follows(part, args, output):
        return
    raise CaptureError(
        f"Nothing can be differentiated through {type(part).__name__}, such as a quantised layer.",
        "Load the model without quantisation. Heads and weights can be knocked out all the same.",
    )


@torch.no_grad()
def _follows(part: nn.Module, args: tuple[Any, ...], output: Tensor) -> bool:
    """Whether a part puts out something else where it is handed something else."""
    try:
        other = part.forward(args[0].detach() + MOVED, *args[1:])
    except (TypeError, RuntimeError, ValueError):
        return True
    return not (isinstance(other, Tensor) and torch.equal(other, output))
