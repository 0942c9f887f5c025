"""Local, block-sparse, hashed and windowed attention, mapped back to queries x keys."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers as hf
from transformers.models.swin.modeling_swin import window_partition

import viz
from viz.capture.layers.sparse_layer import SparseLayer
from viz.capture.positions.units_in_input_order import ArrangedLayer
from viz.errors import ModelRefusedError

TOLERANCE = 1e-5
SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 160,
}
PAIRED = {
    "vocab_size": 97,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 64,
}
LONGT5 = {
    "vocab_size": 97,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": 2,
    "num_heads": 4,
    "local_radius": 4,
    "global_block_size": 4,
    "decoder_start_token_id": 0,
}
REFORMER = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "attention_head_size": 8,
    "feed_forward_size": 32,
    "axial_pos_shape": [8, 8],
    "axial_pos_embds_dim": [16, 16],
    "local_attn_chunk_length": 8,
    "lsh_attn_chunk_length": 8,
    "num_buckets": 4,
    "num_hashes": 2,
    "max_position_embeddings": 64,
    "is_decoder": True,
}


def ids(count, seed=0):
    return torch.randint(5, 97, (1, count), generator=torch.Generator().manual_seed(seed))


def lively(module):
    """Make weights large enough for uneven attention."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
    return module.eval()


def distance(queries, keys=None):
    keys = queries if keys is None else keys
    return (torch.arange(queries)[:, None] - torch.arange(keys)[None]).abs()


def weights_of(module, prefix, hidden, allowed, heads=4):
    """Textbook attention in float64 from a part's own query and key projections."""

    def by_head(name):
        made = getattr(module, prefix.format(name))(hidden).double()
        return made.view(hidden.shape[0], heads, -1).transpose(0, 1)

    query, key = by_head("query"), by_head("key")
    scores = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
    return scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1)


def inputs_of(module, name, inputs):
    """What a part was given in one plain pass."""
    kept = []
    handle = module.get_submodule(name).register_forward_pre_hook(
        lambda _part, args, kwargs: kept.append(args[0] if args else kwargs["hidden_states"]),
        with_kwargs=True,
    )
    with torch.no_grad():
        module(**inputs)
    handle.remove()
    return kept[0][0]


@pytest.mark.parametrize("global_tokens", [(), (0,), (0, 7)])
def test_longformer_is_textbook_attention_within_its_window(global_tokens):
    torch.manual_seed(0)
    module = lively(hf.LongformerModel(hf.LongformerConfig(**SMALL, attention_window=8)))
    count = 21  # not a multiple of the window, so that the model pads
    attended = torch.zeros(1, count, dtype=torch.long)
    attended[0, list(global_tokens)] = 1
    inputs = {
        "input_ids": ids(count),
        "attention_mask": torch.ones(1, count, dtype=torch.long),
        "global_attention_mask": attended,
    }
    stack = viz.capture(viz.wrap_model(copy.deepcopy(module)), inputs).stacks["self"]
    assert (len(stack.queries), len(stack.keys)) == (count, count)
    name = "encoder.layer.0.attention.self"
    part, hidden = module.get_submodule(name), inputs_of(module, name, inputs)[:count]
    local = distance(count) <= 4
    local[:, list(global_tokens)] = True
    expected = weights_of(part, "{}", hidden, local)
    wide = weights_of(part, "{}_global", hidden, torch.ones(count, count, dtype=torch.bool))
    expected[:, list(global_tokens)] = wide[:, list(global_tokens)]
    allowed = local.clone()
    allowed[list(global_tokens)] = True
    for head in range(4):
        torch.testing.assert_close(
            stack.weights(0, head), expected[head].float(), atol=TOLERANCE, rtol=0
        )
        assert torch.equal(stack.attended(0, head), allowed)


