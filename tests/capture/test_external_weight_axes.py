"""Weights come as libraries give them: in tuples, batches, dicts, and under several names."""

from __future__ import annotations

import copy

import ml_dtypes
import numpy as np
import pytest
import torch
import transformers as hf
from safetensors.torch import save_file

import viz
from tests.capture.architectures import build, token_ids
from viz.capture.external_weights import arrays as given_arrays

BATCH, LAYERS, HEADS, QUERIES, KEYS = 2, 4, 3, 5, 6
FIVE = (
    np.random.default_rng(0)
    .dirichlet(np.ones(KEYS), size=(BATCH, LAYERS, HEADS, QUERIES))
    .astype(np.float32)
)
# [layer][batch, head, query, key]
LAYERED = tuple(np.ascontiguousarray(layer) for layer in FIVE.swapaxes(0, 1))
ONE = tuple(layer[:1] for layer in LAYERED)


def whole(stack):
    """Write a stack out: [layer, head, query, key]."""
    return np.stack(
        [
            np.stack([stack.weights(layer, head).numpy() for head in range(stack.heads(layer))])
            for layer in range(stack.layers)
        ]
    )


def refused(source, *words, **options):
    with pytest.raises(viz.LoupeError) as caught:
        viz.load_weights(source, **options)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.hint
    return caught.value


def sown(item=None):
    """As Flax keeps what its modules sow: a tuple of one array a call at the end of every way."""
    arrays = LAYERED if item is None else [layer[item : item + 1] for layer in LAYERED]
    return {
        "intermediates": {
            "encoder": {
                f"layers_{number}": {"attention": {"attention_weights": (layer,)}}
                for number, layer in enumerate(arrays)
            }
        }
    }


BATCHES = {
    "tuple of layers": LAYERED,
    "list of tensors": [torch.from_numpy(layer) for layer in LAYERED],
    "fair-esm": FIVE,
    "fair-esm's dict": {
        "logits": np.random.default_rng(1).normal(size=(2, 5, 9)),
        "attentions": FIVE,
    },
    "flax": sown(),
    "names": {f"layer_{number}": layer for number, layer in enumerate(LAYERED)},
    "dotted names": {f"layers.{number}.attn": layer for number, layer in enumerate(LAYERED)},
    "numbers": dict(enumerate(LAYERED)),
    "in any order": {number: LAYERED[number] for number in (2, 0, 3, 1)},
}


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("item", [0, 1])
def test_the_item_that_is_asked_for_is_taken_out_of_a_batch(name, item):
    stack = viz.load_weights(BATCHES[name], item=item)
    np.testing.assert_array_equal(whole(stack), FIVE[item])


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_refused_where_no_item_is_asked_for_or_there_is_none_such(name):
    refused(BATCHES[name], "2 inputs", "item=")
    refused(BATCHES[name], "There is no item 2", "2 inputs", item=2)
    refused(BATCHES[name], "The item is", item="first")
    refused(BATCHES[name], "There is no item -1", item=-1)


@pytest.mark.parametrize(
    "source",
    [ONE, FIVE[:1], sown(0), {f"layer_{n}": layer for n, layer in enumerate(ONE)}, FIVE[0]],
)
def test_one_input_needs_no_item(source):
    np.testing.assert_array_equal(whole(viz.load_weights(source)), FIVE[0])


def test_layers_are_put_in_order_by_their_numbers():
    many = {f"block{number}.attn": FIVE[0, number % LAYERS] for number in range(12)}
    reversed_names = dict(sorted(many.items(), reverse=True))
    np.testing.assert_array_equal(
        whole(viz.load_weights(reversed_names)), np.stack([FIVE[0, n % LAYERS] for n in range(12)])
    )


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        (FIVE, {}, ["2 inputs of 4 layers", "2 layers of 4 inputs"]),
        (FIVE[:, :1], {}, ["2 inputs of 1 layers", "2 layers of 1 inputs"]),
        (FIVE[:, :1], {"item": 0}, ["2 inputs of 1 layers", "2 layers of 1 inputs"]),
        (FIVE[0], {"item": 0}, ["4 layers of one input", "one layer of 4 inputs"]),
        ([FIVE[0]], {}, ["one layer of 4 inputs", "4 layers of one input"]),
        ({"layer_0": FIVE[0]}, {}, ["one layer of 4 inputs", "4 layers of one input"]),
        (list(FIVE[0]), {"item": 0}, ["[head, query, key]", "[batch, query, key]"]),
        (FIVE[0, 0, 0], {"item": 0}, ["[query, key] of one input"]),
    ],
)
def test_a_shape_that_can_be_read_in_two_ways_is_refused_with_both(source, options, words):
    refused(source, *words, **options)


