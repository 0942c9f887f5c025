"""Time series cut into spans: what an axis counts is a span of a channel, and is called so."""

from __future__ import annotations

import pytest
import torch
import transformers as hf

import viz

PATCHTST = {
    "context_length": 32,
    "patch_length": 4,
    "d_model": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "ffn_dim": 48,
}
MIXER = {
    "context_length": 32,
    "patch_length": 4,
    "patch_stride": 4,
    "d_model": 32,
    "num_layers": 2,
    "self_attn": True,
    "self_attn_heads": 2,
}


def series(channels: int, batch: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"past_values": torch.randn(batch, 32, channels, generator=generator)}


def patchtst(**options) -> viz.Model:
    torch.manual_seed(0)
    return viz.wrap_model(hf.PatchTSTModel(hf.PatchTSTConfig(**PATCHTST, **options)).eval())


@pytest.mark.parametrize(("stride", "first"), [(4, 0), (3, 1), (2, 0), (8, 4)])
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
def test_spans_are_named_by_their_channel_and_their_steps(channels, stride, first):
    """8 channels of 8 spans: as many of the one as of the other."""
    model = patchtst(num_input_channels=channels, patch_stride=stride)
    stack = viz.capture(model, series(channels)).stacks["self"]
    starts = range(first, 32 - 3, stride)
    expected = tuple(
        (f"channel {channel}: " if channels > 1 else "") + f"{start}-{start + 3}"
        for channel in range(channels)
        for start in starts
    )
    assert stack.queries.labels == stack.keys.labels == expected
    channel = torch.arange(len(expected)) // len(starts)
    assert torch.equal(stack.attended(1, 2), channel[:, None] == channel)


def test_channels_that_look_at_each_other_do_so_within_one_span():
    model = patchtst(num_input_channels=3, patch_stride=4, channel_attention=True)
    stack = viz.capture(model, series(3, batch=2), item=1).stacks["self"]
    assert stack.layers == 4
    number = torch.arange(24)
    for layer, together in ((0, number // 8), (1, number % 8)):
        assert torch.equal(stack.attended(layer, 0), together[:, None] == together)


def test_a_mixers_attention_is_named_as_its_spans_are():
    torch.manual_seed(0)
    module = hf.PatchTSMixerModel(hf.PatchTSMixerConfig(num_input_channels=3, **MIXER))
    stack = viz.capture(viz.wrap_model(module.eval()), series(3)).stacks["self"]
    assert stack.queries.labels[:2] == ("channel 0: 0-3", "channel 0: 4-7")
    assert stack.queries.labels[-1] == "channel 2: 28-31"


@pytest.mark.parametrize("options", [{"use_cls_token": True}, {"share_embedding": False}])
def test_units_of_windows_whose_places_are_not_proven_are_numbered_by_window(options):
    model = patchtst(num_input_channels=3, patch_stride=4, **options)
    stack = viz.capture(model, series(3)).stacks["self"]
    each = len(stack.queries) // 3
    assert stack.queries.labels[each - 1 : each + 1] == (f"window 0: {each - 1}", "window 1: 0")
    assert "units in the order of the windows" in stack.provenance(0).flags