def test_a_window_as_wide_as_the_text_is_full_attention():
    """LongT5 and T5 are the same model where the radius spans the text."""
    torch.manual_seed(0)
    wide = hf.LongT5Config(**{**LONGT5, "local_radius": 40})
    module = lively(hf.LongT5ForConditionalGeneration(wide))
    plain = hf.T5ForConditionalGeneration(
        hf.T5Config(**{k: v for k, v in LONGT5.items() if "local" not in k and "global" not in k})
    ).eval()
    plain.load_state_dict(
        {
            name.replace("LocalSelfAttention", "SelfAttention").replace(
                "local_self_attention", "SelfAttention"
            ): value
            for name, value in module.state_dict().items()
        }
    )
    inputs = {"input_ids": ids(30), "decoder_input_ids": ids(5)}
    mine, theirs = (
        viz.capture(viz.wrap_model(one), inputs).stacks["encoder"] for one in (module, plain)
    )
    for layer in range(2):
        for head in range(4):
            torch.testing.assert_close(
                mine.weights(layer, head), theirs.weights(layer, head), atol=TOLERANCE, rtol=0
            )


@pytest.mark.parametrize("kind", ["local", "transient-global"])
def test_longt5_looks_no_further_than_its_radius(kind):
    torch.manual_seed(0)
    config = hf.LongT5Config(**LONGT5, encoder_attention_type=kind)
    module = lively(hf.LongT5ForConditionalGeneration(config))
    inputs = {"input_ids": ids(21), "decoder_input_ids": ids(5)}
    trace = viz.capture(viz.wrap_model(module), inputs)
    stack = trace.stacks["encoder"]
    extra = 21 // 4 if kind == "transient-global" else 0
    assert (len(stack.queries), len(stack.keys)) == (21, 21 + extra)
    near = distance(21) < 5
    for head in range(4):
        assert torch.equal(stack.attended(1, head)[:, :21], near)
        torch.testing.assert_close(
            stack.weights(1, head).sum(dim=1), torch.ones(21), atol=TOLERANCE, rtol=0
        )
    assert set(trace.stacks) == {"encoder", "decoder", "cross"}


def test_pegasus_x_shows_its_global_tokens_and_staggered_blocks():
    torch.manual_seed(0)
    config = hf.PegasusXConfig(**PAIRED, block_size=8, num_global_tokens=3)
    module = lively(hf.PegasusXForConditionalGeneration(config))
    count = 21
    inputs = {
        "input_ids": ids(count),
        "attention_mask": torch.ones(1, count, dtype=torch.long),
        "decoder_input_ids": ids(5),
    }
    stack = viz.capture(viz.wrap_model(module), inputs).stacks["encoder"]
    assert stack.keys.labels[-3:] == ("global 0", "global 1", "global 2")
    at = torch.arange(count)
    for layer, stagger in enumerate((0, 4)):
        block = (at + stagger) // 8
        allowed = torch.ones(count + 3, count + 3, dtype=torch.bool)
        allowed[:count, :count] = block[:, None] == block[None]
        assert torch.equal(stack.attended(layer, 2), allowed)


