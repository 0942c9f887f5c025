"""Planes of real width, merged again and again: each unit's place is that of the patch that moves it."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from torch import nn

import viz
from viz.models.tokens import patch_grid

SMALL = {"depths": [1, 2, 2, 1], "num_heads": [1, 2, 4, 8]}

HIERA = {"embed_dim": 16, "depths": [1, 2, 3, 2], "num_heads": [1, 2, 4, 8]}

TOWERS = {
    "swin": (hf.SwinModel, hf.SwinConfig(**SMALL, embed_dim=16), 224),
    "swin, padded": (hf.SwinModel, hf.SwinConfig(**SMALL, embed_dim=16), 256),
    "swin v2": (hf.Swinv2Model, hf.Swinv2Config(**SMALL, embed_dim=16, window_size=8), 256),
    "hiera": (hf.HieraModel, hf.HieraConfig(**HIERA), 224),
    "hiera, wide": (hf.HieraModel, hf.HieraConfig(**HIERA, image_size=[288, 288]), 288),
    "donut": (hf.DonutSwinModel, hf.DonutSwinConfig(**SMALL, embed_dim=16, window_size=7), 224),
}


def moved_most(before, after):
    """Which unit of a stack another picture moves most, by what it looks at and by what looks at it."""
    moved = sum(
        (before.weights(0, head) - after.weights(0, head)).abs() for head in range(before.heads(0))
    )
    looks = moved.sum(dim=1)
    return int((looks + moved.sum(dim=0) if moved.shape[0] == moved.shape[1] else looks).argmax())


@pytest.mark.parametrize("name", TOWERS)
@pytest.mark.parametrize("patch", [(3, 5), (17, 40), (50, 23)])
def test_a_patch_moves_the_unit_that_bears_its_place(name, patch):
    kind, config, side = TOWERS[name]
    torch.manual_seed(0)
    model = viz.wrap_model(kind(config).eval())
    picture = torch.randn(1, 3, side, side)
    touched = picture.clone()
    row, column = patch
    # A pixel that no other patch reads, where they overlap.
    touched[:, :, 4 * row, 4 * column] += 20 * torch.randn(3)
    before, after = (viz.capture(model, {"pixel_values": one}).stacks for one in (picture, touched))
    assert len({patch_grid(stack.queries) for stack in before.values()}) == 4
    for name, stack in before.items():
        grid = patch_grid(stack.queries)
        merged = side // 4 // grid.rows
        # Later layers of a stage have mixed what is in a window.
        unit = moved_most(stack, after[name])
        assert stack.queries.labels[unit] == f"{row // merged},{column // merged}"


class MergedWithBorder(nn.Module):
    """Attends over a wide plane, merges 2 x 2, and keeps beside the merged ones the mean of a few of them."""

    def __init__(self, kept):
        super().__init__()
        torch.manual_seed(0)
        self.kept = kept
        self.cut, self.merge = nn.Conv2d(3, 32, 4, 4), nn.Linear(128, 32)
        self.fine, self.coarse = (nn.MultiheadAttention(32, 2, batch_first=True) for _ in range(2))

    def forward(self, pixel_values):
        x = self.cut(pixel_values).flatten(2).mT
        x = x + self.fine(x, x, x, need_weights=False)[0]
        x = x.view(-1, 16, 2, 16, 2, 32).permute(0, 1, 3, 2, 4, 5).reshape(-1, 256, 128)
        x = self.merge(x)
        mean = x[:, self.kept].mean(1, keepdim=True)
        x = torch.cat([x[:, :-1], mean], 1)
        return x + self.coarse(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("kept", [slice(0, 256), slice(0, 64), [0, 40, 200, 255], [7, 250]])
def test_a_mean_of_merged_patches_is_none_of_them(kept):
    stacks = viz.capture(
        viz.wrap_model(MergedWithBorder(kept).eval()), {"pixel_values": torch.randn(1, 3, 128, 128)}
    ).stacks
    assert patch_grid(stacks["self_1"].queries) == (0, 32, 32)
    assert "," not in stacks["self_2"].queries.labels[-1]
