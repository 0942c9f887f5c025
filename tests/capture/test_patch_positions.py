"""Patches are named by their places only where they stand there."""

import pytest
import torch
import transformers as hf

import viz
from viz.inputs.units import Grid, patch_grid

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


def turned_patches(count: int, kind: str) -> torch.Tensor:
    side = int(count**0.5)
    numbers = torch.arange(count).view(side, side)
    return {
        "columns first": numbers.T.reshape(-1),
        "two halves": numbers.view(side, 2, side // 2).transpose(0, 1).reshape(-1),
        "shuffled": torch.randperm(count, generator=torch.Generator().manual_seed(0)),
        "two of them": numbers.reshape(-1)[[1, 0, *range(2, count)]],
    }[kind]


@pytest.mark.parametrize("moved", ["columns first", "two halves", "shuffled", "two of them"])
def test_patches_that_a_model_lays_out_anew_are_put_back(moved):
    """The same tower with its patches in another order shows the same patches looking at each other."""
    order = turned_patches(64, moved)
    plain = model_of(TOWERS["siglip"][0])
    turned = model_of(TOWERS["siglip"][0])
    for module, before in ((plain.module, None), (turned.module, order)):
        embeddings = next(p for n, p in module.named_modules() if n.endswith("embeddings"))
        if before is not None:
            embeddings.register_forward_hook(lambda *given: given[2][:, order])
    expected = viz.capture(plain, pixels()).stacks["encoder"]
    stack = viz.capture(turned, pixels()).stacks["encoder"]
    assert patch_grid(stack.queries) == Grid(0, 8, 8)
    for layer in range(2):
        for head in range(2):
            torch.testing.assert_close(
                stack.weights(layer, head), expected.weights(layer, head), atol=1e-6, rtol=0
            )


class Mixing(torch.nn.Module):
    """Mixes its patches before it attends, so that none of them has a place any more."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.cut = torch.nn.Conv2d(3, 32, 8, 8)
        self.mix = torch.nn.Linear(64, 64)
        self.attend = torch.nn.MultiheadAttention(32, 2, batch_first=True)

    def forward(self, pixel_values):
        x = self.cut(pixel_values).flatten(2)
        x = self.mix(x).transpose(1, 2)
        return self.attend(x, x, x, need_weights=False)[0]


def test_units_whose_places_cannot_be_proven_are_numbered():
    stack = viz.capture(viz.wrap_model(Mixing().eval()), pixels()).stacks["self"]
    assert patch_grid(stack.queries) is None
    assert stack.queries.labels[:2] == ("position 0", "position 1")


def test_patches_that_a_model_draws_by_chance_are_numbered():
    """ViT-MAE keeps a quarter of them, other ones in every pass."""
    model = model_of(lambda: hf.ViTMAEModel(hf.ViTMAEConfig(**PLAIN)))
    stack = viz.capture(model, pixels()).stacks["self"]
    assert patch_grid(stack.queries) is None


HIERA = {
    "image_size": [64, 64],
    "embed_dim": 16,
    "num_heads": [1, 2, 4],
    "masked_unit_attention": [True, True, False],
}


def moved_by(model: viz.Model, row: int, column: int, size: int) -> dict[str, torch.Tensor]:
    """How much each query's weights change with a few pixels, in the first layer of each stack."""
    given = pixels()
    other = {"pixel_values": given["pixel_values"].clone()}
    middle = size // 2
    spot = (slice(row * size + middle, row * size + middle + 1),) * 1
    other["pixel_values"][..., spot[0], column * size + middle] += 5
    one, two = viz.capture(model, given).stacks, viz.capture(model, other).stacks
    return {
        name: sum(
            (s.weights(0, h) - two[name].weights(0, h)).abs().sum(1) for h in range(s.heads(0))
        )
        for name, s in one.items()
    }


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("unit", "pools"), [(4, 2), (8, 2), (4, 1)])
def test_hieras_units_stand_where_their_patches_are(unit, pools, seed):
    config = hf.HieraConfig(
        **HIERA, depths=[1, 2, 1], num_query_pool=pools, masked_unit_size=[unit, unit]
    )
    torch.manual_seed(seed)
    model = viz.wrap_model(hf.HieraModel(config).eval())
    stacks = viz.capture(model, pixels()).stacks
    finest = stacks["encoder_1"]
    assert patch_grid(finest.queries) == Grid(0, 16, 16)
    for row, column in ((0, 0), (3, 9), (12, 5), (15, 15)):
        change = moved_by(model, row, column, 4)["encoder_1"]
        near = {(row + r, column + c) for r in (-1, 0, 1) for c in (-1, 0, 1)}
        own = int(change.argmax())
        assert finest.queries.labels[own] in {f"{r},{c}" for r, c in near}


