"""Blocks and stacks against PyTorch's layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.models.custom.weights import TOLERANCE, copy_layer, noise, randomised
from viz.models.custom import TransformerOptions
from viz.models.custom.transformer_block import Block, Stack

PRESENT = torch.ones(2, 7, dtype=torch.bool)
PRESENT[1, 5:] = False
CAUSAL = torch.ones(7, 7).triu(1).bool()


def options(**more):
    return TransformerOptions(
        vocab_size=9, d_model=16, heads=4, d_feedforward=24, positions="none", **more
    )


def torch_layer(kind, given, norm_first):
    layer = kind(
        16,
        4,
        24,
        dropout=0.1,
        activation=given["activation"],
        batch_first=True,
        norm_first=norm_first,
        bias=given["bias"],
        dtype=torch.float64,
    )
    return randomised(layer)


def block_of(theirs, given, *, causal=False, cross=False):
    ours = Block(options(**given), causal=causal, cross=cross).double().eval()
    if not given["bias"]:
        # PyTorch leaves out the bias of its norms too.
        for part in ours.modules():
            if isinstance(part, nn.LayerNorm):
                part.bias = None
    copy_layer(ours, theirs)
    return ours


@pytest.mark.parametrize("masks", ["none", "causal", "padding", "both"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_is_pytorchs_encoder_layer(norm, activation, bias, masks):
    given = {"norm": norm, "activation": activation, "bias": bias}
    theirs = torch_layer(nn.TransformerEncoderLayer, given, norm == "pre")
    causal, padded = masks in ("causal", "both"), masks in ("padding", "both")
    ours = block_of(theirs, given, causal=causal)
    x, present = noise(2, 7, 16), PRESENT if padded else None
    expected = theirs(
        x,
        src_mask=CAUSAL if causal else None,
        src_key_padding_mask=~PRESENT if padded else None,
    )
    for need_weights in (False, True):
        seen = ours(x, present=present, need_weights=need_weights)
        torch.testing.assert_close(seen.tokens, expected, **TOLERANCE)
        assert len(seen.weights) == need_weights


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_with_a_source_is_pytorchs_decoder_layer(norm, activation, bias):
    given = {"norm": norm, "activation": activation, "bias": bias}
    theirs = torch_layer(nn.TransformerDecoderLayer, given, norm == "pre")
    ours = block_of(theirs, given, causal=True, cross=True)
    x, source = noise(2, 7, 16), noise(2, 5, 16, seed=1)
    there = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    expected = theirs(x, source, tgt_mask=CAUSAL, memory_key_padding_mask=~there)
    for need_weights in (False, True):
        seen = ours(x, source, source_present=there, need_weights=need_weights)
        torch.testing.assert_close(seen.tokens, expected, **TOLERANCE)
        assert len(seen.cross_weights) == need_weights


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_stack_is_pytorchs_encoder(norm):
    given = {"norm": norm, "activation": "gelu", "bias": True}
    layer = torch_layer(nn.TransformerEncoderLayer, given, norm == "pre")
    last = nn.LayerNorm(16, dtype=torch.float64) if norm == "pre" else None
    theirs = nn.TransformerEncoder(layer, 3, last, enable_nested_tensor=False).eval()
    for seed, one in enumerate(theirs.layers):
        randomised(one, seed)
    ours = Stack(options(**given, layers=3)).double().eval()
    for block, one in zip(ours.blocks, theirs.layers, strict=True):
        copy_layer(block, one)
    x = noise(2, 7, 16)
    torch.testing.assert_close(
        ours(x, present=PRESENT).tokens, theirs(x, src_key_padding_mask=~PRESENT), **TOLERANCE
    )


def test_alibi_of_a_decoder_leaves_the_future_out():
    stack = randomised(
        Stack(TransformerOptions(vocab_size=9, d_model=16, positions="alibi"), causal=True)
    )
    weights = stack(noise(1, 7, 16, dtype=torch.float32), need_weights=True).weights
    for own in weights:
        assert (own.triu(1) == 0).all()
        torch.testing.assert_close(own.sum(-1), torch.ones(1, 4, 7))


def test_dropout_is_on_in_training_alone():
    stack = Stack(options(dropout=0.3, attention_dropout=0.3))
    x = noise(1, 7, 16, dtype=torch.float32)
    assert not torch.equal(stack.train()(x).tokens, stack(x).tokens)
    assert torch.equal(stack.eval()(x).tokens, stack(x).tokens)