def test_big_bird_is_block_sparse_though_it_was_probed_with_a_short_text():
    torch.manual_seed(0)
    config = hf.BigBirdConfig(**SMALL, block_size=4, num_random_blocks=1)
    module = lively(hf.BigBirdModel(config))
    inputs = {"input_ids": ids(64), "attention_mask": torch.ones(1, 64, dtype=torch.long)}
    model = viz.wrap_model(copy.deepcopy(module))
    viz.capture(model, {"input_ids": ids(10), "attention_mask": torch.ones(1, 10).long()})
    trace = viz.capture(model, inputs)
    stack = trace.stacks["self"]
    block = torch.arange(16)
    seen = ((block[:, None] - block[None]).abs() <= 1).double()
    seen[[0, -1]] = seen[:, [0, -1]] = 1
    # Outside of training every random block is the first one, which most rows then see once more.
    seen[1:-1, 0] += 1
    often = seen.repeat_interleave(4, dim=0).repeat_interleave(4, dim=1)
    name = "encoder.layer.0.attention.self"
    part, hidden = module.get_submodule(name), inputs_of(module, name, inputs)
    even = weights_of(part, "{}", hidden, often > 0) * often
    expected = even / even.sum(dim=-1, keepdim=True)
    for head in range(4):
        assert torch.equal(stack.attended(0, head), often > 0)
        torch.testing.assert_close(
            stack.weights(0, head), expected[head].float(), atol=TOLERANCE, rtol=0
        )
    with torch.no_grad():
        output = module(**inputs).last_hidden_state
    torch.testing.assert_close(trace.output, output[0], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("kind", ["local", "lsh"])
def test_reformer_never_looks_ahead_and_its_weights_give_its_output(kind):
    torch.manual_seed(0)
    module = lively(hf.ReformerModel(hf.ReformerConfig(**REFORMER, attn_layers=[kind, kind])))
    stack = viz.capture(viz.wrap_model(module), {"input_ids": ids(64)}).stacks["self"]
    assert isinstance(stack.record(0), SparseLayer)
    for head in range(4):
        attended = stack.attended(0, head)
        assert not bool(attended.triu(1).any())
        assert float(attended.float().mean()) < 0.4
    if kind == "local":
        block = torch.arange(64) // 8
        behind = block[:, None] - block[None]
        allowed = (behind >= 0) & (behind <= 1) & (distance(64).tril() >= 0)
        assert torch.equal(attended, allowed.tril())
    assert stack.provenance(0).output_error < stack.provenance(0).tolerance


@pytest.mark.parametrize("side", [64, 40])
def test_swin_windows_stand_where_their_patches_are(side):
    """64: 16 x 16 patches fit the windows of 4; 40: 10 x 10 do not, so that the model pads."""
    torch.manual_seed(0)
    config = hf.SwinConfig(
        image_size=side, patch_size=4, window_size=4, depths=[2], num_heads=[2], embed_dim=16
    )
    module = lively(hf.SwinModel(config))
    pixels = {"pixel_values": torch.randn(1, 3, side, side)}
    stack = viz.capture(viz.wrap_model(module), pixels).stacks["self"]
    across = side // 4
    padded = -(-across // 4) * 4
    assert (len(stack.queries), len(stack.keys)) == (across**2, across**2)
    for layer, shift in enumerate((0, 2)):
        assert isinstance(stack.record(layer), ArrangedLayer)
        number = torch.full((padded, padded), -1)
        number[:across, :across] = torch.arange(across**2).view(across, across)
        rolled = torch.roll(number, (-shift, -shift), (0, 1))
        windows = window_partition(rolled[None, :, :, None].float(), 4).view(-1, 16).long()
        together = torch.zeros(across**2, across**2, dtype=torch.bool)
        for window in windows:
            own = window[window >= 0]
            together[own[:, None], own[None]] = True
        seen = stack.attended(layer, 1)
        assert not bool((seen & ~together).any())
        if shift == 0:
            assert torch.equal(seen, together)
        sums = stack.weights(layer, 1).sum(dim=1)
        if padded == across:
            torch.testing.assert_close(sums, torch.ones_like(sums), atol=TOLERANCE, rtol=0)


def test_the_same_picture_in_a_constant_colour_is_arranged_alike():
    torch.manual_seed(0)
    config = hf.SwinConfig(
        image_size=32, patch_size=4, window_size=4, depths=[2], num_heads=[2], embed_dim=16
    )
    model = viz.wrap_model(lively(hf.SwinModel(config)))
    grey = viz.capture(model, {"pixel_values": torch.full((1, 3, 32, 32), 0.5)}).stacks["self"]
    noise = viz.capture(model, {"pixel_values": torch.randn(1, 3, 32, 32)}).stacks["self"]
    for layer in range(2):
        assert torch.equal(grey.attended(layer, 0), noise.attended(layer, 0))


def test_sparse_and_arranged_layers_survive_saving(tmp_path):
    torch.manual_seed(0)
    longformer = hf.LongformerModel(hf.LongformerConfig(**SMALL, attention_window=8)).eval()
    swin = hf.SwinModel(
        hf.SwinConfig(image_size=32, patch_size=4, window_size=4, depths=[2], num_heads=[2])
    ).eval()
    for module, inputs in (
        (longformer, {"input_ids": ids(20), "attention_mask": torch.ones(1, 20).long()}),
        (swin, {"pixel_values": torch.randn(1, 3, 32, 32)}),
    ):
        stack = viz.capture(viz.wrap_model(module), inputs)
        stack.save(tmp_path / "t.safetensors")
        again = viz.load_trace(tmp_path / "t.safetensors").stacks["self"]
        stack = stack.stacks["self"]
        assert torch.equal(again.weights(1, 1), stack.weights(1, 1))
        assert torch.equal(again.attended(1, 1), stack.attended(1, 1))
        assert again.provenance(1) == stack.provenance(1)


def test_a_sliding_window_is_told_from_small_weights():
    torch.manual_seed(0)
    config = hf.MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=5)
    stack = viz.capture(
        viz.wrap_model(lively(hf.MistralForCausalLM(config))), {"input_ids": ids(17)}
    ).stacks["self"]
    near = distance(17) < 5
    assert torch.equal(stack.attended(0, 3), near.tril())
    assert torch.equal(stack.attended(0, 3, rows=[9], columns=slice(4, 8)), near.tril()[9:10, 4:8])


class CustomAttention(torch.nn.Module):
    """Attention as a course writes it, and a variant that is none."""

    def __init__(self, *, linear):
        super().__init__()
        self.num_heads, self.linear = 2, linear
        self.query, self.key, self.value = (torch.nn.Linear(8, 8) for _ in range(3))

    def forward(self, x):
        q, k, v = (
            part(x).view(*x.shape[:2], 2, 4).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k)
        weights = scores.relu() if self.linear else (scores / 2).exp()
        if not self.linear:
            weights = weights / weights.sum(dim=-1, keepdim=True)
        return (weights @ v).transpose(1, 2).flatten(2)


def test_a_softmax_written_without_one_is_read_and_linear_attention_is_refused():
    torch.manual_seed(0)
    x = {"x": torch.randn(1, 6, 8)}
    part = CustomAttention(linear=False).eval()
    stack = viz.capture(viz.wrap_model(torch.nn.Sequential(part), name="course"), x_of(x))
    expected = (
        torch.einsum(
            "bqhd,bkhd->bhqk",
            part.query(x["x"]).view(1, 6, 2, 4),
            part.key(x["x"]).view(1, 6, 2, 4),
        )
        / 2
    ).softmax(dim=-1)
    torch.testing.assert_close(
        stack.stacks["self"].weights(0, 1), expected[0, 1], atol=TOLERANCE, rtol=0
    )
    linear = viz.wrap_model(torch.nn.Sequential(CustomAttention(linear=True)).eval(), name="linear")
    with pytest.raises(ModelRefusedError, match="no softmax attention"):
        viz.capture(linear, x_of(x))


def x_of(inputs):
    """`Sequential` calls its input `input`."""
    return {"input": inputs["x"]}


def test_a_capture_leaves_no_hooks_on_a_model():
    """transformers puts hooks on in the first pass that asks for hidden states, and only once."""
    torch.manual_seed(0)
    module = hf.BertModel(hf.BertConfig(**SMALL)).eval()
    inputs = {"input_ids": ids(12), "output_hidden_states": True}
    with torch.no_grad():
        before = copy.deepcopy(module)(**inputs).hidden_states
    model = viz.wrap_model(module)
    for _ in range(3):
        viz.capture(model, {"input_ids": ids(12)})
    with torch.no_grad():
        after = module(**inputs).hidden_states
    assert len(after) == len(before) == 3
    for mine, theirs in zip(after, before, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("tokens", [12, 128, 130, 300])
def test_a_text_that_is_given_chunk_by_chunk_is_one_layer(tokens):
    """Canine's first encoder looks within chunks of 128 characters, each a run of its own."""
    torch.manual_seed(0)
    config = hf.CanineConfig(
        **{"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4},
        **{"intermediate_size": 48, "num_hash_buckets": 512},
    )
    module = hf.CanineModel(config).eval()
    ids = torch.randint(5, 97, (1, tokens))
    trace = viz.capture(viz.wrap_model(module), {"input_ids": ids})
    first = next(
        stack
        for stack in trace.stacks.values()
        if stack.record(0).name.startswith("initial_char_encoder")
    )
    assert (first.layers, len(first.queries)) == (1, tokens)
    chunk = torch.arange(tokens) // 128
    assert torch.equal(first.attended(0, 1), chunk[:, None] == chunk)
    assert torch.allclose(first.weights(0).sum(-1), torch.ones(4, tokens), atol=1e-5)