@pytest.mark.parametrize("family", ["Swin", "Swinv2", "DonutSwin"])
@pytest.mark.parametrize("side", [64, 40])
def test_every_block_of_a_swin_looks_within_its_own_rolled_window(family, side):
    config = getattr(hf, f"{family}Config")(
        image_size=side, patch_size=4, window_size=4, depths=[2], num_heads=[2], embed_dim=16
    )
    torch.manual_seed(0)
    model = viz.wrap_model(getattr(hf, f"{family}Model")(config).eval())
    stack = viz.capture(model, pixels(side)).stacks["self"]
    across = side // 4
    padded = -(-across // 4) * 4
    assert patch_grid(stack.queries) == Grid(0, across, across)
    row, column = (torch.arange(across**2) // across), (torch.arange(across**2) % across)
    for layer, shift in enumerate((0, 2)):
        down, right = ((n - shift) % padded // 4 for n in (row, column))
        together = (down[:, None] == down) & (right[:, None] == right)
        weights = stack.weights(layer, 1)
        # Scores of what a mask forbids are lowered by 100, not to nothing.
        assert float(weights[~together].abs().max()) < 1e-12
        assert bool((weights[together].view(-1) > 0).any())


def test_qwens_tower_names_its_patches_by_their_places_in_each_picture():
    """It works window by window, on patches that come in blocks of four."""
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as home

    config = home.Qwen2_5_VLVisionConfig(
        depth=2,
        hidden_size=32,
        intermediate_size=48,
        num_heads=2,
        patch_size=14,
        window_size=56,
        out_hidden_size=32,
        fullatt_block_indexes=[1],
    )
    torch.manual_seed(0)
    model = viz.wrap_model(home.Qwen2_5_VisionTransformerPretrainedModel(config).eval())
    grids = [(1, 8, 12), (1, 4, 4)]
    count = sum(t * h * w for t, h, w in grids)
    given = {
        "hidden_states": torch.randn(count, 1176),
        "grid_thw": torch.tensor(grids),
    }
    stack = viz.capture(model, given).stacks["self"]
    expected = [
        f"picture {number + 1}: {row},{column}"
        for number, (_, rows, columns) in enumerate(grids)
        for row in range(rows)
        for column in range(columns)
    ]
    assert list(stack.queries.labels) == list(stack.keys.labels) == expected
    # The first layer looks within windows of 4 x 4 patches of one picture, the second within one.
    where = [tuple(map(int, label.split(": ")[1].split(","))) for label in expected]
    window = torch.tensor([(n >= 96, r // 4, c // 4) for n, (r, c) in enumerate(where)])
    same = (window[:, None] == window).all(dim=-1)
    assert torch.equal(stack.attended(0, 0), same)
    picture = torch.arange(count) >= 96
    assert torch.equal(stack.attended(1, 0), picture[:, None] == picture)
    # The 24th patch of what goes in is the first of the seventh block: row 2, column 0.
    other = dict(given, hidden_states=given["hidden_states"].clone())
    other["hidden_states"][24] += 1
    change = (viz.capture(model, other).stacks["self"].weights(0, 0) - stack.weights(0, 0)).abs()
    assert stack.queries.labels[int(change.sum(1).argmax())] == "picture 1: 2,0"


@pytest.mark.parametrize(
    ("kind", "config", "first"),
    [
        (hf.ViTModel, hf.ViTConfig(**PLAIN), ("[CLS]",)),
        (hf.DeiTModel, hf.DeiTConfig(**PLAIN), ("[CLS]", "[DIST]")),
        (
            hf.DINOv3ViTModel,
            hf.DINOv3ViTConfig(**PLAIN, num_register_tokens=2),
            ("[CLS]", "[REG1]", "[REG2]"),
        ),
    ],
)
@pytest.mark.parametrize("item", [0, 1])
def test_class_tokens_and_registers_are_named_in_every_picture_of_a_batch(
    kind, config, first, item
):
    model = model_of(lambda: kind(config))
    given = {"pixel_values": torch.cat([pixels()["pixel_values"]] * 2)}
    stack = viz.capture(model, given, item=item).stacks["self"]
    assert stack.queries.labels[: len(first) + 2] == (*first, "0,0", "0,1")


def test_a_picture_is_looked_through_the_first_time_alone():
    model = model_of(TOWERS["vit"][0])
    passes = []
    model.module.register_forward_hook(lambda *_: passes.append(1))
    viz.capture(model, pixels())
    before = len(passes)
    viz.capture(model, pixels())
    assert len(passes) == before + 1


LLAMA4 = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "image_size": 32,
    "patch_size": 8,
    "vision_output_dim": 32,
    "pixel_shuffle_ratio": 0.5,
    "projector_input_dim": 32,
    "projector_output_dim": 32,
}


def test_a_tower_that_fails_on_being_asked_shows_each_layer_once():
    """Llama 4's raises in the first of two passes, after its layers were seen."""
    from transformers.models.llama4.modeling_llama4 import Llama4VisionModel

    torch.manual_seed(0)
    model = viz.wrap_model(Llama4VisionModel(hf.Llama4VisionConfig(**LLAMA4)).eval())
    stack = viz.capture(model, pixels(32)).stacks["self"]
    names = [record.name for record in stack.records]
    assert names == ["model.layers.0.self_attn", "model.layers.1.self_attn"]
    assert stack.queries.labels[-2:] == ("3,3", "[CLS]")


TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 200,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def llava() -> viz.Model:
    torch.manual_seed(0)
    config = hf.LlavaConfig(
        text_config=hf.LlamaConfig(**TEXT),
        vision_config=hf.CLIPVisionConfig(**{**PLAIN, "image_size": 16}),
        image_token_id=151,
        vision_feature_layer=-1,
    )
    return viz.wrap_model(hf.LlavaForConditionalGeneration(config).eval())


def test_several_pictures_of_one_prompt_are_named_picture_by_picture():
    ids = torch.tensor([[1, 5, *[151] * 4, 7, *[151] * 4, 8]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    given["pixel_values"] = torch.cat([pixels(16)["pixel_values"]] * 2)
    stack = viz.capture(llava(), given).stacks["vision"]
    own = ("[CLS]", "0,0", "0,1", "1,0", "1,1")
    expected = tuple(f"picture {number}: {label}" for number in (1, 2) for label in own)
    assert stack.queries.labels == stack.keys.labels == expected
    picture = torch.arange(10) // 5
    assert torch.equal(stack.attended(0, 0), picture[:, None] == picture)


@pytest.mark.parametrize(("item", "pictures"), [(0, slice(0, 2)), (1, slice(2, 3))])
def test_of_a_batch_the_pictures_of_the_prompt_are_shown(item, pictures):
    ids = torch.tensor([[1, 5, *[151] * 4, 7, *[151] * 4, 8], [1, 5, *[151] * 4, 7, 6, 6, 6, 6, 8]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    given["pixel_values"] = torch.randn(3, 3, 16, 16)
    model = llava()
    shown = viz.capture(model, given, item=item).stacks["vision"]
    own = {"input_ids": ids[item][None], "attention_mask": torch.ones(1, 12).long()}
    own["pixel_values"] = given["pixel_values"][pictures]
    alone = viz.capture(model, own).stacks["vision"]
    assert shown.queries == alone.queries
    for layer in range(alone.layers):
        assert torch.equal(shown.weights(layer), alone.weights(layer))


def test_pictures_of_which_it_cannot_be_told_whose_they_are_are_refused():
    ids = torch.tensor([[1, *[151] * 5, 7], [1, *[151] * 5, 7]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    given["pixel_values"] = torch.randn(3, 3, 16, 16)
    with pytest.raises(viz.LoupeError):
        viz.capture(llava(), given, item=1)


def test_a_tower_of_two_layers_has_two_whatever_the_prompts_are():
    torch.manual_seed(0)
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}
    config = hf.Qwen2VLConfig(
        text_config={**TEXT, "rope_parameters": rope},
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 32,
            "num_heads": 2,
            "patch_size": 14,
            "mlp_ratio": 2,
        },
        image_token_id=151,
        video_token_id=152,
        vision_start_token_id=153,
        vision_end_token_id=154,
    )
    model = viz.wrap_model(hf.Qwen2VLForConditionalGeneration(config).eval())
    ids = torch.tensor([[5, 153, *[151] * 4, 154, 7, 8], [9, 153, *[151] * 4, 154, 4, 8]])
    given = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": torch.randn(32, 1176),
        "image_grid_thw": torch.tensor([[1, 4, 4]] * 2),
        "mm_token_type_ids": (ids == 151).int(),
    }
    stack = viz.capture(model, given, item=1).stacks["vision"]
    assert stack.layers == 2
    assert (stack.queries.labels[0], stack.queries.labels[-1]) == ("0,0", "3,3")
    alone = {name: value[1:] for name, value in given.items()}
    alone["pixel_values"] = given["pixel_values"][16:]
    expected = viz.capture(model, alone).stacks["vision"]
    assert torch.equal(stack.weights(1), expected.weights(1))


def test_patches_of_a_film_are_named_by_their_frame():
    options = {**PLAIN, "image_size": 32}
    model = model_of(
        lambda: hf.VivitModel(hf.VivitConfig(**options, num_frames=4, tubelet_size=[2, 8, 8]))
    )
    stack = viz.capture(model, {"pixel_values": torch.randn(1, 4, 3, 32, 32)}).stacks["self"]
    assert stack.queries.labels[:2] == ("[CLS]", "frame 0: 0,0")
    assert stack.queries.labels[-1] == "frame 1: 3,3"