@pytest.mark.parametrize(
    ("source", "axes", "options"),
    [
        (FIVE, "batch layer head query key", {"item": 1}),
        (FIVE.swapaxes(0, 1), "layer batch head query key", {"item": 1}),
        (FIVE.swapaxes(3, 4), "batch, layer, head, key, query", {"item": 1}),
        (FIVE[1].transpose(2, 3, 0, 1), ["query", "key", "layer", "head"], {}),
        ([FIVE[1]], "layer head query key", {}),
        (list(FIVE[1].swapaxes(1, 2)), "query head key", {}),
    ],
)
def test_axes_may_be_said_in_words(source, axes, options):
    np.testing.assert_array_equal(whole(viz.load_weights(source, axes=axes, **options)), FIVE[1])


def test_heads_that_were_averaged_are_one_head():
    mean = FIVE.mean(axis=2)
    stack = viz.load_weights(list(mean[1]), axes="query key")
    np.testing.assert_allclose(whole(stack)[:, 0], mean[1])
    stack = viz.load_weights(list(mean.swapaxes(0, 1)), axes="batch query key", item=1)
    np.testing.assert_allclose(whole(stack)[:, 0], mean[1])


@pytest.mark.parametrize(
    ("axes", "word"),
    [
        ("layer head query", "do not name query and key"),
        ("query key key", "each axis once"),
        ("rows columns", "no axis 'rows'"),
        (5, "The axes are an int"),
        ("query key", "which are not the axes 'query key'"),
    ],
)
def test_axes_that_cannot_be_are_refused(axes, word):
    refused(FIVE[0], word, axes=axes)


SELF, CROSS = FIVE[0][..., :QUERIES], FIVE[1]
SELF = SELF / SELF.sum(-1, keepdims=True)


def named(separator):
    return {
        **{f"encoder{separator}{n}": SELF[n] for n in range(LAYERS)},
        **{f"cross{separator}{n}": CROSS[n] for n in range(LAYERS)},
    }


@pytest.mark.parametrize("kind", ["npz", "safetensors", "dict", "nested", "tuples", "whole"])
def test_encoder_and_cross_attention_beside_each_other_are_asked_for_by_name(kind, tmp_path):
    source = {
        "npz": tmp_path / "both.npz",
        "safetensors": tmp_path / "both.safetensors",
        "dict": named("_"),
        "nested": {
            f"layer_{n}": {"encoder_self": SELF[n], "cross": CROSS[n]} for n in range(LAYERS)
        },
        "tuples": {
            "encoder_attentions": tuple(SELF[:, None]),
            "cross_attentions": tuple(CROSS[:, None]),
            "last_hidden_state": np.random.default_rng(0).normal(size=(1, 5, 8)),
        },
        "whole": {"encoder": SELF, "cross": CROSS},
    }[kind]
    if kind == "npz":
        np.savez(source, **named("_"))
    if kind == "safetensors":
        save_file({name: torch.from_numpy(one.copy()) for name, one in named(".").items()}, source)
    encoder = viz.load_weights(source, name="encoder")
    cross = viz.load_weights(source, name="cross")
    np.testing.assert_array_equal(whole(encoder), SELF)
    np.testing.assert_array_equal(whole(cross), CROSS)
    assert (encoder.name, cross.name) == ("encoder", "cross")
    assert not cross.aligned
    assert any("passed over" in flag for flag in cross.provenance(0).flags)
    refused(source, "encoder (", "cross (", "name='")


@pytest.mark.parametrize("name", ["layer_{}_head_{}", "layer{}.head{}", "{}/heads/{}"])
def test_heads_that_are_arrays_of_their_own_are_joined(name):
    source = {
        name.format(layer, head): FIVE[0, layer, head]
        for layer in range(LAYERS)
        for head in reversed(range(HEADS))
    }
    np.testing.assert_array_equal(whole(viz.load_weights(source)), FIVE[0])
    del source[name.format(2, 1)]
    refused(source, "there is no head 1", name.format(2, 0))


def test_one_kind_is_called_by_its_name_or_as_one_wishes():
    assert viz.load_weights({"cross_attentions": ONE}).name == "cross"
    assert viz.load_weights({"attentions": ONE}).name == "self"
    assert viz.load_weights({"attentions": ONE}, name="mine").name == "mine"


def test_steps_of_a_text_that_was_written_are_refused():
    steps = tuple(tuple(layer[:, :, :1] for layer in ONE) for _ in range(3))
    refused(steps, "3 tuples of up to 4 arrays", "steps of a text")
    refused({"attentions": steps}, "3 tuples of up to 4 arrays")


@pytest.mark.parametrize("nothing", [np.nan, 0.0])
def test_rows_that_look_at_nothing_are_kept_as_not_attended(nothing):
    weights = FIVE[0].copy()
    weights[:, :, 3] = nothing
    for source in (weights, torch.from_numpy(weights), list(weights)):
        stack = viz.load_weights(source)
        assert not stack.attended(1, 0)[3].any()
        assert stack.attended(1, 0)[:3].all()
        assert bool((stack.weights(1, 0)[3] == 0).all())
        np.testing.assert_array_equal(stack.weights(1, 0)[:3].numpy(), weights[1, 0, :3])
        assert "rows sum to less than 1" not in stack.provenance(0).flags
        assert any(
            "look at nothing" in f or "looking at nothing" in f for f in stack.provenance(0).flags
        )
    assert np.isnan(weights[:, :, 3]).all() == np.isnan(nothing)


