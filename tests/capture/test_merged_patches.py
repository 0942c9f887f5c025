"""Patches that are merged on the way have places, too; and all of it holds in half precision."""

import pytest
import torch
import transformers as hf

import viz
from tests.capture.test_patch_positions import PLAIN, pixels, turned_patches
from viz.inputs.units import Grid, patch_grid


class Merging(torch.nn.Module):
    """Attends over 8 x 8 patches, merges 2 x 2 of them, lays the merged ones out anew, and attends again."""

    def __init__(self, order=None):
        super().__init__()
        torch.manual_seed(0)
        self.order = order
        self.cut = torch.nn.Conv2d(3, 32, 8, 8)
        self.fine = torch.nn.MultiheadAttention(32, 2, batch_first=True)
        self.merge = torch.nn.Linear(128, 32)
        self.coarse = torch.nn.MultiheadAttention(32, 2, batch_first=True)

    def forward(self, pixel_values):
        x = self.cut(pixel_values).flatten(2).transpose(1, 2)
        x = x + self.fine(x, x, x, need_weights=False)[0]
        x = x.view(-1, 4, 2, 4, 2, 32).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 128)
        x = self.merge(x)
        if self.order is not None:
            x = x[:, self.order]
        return x + self.coarse(x, x, x, need_weights=False)[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("moved", ["columns first", "shuffled", "two of them"])
def test_merged_patches_that_a_model_lays_out_anew_are_put_back(moved, dtype):
    """In half precision, where steps are too small to be seen, by the bits of their numbers."""
    given = {"pixel_values": pixels()["pixel_values"].to(dtype)}
    order = turned_patches(16, moved)
    expected, stacks = (
        viz.capture(viz.wrap_model(Merging(one).to(dtype).eval()), given).stacks
        for one in (None, order)
    )
    for name, grid in (("self_1", Grid(0, 8, 8)), ("self_2", Grid(0, 4, 4))):
        assert patch_grid(stacks[name].queries) == grid
        for head in range(2):
            torch.testing.assert_close(
                stacks[name].weights(0, head),
                expected[name].weights(0, head),
                atol=1e-6 if dtype == torch.float32 else 1e-3,
                rtol=0,
            )


def test_own_tokens_are_named_in_half_precision():
    config = hf.DINOv3ViTConfig(**PLAIN, num_register_tokens=2)
    model = viz.wrap_model(hf.DINOv3ViTModel(config).to(torch.bfloat16).eval())
    given = {"pixel_values": pixels()["pixel_values"].to(torch.bfloat16)}
    labels = viz.capture(model, given).stacks["self"].queries.labels
    assert labels[:4] == ("[CLS]", "[REG1]", "[REG2]", "0,0")
