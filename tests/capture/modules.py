"""Modules that attend by PyTorch's own means, and what they are given."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

X = torch.randn(2, 11, 32, generator=torch.Generator().manual_seed(0))


def by_head(project, x, heads=4):
    """Project queries, keys and values: [3, batch, head, token, d]."""
    return project(x).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)


class Plain(nn.Module):
    """A module that calls the kernel as many do."""

    def __init__(self, *, causal=False):
        super().__init__()
        torch.manual_seed(1)
        self.qkv = nn.Linear(32, 96)
        self.causal = causal

    def forward(self, x):
        q, k, v = by_head(self.qkv, x)
        out = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return out.transpose(1, 2).flatten(2)

    def patterns(self, x):
        q, k, _ = by_head(self.qkv, x)
        scores = q @ k.transpose(-1, -2) * 8**-0.5
        if self.causal:
            scores = scores.masked_fill(torch.ones(11, 11).triu(1).bool(), -torch.inf)
        return scores.softmax(-1)


class Mixed(nn.Module):
    """Two attention modules of different kinds, one behind the other."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.first = Plain(causal=True)
        self.second = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, x):
        x = self.first(x)
        return self.second(x, x, x, need_weights=False)[0]
