"""Attention that is written out: a softmax, and a product with values."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import viz
from tests.capture.modules import X, by_head


class WrittenOut(nn.Module):
    """Attention that calls no kernel and returns no weights: a softmax, and a product with values."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.num_heads = 4
        self.qkv, self.gate = nn.Linear(32, 96), nn.Linear(32, 3)

    def scores(self, x):
        q, k, v = by_head(self.qkv, x)
        return (q @ k.transpose(-1, -2)).flatten(0, 1) * 0.2, v.flatten(0, 1)

    def forward(self, x):
        routed = self.gate(x).softmax(-1)  # looks like attention, and weighs nothing
        scores, values = self.scores(x)
        out = (functional.softmax(scores, dim=-1) @ values).unflatten(0, (len(x), 4))
        return out.transpose(1, 2).flatten(2) * routed.amax(-1, keepdim=True)


def test_a_softmax_that_weighs_values_is_attention_whoever_wrote_it():
    module = nn.Sequential(WrittenOut(), WrittenOut()).eval()
    with torch.inference_mode():
        expected = module[0].scores(X)[0].softmax(-1).unflatten(0, (2, 4))
    stack = viz.capture(viz.wrap_model(module), {"input": X}, item=1).stacks["self"]
    assert (stack.layers, stack.heads(0), stack.provenance(0).tier) == (2, 4, "eager")
    torch.testing.assert_close(stack.weights(0, 2), expected[1, 2])


class ByHand(nn.Module):
    """Attention that is written out, values on either side of the weights."""

    def __init__(self, *, values_first: bool = False) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.num_heads = 2
        self.values_first = values_first
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = by_head(self.qkv, x, heads=2)
        weights = (query @ key.mT / 8**0.5).softmax(-1)
        self.seen.append(weights)
        looked = (value.mT @ weights.mT).mT if self.values_first else weights @ value
        return looked.transpose(1, 2).flatten(2)


class KernelAround(nn.Module):
    """A part that calls the kernel itself, and holds another that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = ByHand()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = by_head(self.qkv, x, heads=2)
        looked = nn.functional.scaled_dot_product_attention(*parts)
        return self.inner(x + looked.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("values_first", [False, True])
def test_weights_written_out_are_seen_on_either_side_of_the_values(values_first):
    torch.manual_seed(0)
    module = nn.Sequential(ByHand(values_first=values_first)).eval()
    stack = viz.capture(viz.wrap_model(module), {"input": torch.randn(1, 9, 16)}).stacks["self"]
    for head in range(2):
        torch.testing.assert_close(stack.weights(0, head), module[0].seen[0][0, head])
    assert stack.provenance(0).output_error < 1e-6


def test_attention_written_out_inside_a_part_that_calls_the_kernel_is_seen_too():
    torch.manual_seed(0)
    module = nn.Sequential(KernelAround()).eval()
    stacks = viz.capture(viz.wrap_model(module), {"input": torch.randn(1, 9, 16)}).stacks
    names = [record.name for stack in stacks.values() for record in stack.records]
    assert names == ["0", "0.inner"]
    inner = list(stacks.values())[1]
    torch.testing.assert_close(inner.weights(0, 1), module[0].inner.seen[0][0, 1])