NARROW = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float8_e4m3fn": torch.float8_e4m3fn,
    "float8_e5m2": torch.float8_e5m2,
}


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("by", ["safetensors", "torch", "numpy", "tuple"])
def test_narrow_types_are_read_as_they_are(name, by, tmp_path):
    narrow = torch.from_numpy(FIVE[0]).to(NARROW[name])
    expected = narrow.float().numpy()
    source = {
        "torch": narrow,
        "tuple": tuple(narrow),
        "safetensors": tmp_path / "a.safetensors",
    }.get(by)
    if by == "safetensors":
        save_file({"attention": narrow}, source)
    if by == "numpy":
        kind = np.float16 if name == "float16" else getattr(ml_dtypes, name)
        source = FIVE[0].astype(kind)
        expected = source.astype(np.float32)
    stack = viz.load_weights(source)
    np.testing.assert_array_equal(whole(stack), expected)
    assert stack.provenance(0).dtype == name


def test_a_type_that_numpys_format_does_not_name_is_read_or_said(tmp_path):
    np.savez(tmp_path / "half.npz", FIVE[0].astype(ml_dtypes.bfloat16))
    expected = FIVE[0].astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(whole(viz.load_weights(tmp_path / "half.npz")), expected)
    np.save(tmp_path / "byte.npy", FIVE[0].astype(ml_dtypes.float8_e4m3fn))
    refused(tmp_path / "byte.npy", "does not name", ".safetensors")


def test_other_orders_of_bytes_and_arrays_that_may_not_be_written_to_are_read():
    for kind in (">f4", "<f8", ">f8", np.longdouble):
        np.testing.assert_allclose(whole(viz.load_weights(FIVE[0].astype(kind))), FIVE[0])
    locked = FIVE[0].copy()
    locked.flags.writeable = False
    np.testing.assert_array_equal(whole(viz.load_weights(locked)), FIVE[0])
    np.testing.assert_array_equal(whole(viz.load_weights(FIVE[0][..., ::-1])), FIVE[0][..., ::-1])


def test_weights_that_do_not_fit_are_refused_before_they_are_read(tmp_path):
    huge = np.broadcast_to(np.float32(1e-9), (40, 40, 200_000, 200_000))
    refused(huge, "GB are free")
    refused(torch.zeros(1).expand(2, 3, 10**6, 10**6), "GB are free")
    header = {"descr": "<f4", "fortran_order": False, "shape": (9, 9, 10**6, 10**6)}
    with (tmp_path / "claims.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    refused(tmp_path / "claims.npy", "damaged", "claims")


def test_an_entry_that_claims_more_than_it_holds_is_damaged(tmp_path):
    import io
    import zipfile

    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        content, {"descr": "<f4", "fortran_order": False, "shape": (9, 9, 10**6, 10**6)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("weights.npy", content.getvalue() + b"\0" * 100)
    refused(tmp_path / "a.npz", "are damaged", "claims")


def test_more_arrays_than_any_model_has_are_refused():
    many = {str(number): FIVE[0, 0] for number in range(given_arrays.MOST_ARRAYS + 1)}
    refused(many, "more than 20,000 arrays")
    endless = {}
    endless["again"] = endless
    refused(endless, "nested more than 32 deep")


def test_what_transformers_returns_is_what_capture_shows():
    module = build("bert")
    ids = torch.cat([token_ids(9, seed) for seed in (0, 1)])
    with torch.inference_mode():
        output = module(ids, output_attentions=True)
    trace = viz.capture(viz.wrap_model(module), {"input_ids": ids}, item=1)
    for source in (output.attentions, output, dict(output)):
        stack = viz.load_weights(source, item=1)
        assert stack.layers == 3
        for layer in range(3):
            for head in range(4):
                expected = trace.stacks["self"].weights(layer, head)
                torch.testing.assert_close(stack.weights(layer, head), expected)


def test_what_an_encoder_decoder_returns_is_three_stacks():
    torch.manual_seed(0)
    config = hf.BartConfig(
        vocab_size=97, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=32, decoder_ffn_dim=32,
    )  # fmt: skip
    module = hf.BartModel._from_config(copy.deepcopy(config), attn_implementation="eager").eval()
    with torch.inference_mode():
        output = module(
            input_ids=token_ids(9), decoder_input_ids=token_ids(5, 1), output_attentions=True
        )
    for name, source in {
        "encoder": output.encoder_attentions,
        "decoder": output.decoder_attentions,
        "cross": output.cross_attentions,
    }.items():
        stack = viz.load_weights(output, name=name)
        np.testing.assert_array_equal(whole(stack), torch.stack(source)[:, 0].numpy())
    refused(output, "encoder (2)", "decoder (2)", "cross (2)")
