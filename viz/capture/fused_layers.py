"""Layers of PyTorch that compute by a fused path of their own, which leaves out what was put on their parts.

In evaluation mode `torch.nn.TransformerEncoderLayer` and `torch.nn.MultiheadAttention` may hand the plain weights of
their linear parts to one kernel. A part that computes more than those weights (an adapter) then takes no part. Whoever
watches a pass turns that path off, so that such a pass has to be compared with one that nobody watches.

Source: `torch.nn.TransformerEncoderLayer.forward` of torch 2.13.
"""

from __future__ import annotations

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

FUSED = (nn.TransformerEncoderLayer, nn.MultiheadAttention)
PLAIN = (nn.Linear, NonDynamicallyQuantizableLinear)


def may_leave_parts_out(module: nn.Module) -> bool:
    """Whether a module holds a fused layer with a linear part that is not PyTorch's own."""
    return any(
        hasattr(part, "weight") and type(part) not in PLAIN
        for layer in module.modules()
        if isinstance(layer, FUSED)
        for name, part in layer.named_children()
        if name in ("linear1", "linear2", "out_proj")
    )
