"""Patches are named by their places only where they stand there."""

import pytest
import torch
import transformers as hf

import viz
from viz.models.tokens import Grid, patch_grid

PLAIN = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 64,
    "patch_size": 8,
}
TOWERS = {
    "vit": (lambda: hf.ViTModel(hf.ViTConfig(**PLAIN)), "self", Grid(1, 8, 8)),
    "dinov2 with registers": (
        lambda: hf.Dinov2WithRegistersModel(hf.Dinov2WithRegistersConfig(**PLAIN)),
        "self",
        Grid(5, 8, 8),
    ),
    "siglip": (
        lambda: hf.SiglipVisionModel(hf.SiglipVisionConfig(**PLAIN)),
        "encoder",
        Grid(0, 8, 8),
    ),
    "swin": (
        lambda: hf.SwinModel(
            hf.SwinConfig(
                image_size=64,
                patch_size=4,
                embed_dim=16,
                depths=[2, 2],
                num_heads=[2, 4],
                window_size=4,
            )
        ),
        "encoder_2",
        Grid(0, 8, 8),
    ),
}


def pixels(side: int = 64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {"pixel_values": torch.randn(1, 3, side, side, generator=generator)}


def model_of(make) -> viz.Model:
    torch.manual_seed(0)
    return viz.wrap_model(make().eval())


@pytest.mark.parametrize("name", TOWERS)
def test_patches_that_stand_row_by_row_are_named_by_their_places(name):
    make, stack, grid = TOWERS[name]
    trace = viz.capture(model_of(make), pixels())
    assert patch_grid(trace.stacks[stack].queries) == grid
    assert patch_grid(trace.stacks[stack].keys) == grid


def test_units_that_hiera_unrolls_are_numbered():
    config = hf.HieraConfig(
        image_size=[64, 64],
        embed_dim=16,
        depths=[1, 1, 1],
        num_heads=[1, 2, 4],
        num_query_pool=2,
        masked_unit_size=[4, 4],
        masked_unit_attention=[True, True, False],
    )
    first = viz.capture(model_of(lambda: hf.HieraModel(config)), pixels()).stacks["encoder_1"]
    assert patch_grid(first.keys) is None
    assert first.keys.labels[:2] == ("patch 0", "patch 1")


@pytest.mark.parametrize("moved", ["columns first", "two halves", "shuffled"])
def test_patches_in_another_order_are_numbered(moved):
    """The same tower with its patches laid out anew before the first layer."""
    orders = {
        "columns first": torch.arange(64).view(8, 8).T.reshape(-1),
        "two halves": torch.arange(64).view(8, 2, 4).transpose(0, 1).reshape(-1),
        "shuffled": torch.randperm(64, generator=torch.Generator().manual_seed(0)),
    }
    model = model_of(TOWERS["siglip"][0])
    embeddings = next(
        part for name, part in model.module.named_modules() if name.endswith("embeddings")
    )
    embeddings.register_forward_hook(lambda *given: given[2][:, orders[moved]])
    stack = viz.capture(model, pixels()).stacks["encoder"]
    assert patch_grid(stack.queries) is None
    assert patch_grid(stack.keys) is None


def test_a_picture_is_captured_twice_the_first_time_alone():
    model = model_of(TOWERS["vit"][0])
    passes = []
    model.module.register_forward_hook(lambda *_: passes.append(1))
    viz.capture(model, pixels())
    before = len(passes)
    viz.capture(model, pixels())
    assert len(passes) == before + 1
