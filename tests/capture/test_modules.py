"""Any PyTorch module: attention seen at the kernel."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import viz
from tests.capture.modules import Mixed, Plain, X, by_head


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("item", [0, 1])
def test_a_call_of_the_kernel_is_seen(causal, item):
    module = Plain(causal=causal).eval()
    with torch.inference_mode():
        expected, output = module.patterns(X), module(X)
    trace = viz.capture(viz.wrap_model(module), {"x": X}, item=item)
    stack = trace.stacks["self"]
    assert stack.provenance(0).tier == "hooks"
    for head in range(4):
        torch.testing.assert_close(stack.weights(0, head), expected[item, head])
    assert torch.equal(trace.output, output[item])


def padding():
    mask = torch.zeros(2, 11, dtype=torch.bool)
    mask[1, 8:] = True
    return mask


@pytest.mark.parametrize("masks", [{}, {"src_key_padding_mask": padding()}, {"is_causal": True}])
@pytest.mark.parametrize("batch_first", [True, False])
def test_pytorchs_own_encoder_is_seen_with_its_masks(masks, batch_first):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=batch_first)
    module = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    x = X if batch_first else X.transpose(0, 1)
    given = dict(masks)
    causal = torch.ones(11, 11).triu(1).bool()
    if given.pop("is_causal", False):
        given["mask"] = causal
    with torch.inference_mode():
        own = module.layers[0].self_attn(
            x,
            x,
            x,
            key_padding_mask=given.get("src_key_padding_mask"),
            attn_mask=given.get("mask"),
            average_attn_weights=False,
        )[1]
    stack = viz.capture(viz.wrap_model(module), {"src": x, **given}, item=1).stacks["self"]
    for head in range(4):
        torch.testing.assert_close(stack.weights(0, head), own[1, head], atol=1e-6, rtol=0)


def test_calls_of_different_kinds_are_layers_of_one_model():
    trace = viz.capture(viz.wrap_model(Mixed().eval()), {"x": X}, item=0)
    names = [s.record(n).name for s in trace.stacks.values() for n in range(s.layers)]
    assert names == ["first", "second"]


def test_pytorchs_decoder_has_three_stacks():
    torch.manual_seed(0)
    module = nn.Transformer(32, 4, 2, 2, 64, batch_first=True).eval()
    trace = viz.capture(viz.wrap_model(module), {"src": X, "tgt": X[:, :5]}, item=0)
    shapes = {name: (len(s.queries), len(s.keys)) for name, s in trace.stacks.items()}
    assert shapes == {"encoder": (11, 11), "decoder": (5, 5), "cross": (5, 11)}


class Shared(nn.Module):
    """Hands one row of padding to self-attention and to cross-attention."""

    def __init__(self):
        super().__init__()
        self.encoder, self.cross = Plain(), Plain()

    def forward(self, x, target, present):
        mask = present[:, None, None]
        parts = [by_head(part.qkv, t) for part, t in ((self.encoder, x), (self.cross, target))]
        attend = functional.scaled_dot_product_attention
        read = attend(*parts[0], mask)
        return attend(parts[1][0], parts[0][1], read, mask)


def test_a_mask_that_layers_of_different_queries_share_is_spread_over_each():
    present = torch.arange(11)[None] < 8
    module = Shared().eval()
    trace = viz.capture(
        viz.wrap_model(module), {"x": X[:1], "target": X[:1, :5], "present": present}
    )
    stacks = {(len(s.queries), len(s.keys)): s for s in trace.stacks.values()}
    assert set(stacks) == {(11, 11), (5, 11)}
    for (queries, _), stack in stacks.items():
        weights = stack.weights(0, 0)
        assert weights.shape == (queries, 11)
        assert (weights[:, 8:] == 0).all()


def test_a_module_without_attention_is_refused():
    with pytest.raises(viz.LoupeError, match=r"no softmax attention.*attention=\{"):
        viz.capture(viz.wrap_model(nn.Linear(32, 4)), {"input": X}, item=0)
