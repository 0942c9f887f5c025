"""The whole transformer: what it is made of, what it reads, and what follows from what."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.custom.weights import TOLERANCE, noise, randomised
from viz.errors import ConfigError, ShapeError
from viz.models.custom import Transformer, TransformerOptions
from viz.models.custom.transformer import cut_patches, pooled


@st.composite
def everything(draw):
    """Draw options of a model of tokens, of any architecture."""
    kv_heads, groups = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    return TransformerOptions(
        architecture=draw(st.sampled_from(["encoder", "decoder", "encoder-decoder"])),
        vocab_size=11,
        d_model=8,
        layers=draw(st.integers(1, 2)),
        heads=kv_heads * groups,
        kv_heads=kv_heads,
        d_head=draw(st.sampled_from([None, 4])),
        positions=draw(st.sampled_from(["none", "sinusoidal", "learned", "rotary", "alibi"])),
        max_tokens=16,
        norm=draw(st.sampled_from(["pre", "post"])),
        activation=draw(st.sampled_from(["gelu", "relu"])),
        scores=draw(st.sampled_from(["dot", "additive"])),
        fused=draw(st.booleans()),
        bias=draw(st.booleans()),
        tied=draw(st.booleans()),
        dropout=0.2,
        attention_dropout=0.2,
    )


def ids(*shape, seed=0):
    return torch.randint(0, 11, shape, generator=torch.Generator().manual_seed(seed))


def run(module, source, target, **more):
    """Predict; a target is read by encoder-decoders alone."""
    both = module.options.architecture == "encoder-decoder"
    return module(source, target, **more) if both else module(source, **more)


@settings(max_examples=60, deadline=None)
@given(everything(), st.integers(1, 8), st.integers(1, 8))
def test_padding_changes_nothing(options, count, padding):
    module = randomised(Transformer(options).double())
    source, target = ids(1, count), ids(1, 5, seed=1)
    alone = run(module, source, target)
    batch = torch.cat([source, ids(1, padding, seed=2)], dim=1)
    present = torch.arange(count + padding)[None] < count
    whole = run(module, batch, target, present=present)
    torch.testing.assert_close(whole[:, : alone.shape[1]], alone, **TOLERANCE)


@settings(max_examples=60, deadline=None)
@given(everything(), st.integers(1, 6))
def test_what_is_written_never_depends_on_what_comes_later(options, kept):
    module = randomised(Transformer(options).double())
    text, other = ids(1, 7), ids(1, 7, seed=1)
    other[:, :kept] = text[:, :kept]
    source = ids(1, 4, seed=2)
    if options.architecture == "encoder":
        return
    both = options.architecture == "encoder-decoder"
    first, second = (module(source, one) if both else module(one) for one in (text, other))
    torch.testing.assert_close(first[:, :kept], second[:, :kept], **TOLERANCE)


@settings(max_examples=40, deadline=None)
@given(everything())
def test_every_step_of_every_layer_is_what_the_kernel_computes(options):
    module = randomised(Transformer(options).double())
    source, target = ids(2, 6), ids(2, 5, seed=1)
    fast = run(module, source, target)
    stepped = run(module, source, target, need_weights=True)
    torch.testing.assert_close(fast, stepped, **TOLERANCE)


def test_an_encoder_without_positions_cannot_tell_orders_apart():
    options = TransformerOptions(architecture="encoder", vocab_size=11, positions="none")
    module = randomised(Transformer(options).double())
    text, order = ids(1, 9), torch.randperm(9)
    torch.testing.assert_close(module(text)[:, order], module(text[:, order]), **TOLERANCE)
    placed = TransformerOptions(architecture="encoder", vocab_size=11, positions="sinusoidal")
    module = randomised(Transformer(placed).double())
    assert not torch.allclose(module(text)[:, order], module(text[:, order]))


@settings(max_examples=40, deadline=None)
@given(everything())
def test_options_survive_a_file(options):
    assert TransformerOptions(**json.loads(json.dumps(asdict(options)))) == options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"d_model": 10, "heads": 3}, "The width 10 is not divisible by 3 heads."),
        ({"heads": 4, "kv_heads": 3}, "4 heads cannot share 3 key-value heads evenly."),
        ({"d_model": 12, "heads": 4, "positions": "rotary"}, "a head is 3 wide"),
        ({"layers": 0}, "The option layers is 0. Choose 1 to 1,000."),
        ({"d_model": -4}, "The option d_model is -4."),
        ({"d_model": "64"}, r"The option d_model is a str \('64'\)."),
        ({"positions": "magic"}, "'magic', which is none that there is. Choose none, sinusoidal"),
        ({"positions": ["rotary"]}, "which is none that there is"),
        ({"dropout": 1.5}, "The option dropout is 1.5."),
        ({"bias": "yes"}, "The option bias is 'yes'. Give True or False."),
        ({"scaled": 1}, "The option scaled is 1. Give True or False."),
        ({"max_tokens": None}, "Learned positions are a table"),
        ({"vocab_size": None}, "Of vocab_size, d_input or image_size none came."),
        ({"d_input": 3}, "vocab_size and d_input came"),
        ({"outputs": 3}, "A language model gives a logit for each token; 3 outputs"),
        ({"task": "classification"}, "nothing says how many numbers come out"),
        ({"vocab_size": None, "d_input": 3}, "A model of vectors has no vocabulary"),
        (
            {"architecture": "encoder-decoder", "task": "regression", "outputs": 1},
            "An encoder-decoder writes tokens; the task is regression.",
        ),
        (
            {"vocab_size": None, "image_size": 8, "patch_size": 3, "task": "regression"},
            "8 pixels a side cannot be cut into patches of 3",
        ),
        (
            {"vocab_size": None, "image_size": 64, "patch_size": 2, "task": "regression"},
            "An image has 1024 patches, and max_tokens is 256.",
        ),
        ({"patch_size": 2}, "Patches of something that is no image."),
    ],
)
def test_options_that_do_not_fit_are_said(options, message):
    with pytest.raises(ConfigError, match=message):
        TransformerOptions(**{"vocab_size": 11, **options})


def test_an_image_is_cut_row_by_row():
    options = TransformerOptions(
        architecture="encoder",
        task="classification",
        image_size=4,
        patch_size=2,
        outputs=3,
    )
    pixels = torch.arange(16.0).view(1, 1, 4, 4)
    patches = cut_patches(pixels, options)
    assert patches[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    # In colours it is grey first.
    torch.testing.assert_close(cut_patches(pixels.expand(1, 3, 4, 4), options), patches)
    assert Transformer(options)(pixels).shape == (1, 3)
    with pytest.raises(ShapeError, match=r"\(1, 1, 5, 4\). Give \[batch, 1, 4, 4\]"):
        cut_patches(torch.ones(1, 1, 5, 4), options)


@pytest.mark.parametrize(
    ("pool", "expected"),
    [("mean", [[3, 4], [5, 6]]), ("first", [[1, 2], [3, 4]]), ("last", [[5, 6], [7, 8]])],
)
def test_padding_takes_no_part_in_a_pool(pool, expected):
    tokens = torch.tensor([[[1.0, 2], [3, 4], [5, 6], [9, 9]], [[9, 9], [3, 4], [9, 9], [7, 8]]])
    present = torch.tensor([[1, 1, 1, 0], [0, 1, 0, 1]])
    assert pooled(tokens, pool, present).tolist() == expected


@pytest.mark.parametrize("pool", ["mean", "first", "last", "none"])
def test_vectors_are_read_and_numbers_come_out(pool):
    options = TransformerOptions(task="regression", d_input=3, outputs=2, pool=pool)
    module = randomised(Transformer(options).double())
    series = noise(4, 9, 3)
    predicted = module(series)
    assert predicted.shape == ((4, 9, 2) if pool == "none" else (4, 2))
    with pytest.raises(ShapeError, match=r"\(4, 9, 5\). Give \[batch, token, 3\]"):
        module(noise(4, 9, 5))


@pytest.mark.parametrize(
    ("architecture", "given", "message"),
    [
        ("decoder", (ids(1, 4), ids(1, 4)), "The architecture is decoder, and a target came."),
        ("encoder-decoder", (ids(1, 4),), "encoder-decoder, and no target came."),
        ("decoder", (torch.ones(1, 4),), r"\(1, 4\) and are of float32. Give ids"),
        ("decoder", (ids(4),), r"have shape \(4,\)"),
        ("decoder", (ids(1, 257),), "There are 257 tokens, and positions were learned for 256."),
    ],
)
def test_what_it_cannot_read_is_said(architecture, given, message):
    module = Transformer(TransformerOptions(architecture=architecture, vocab_size=11))
    with pytest.raises(ShapeError, match=message):
        module(*given)


@pytest.mark.parametrize("positions", ["none", "sinusoidal", "learned", "rotary", "alibi"])
def test_fresh_logits_are_neither_faint_nor_huge(positions):
    options = TransformerOptions(vocab_size=100, layers=6, positions=positions)
    logits = Transformer(options)(torch.randint(0, 100, (4, 32)))
    assert 0.3 < logits.std().item() < 3
