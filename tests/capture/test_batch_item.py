"""One input of a batch: with what belongs to it, and only where it computes alone what it does there."""

from __future__ import annotations

import pytest
import torch
import transformers as hf
from torch import nn
from torch.nn import functional

import viz
from viz.capture.batch_item import item_alone

TEXT = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 48,
}


class Across(nn.Module):
    """Every input looks at the others, place by place."""

    def __init__(self, *, by_hand=False):
        super().__init__()
        torch.manual_seed(0)
        self.qkv, self.by_hand = nn.Linear(16, 48), by_hand

    def forward(self, x):
        q, k, v = (t.transpose(0, 1)[:, None] for t in self.qkv(x).chunk(3, dim=-1))
        if self.by_hand:
            mixed = (q @ k.mT / 4).softmax(-1) @ v
        else:
            mixed = functional.scaled_dot_product_attention(q, k, v)
        return mixed[:, 0].transpose(0, 1)


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("tokens", [3, 4, 6])
@pytest.mark.parametrize("item", [0, 2])
def test_inputs_that_look_at_one_another_are_not_shown_alone(by_hand, tokens, item):
    model = viz.wrap_model(Across(by_hand=by_hand).eval())
    with pytest.raises(
        viz.LoupeError, match=rf"look at one another: alone, item {item}|no softmax"
    ):
        viz.capture(model, {"x": torch.randn(3, tokens, 16)}, item=item)


def llava():
    torch.manual_seed(0)
    vision = hf.CLIPVisionConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        image_size=28, patch_size=14,
    )  # fmt: skip
    config = hf.LlavaConfig(
        vision_config=vision, text_config=hf.LlamaConfig(**TEXT), image_token_index=90
    )
    return hf.LlavaForConditionalGeneration(config).eval()


def prompt(*pictures, length=24, places=4):
    """Ids with so many pictures' places, filled up on the right."""
    ids = [5]
    for _ in pictures:
        ids += [90] * places + [7, 8]
    return ids + [9] * (length - len(ids))


@pytest.mark.parametrize(("first", "second"), [(2, 1), (1, 2), (2, 0), (1, 1)])
@pytest.mark.parametrize("item", [0, 1])
def test_pictures_go_with_their_prompt(first, second, item):
    module = llava()
    ids = torch.tensor([prompt(*range(first)), prompt(*range(second))])
    pixels = torch.randn(first + second, 3, 28, 28)
    mine = pixels[:first] if item == 0 else pixels[first:]
    trace = viz.capture(
        viz.wrap_model(module), {"input_ids": ids, "pixel_values": pixels}, item=item
    )
    given = {"input_ids": ids[item : item + 1]}
    given |= {"pixel_values": mine} if len(mine) else {}
    alone = viz.capture(viz.wrap_model(module), given)
    assert trace.stacks.keys() == alone.stacks.keys()
    for name, stack in alone.stacks.items():
        assert trace.stacks[name].layers == stack.layers
        torch.testing.assert_close(
            trace.stacks[name].weights(0, 1), stack.weights(0, 1), atol=1e-5, rtol=0
        )


class Configured(nn.Module):
    """Stands for any model that has placeholders."""

    class Config:
        image_token_id, video_token_id = 90, 91

    config = Config()


def test_packed_patches_are_dealt_out_by_their_grids():
    ids = torch.tensor([[5, 90, 90, 7, 90, 9, 9], [90, 90, 90, 90, 5, 91, 91]])
    grids = torch.tensor([[1, 2, 4], [1, 2, 2], [1, 4, 4]])
    pixels = torch.arange(28.0)[:, None]
    videos, times = torch.arange(8.0)[:, None], torch.tensor([[2, 2, 2]])
    inputs = {
        "input_ids": ids,
        "pixel_values": pixels,
        "image_grid_thw": grids,
        "pixel_values_videos": videos,
        "video_grid_thw": times,
    }
    first, second = (
        item_alone(Configured(), inputs, item=item, batch=2, axis=0) for item in range(2)
    )
    assert torch.equal(first["pixel_values"], pixels[:12])
    assert torch.equal(first["image_grid_thw"], grids[:2])
    assert "pixel_values_videos" not in first
    assert torch.equal(second["pixel_values"], pixels[12:])
    assert torch.equal(second["image_grid_thw"], grids[2:])
    assert torch.equal(second["pixel_values_videos"], videos)


def test_pictures_of_several_sizes_go_by_the_runs_of_their_places():
    ids = torch.tensor([[90, 90, 7, 90], [5, 90, 90, 90]])
    pixels, sizes = torch.randn(3, 2, 3, 4, 4), torch.tensor([[4, 8], [4, 4], [8, 8]])
    inputs = {"input_ids": ids, "pixel_values": pixels, "image_sizes": sizes}
    assert torch.equal(
        item_alone(Configured(), inputs, item=1, batch=2, axis=0)["pixel_values"], pixels[2:]
    )


def test_pictures_whose_prompt_cannot_be_told_are_refused():
    ids = torch.tensor([[90, 90, 90, 7], [5, 90, 90, 9]])
    inputs = {"input_ids": ids, "pixel_values": torch.randn(3, 3, 4, 4)}
    with pytest.raises(
        viz.LoupeError, match=r"Which of the 3 pictures belong to item 1.* 3, 2 places"
    ):
        item_alone(Configured(), inputs, item=1, batch=2, axis=0)


class Turned(torch.nn.Module):
    """Hands its batch of texts to PyTorch's own attention with tokens first, and turns back what comes out."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = torch.nn.MultiheadAttention(8, 2, batch_first=False)

    def forward(self, x, context):
        query, key = x.transpose(0, 1), context.transpose(0, 1)
        return x + self.inner(query, key, key, need_weights=False)[0].transpose(0, 1)


@pytest.mark.parametrize("lengths", [(2, 3), (5, 2)])
@pytest.mark.parametrize("batch", [1, 3])
def test_what_differs_in_length_is_no_batch(batch, lengths):
    module = Turned().eval()
    given = {
        name: torch.randn(batch, count, 8)
        for name, count in zip(("x", "context"), lengths, strict=True)
    }
    trace = viz.capture(viz.wrap_model(module), given, item=batch - 1)
    with torch.inference_mode():
        expected = module(**given)[batch - 1]
    torch.testing.assert_close(trace.output, expected, atol=1e-6, rtol=0)
    (stack,) = trace.stacks.values()
    assert stack.record(0).shape == lengths
