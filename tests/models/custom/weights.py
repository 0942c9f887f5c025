"""Random tensors, and PyTorch's weights copied into ours."""

from __future__ import annotations

import torch
from torch import nn

from viz.models.custom import Attention
from viz.models.custom.transformer_block import Block

TOLERANCE = {"atol": 1e-6, "rtol": 0}


def noise(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def randomised(module, seed=0):
    """Fill every parameter, biases too, which would be zero otherwise."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.2, generator=generator)
    return module.eval()


@torch.no_grad()
def copy_attention(ours: Attention, theirs: nn.MultiheadAttention) -> None:
    """Give our attention the weights of PyTorch's."""
    weights = (
        (theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight)
        if theirs.in_proj_weight is None
        else theirs.in_proj_weight.chunk(3)
    )
    biases = (None,) * 3 if theirs.in_proj_bias is None else theirs.in_proj_bias.chunk(3)
    for (weight, bias), given, given_bias in zip(ours.matrices(), weights, biases, strict=True):
        weight.copy_(given)
        assert (bias is None) == (given_bias is None)
        if bias is not None:
            bias.copy_(given_bias)
    ours.output.load_state_dict(theirs.out_proj.state_dict())


@torch.no_grad()
def copy_layer(ours: Block, theirs: nn.Module) -> None:
    """Give our block the weights of one of PyTorch's layers."""
    copy_attention(ours.attention, theirs.self_attn)
    ours.attention_norm.load_state_dict(theirs.norm1.state_dict())
    last = theirs.norm2
    if ours.cross:
        copy_attention(ours.cross_attention, theirs.multihead_attn)
        ours.cross_norm.load_state_dict(theirs.norm2.state_dict())
        last = theirs.norm3
    ours.feedforward_norm.load_state_dict(last.state_dict())
    ours.feedforward.up.load_state_dict(theirs.linear1.state_dict())
    ours.feedforward.down.load_state_dict(theirs.linear2.state_dict())
