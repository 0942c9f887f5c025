"""Architectures beyond one run of layers over one text: against their own eager weights."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers as hf

import viz
from viz.capture.layers.windowed_layer import ReportedWindows, WindowedLayer
from viz.capture.positions.units_in_input_order import ArrangedLayer
from viz.capture.tiers.eager import returned_weights

TOLERANCE = 1e-5
SEQ2SEQ = {
    "vocab_size": 97,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 1,
    "decoder_start_token_id": 2,
}
VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
TEXT = {**VISION, "vocab_size": 97, "max_position_embeddings": 40}
SWIN = {
    "image_size": 32,
    "patch_size": 4,
    "window_size": 4,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "embed_dim": 16,
}
IDS = {"input_ids": torch.randint(5, 97, (1, 19), generator=torch.Generator().manual_seed(0))}
PAIR = {**IDS, "decoder_input_ids": IDS["input_ids"][:, :7]}
PICTURE = {"pixel_values": torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))}
SOUND = {"input_features": torch.randn(1, 8, 60, generator=torch.Generator().manual_seed(0))}

CASES = {
    "t5": (
        hf.T5ForConditionalGeneration,
        hf.T5Config(
            vocab_size=97,
            d_model=32,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_heads=4,
            decoder_start_token_id=0,
        ),
        PAIR,
        {"encoder": (19, 19), "decoder": (7, 7), "cross": (7, 19)},
    ),
    "bart": (
        hf.BartForConditionalGeneration,
        hf.BartConfig(**SEQ2SEQ),
        PAIR,
        {"encoder": (19, 19), "decoder": (7, 7), "cross": (7, 19)},
    ),
    "marian": (
        hf.MarianMTModel,
        hf.MarianConfig(**SEQ2SEQ),
        PAIR,
        {"encoder": (19, 19), "decoder": (7, 7), "cross": (7, 19)},
    ),
    "whisper": (
        hf.WhisperForConditionalGeneration,
        hf.WhisperConfig(**SEQ2SEQ, num_mel_bins=8, max_source_positions=30),
        {**SOUND, "decoder_input_ids": IDS["input_ids"][:, :7]},
        {"encoder": (30, 30), "decoder": (7, 7), "cross": (7, 30)},
    ),
    "vit": (hf.ViTModel, hf.ViTConfig(**VISION), PICTURE, {"self": (17, 17)}),
    "dinov2": (hf.Dinov2Model, hf.Dinov2Config(**VISION), PICTURE, {"self": (17, 17)}),
    "beit": (
        hf.BeitModel,
        hf.BeitConfig(**VISION, use_relative_position_bias=True, out_indices=[1]),
        PICTURE,
        {"self": (17, 17)},
    ),
    "clip": (
        hf.CLIPModel,
        hf.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=16),
        {**IDS, **PICTURE},
        {"vision": (17, 17), "text": (19, 19)},
    ),
    "siglip": (
        hf.SiglipModel,
        hf.SiglipConfig(text_config=TEXT, vision_config=VISION),
        {**IDS, **PICTURE},
        {"vision": (16, 16), "text": (19, 19), "vision_pool": (1, 16)},
    ),
    "swin": (
        hf.SwinModel,
        hf.SwinConfig(**SWIN),
        PICTURE,
        {"encoder_1": (64, 64), "encoder_2": (16, 16)},
    ),
    "donut_swin": (
        hf.DonutSwinModel,
        hf.DonutSwinConfig(**SWIN),
        PICTURE,
        {"encoder_1": (64, 64), "encoder_2": (16, 16)},
    ),
    "wav2vec2": (
        hf.Wav2Vec2Model,
        hf.Wav2Vec2Config(
            **{k: v for k, v in VISION.items() if k not in ("image_size", "patch_size")},
            conv_dim=[16, 16],
            conv_stride=[4, 4],
            conv_kernel=[8, 8],
            num_feat_extract_layers=2,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
        ),
        {"input_values": torch.randn(1, 800, generator=torch.Generator().manual_seed(0))},
        {"self": (48, 48)},
    ),
    "patchtst": (
        hf.PatchTSTModel,
        hf.PatchTSTConfig(
            num_input_channels=1,
            context_length=32,
            patch_length=4,
            patch_stride=4,
            d_model=32,
            num_attention_heads=4,
            num_hidden_layers=2,
            ffn_dim=48,
        ),
        {"past_values": torch.randn(1, 32, 1, generator=torch.Generator().manual_seed(0))},
        {"self": (8, 8)},
    ),
}


def built(name):
    """The same random model each time, with weights large enough for uneven attention."""
    kind, config, inputs, stacks = CASES[name]
    torch.manual_seed(3)
    module = kind._from_config(copy.deepcopy(config), attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
    return module, inputs, stacks


def block_diagonal(windows):
    """Lay the windows of a batch out as one pattern for each head."""
    count, heads, wide, long = windows.shape
    out = torch.zeros(heads, count * wide, count * long)
    for w in range(count):
        out[:, w * wide : (w + 1) * wide, w * long : (w + 1) * long] = windows[w]
    return out


@pytest.mark.parametrize("name", CASES)
def test_every_stack_equals_the_models_own_eager_weights(name):
    module, inputs, expected = built(name)
    reference = copy.deepcopy(module)
    with torch.no_grad(), returned_weights(reference) as own:
        output = reference(**inputs, output_attentions=True)
    theirs: dict[str, list] = {}
    for part, weights in own.found:
        theirs.setdefault(part, []).append(weights)
    assert theirs
    trace = viz.capture(viz.wrap_model(module), inputs)
    assert {s: (len(k.queries), len(k.keys)) for s, k in trace.stacks.items()} == expected
    for stack in trace.stacks.values():
        for layer in range(stack.layers):
            if stack.record(layer).name not in theirs:
                assert stack.provenance(layer).tier == "hooks"  # returns no weights of its own
                continue
            pattern = block_diagonal(theirs[stack.record(layer).name].pop(0))
            record = stack.record(layer)
            # Windows are shown where they belong; the model returns them one after the other.
            record = record.inner if isinstance(record, ArrangedLayer) else record
            everyone = torch.arange(record.shape[0])
            for head in range(record.heads):
                mine, first = record.rows(slice(head, head + 1), everyone)
                last = first + mine.shape[-1]
                torch.testing.assert_close(
                    mine[0], pattern[head][:, first:last], atol=TOLERANCE, rtol=0
                )
                assert not pattern[head][:, last:].any()
    assert not any(theirs.values())
    logits = getattr(output, "logits", None)
    first = next(iter(output.values())) if logits is None else logits
    torch.testing.assert_close(trace.output, first[0], atol=1e-4, rtol=1e-4)


def test_windows_survive_saving(tmp_path):
    for name, kind in (("swin", WindowedLayer), ("donut_swin", ReportedWindows)):
        module, inputs, _ = built(name)
        trace = viz.capture(viz.wrap_model(module), inputs)
        assert isinstance(trace.stacks["encoder_1"].record(1).inner, kind)
        trace.save(tmp_path / "t.safetensors")
        again = viz.load_trace(tmp_path / "t.safetensors").stacks["encoder_1"]
        assert torch.equal(again.weights(1, 1), trace.stacks["encoder_1"].weights(1, 1))


def test_units_of_a_source_and_a_target_are_their_own():
    module, inputs, _ = built("bart")
    trace = viz.capture(viz.wrap_model(module), inputs)
    cross = trace.stacks["cross"]
    assert cross.keys.ids == tuple(inputs["input_ids"][0].tolist())
    assert cross.queries.ids == tuple(inputs["decoder_input_ids"][0].tolist())
