"""All heads of a layer at once: each against a plain account in float64."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
import transformers as hf
from hypothesis import given, settings
from hypothesis import strategies as st

import viz
from tests.capture.architectures import ARCHITECTURES, ENCODER, build, token_ids
from tests.patterns.layers import CPU, LAYERS, noise, recorded, sparse, whole, window
from viz.capture.layers.mask import causal
from viz.capture.layers.recorded_layer import BLOCK_NUMBERS, Layer, ReportedLayer
from viz.capture.layers.windowed_layer import ReportedWindows, WindowedLayer
from viz.capture.positions.units_in_input_order import ArrangedLayer
from viz.capture.stack import Stack
from viz.capture.verification import UNVERIFIED
from viz.errors import ShapeError
from viz.inputs.units import numbered_units

TOLERANCE = 1e-6
WINDOWED = WindowedLayer(
    name="noise",
    query=noise(6, 4, 5, 8),
    key=noise(6, 2, 5, 8).flip(0),
    scale=0.4,
    allowed=noise(6, 1, 5, 5) > -0.5,
    bias=noise(1, 4, 5, 5),
    softcap=1.5,
    sinks=noise(4),
    provenance=UNVERIFIED,
)
REPORTED_WINDOWS = ReportedWindows("noise", noise(6, 4, 5, 5).softmax(-1), UNVERIFIED)
PLACES = torch.randperm(28, generator=torch.Generator().manual_seed(1))


def stack_of(*layers: Layer) -> Stack:
    queries, keys = layers[0].shape
    return Stack("self", layers, *(numbered_units("position", n) for n in (queries, keys)))


def windows_one_by_one(layer: WindowedLayer) -> np.ndarray:
    """Block after block along the diagonal, each by the textbook's formula."""
    count, heads, size, _ = layer.query.shape
    out = np.zeros((heads, count * size, count * size))
    for number in range(count):
        here = slice(number * size, (number + 1) * size)
        for head in range(heads):
            query, key = layer.query[number, head].double(), layer.key[number, head // 2].double()
            score = layer.softcap * torch.tanh(query @ key.T * layer.scale / layer.softcap)
            score = (score + layer.bias[0, head]).masked_fill(~layer.allowed[number, 0], -torch.inf)
            sink = layer.sinks[head].double().expand(size, 1)
            out[head, here, here] = torch.cat([score, sink], 1).softmax(1)[:, :-1].numpy()
    return out


def reported_windows_one_by_one(layer: ReportedWindows) -> np.ndarray:
    return np.stack(
        [torch.block_diag(*layer.weights[:, head]).double().numpy() for head in range(layer.heads)]
    )


@pytest.mark.parametrize("name", LAYERS)
def test_all_heads_of_every_kind_of_layer_are_the_plain_formula(name):
    layer, expected = layer_and_account(name)
    stack = stack_of(layer)
    weights = stack.weights(0)
    assert weights.dtype == torch.float32
    np.testing.assert_allclose(weights.numpy(), expected, atol=TOLERANCE, rtol=0)
    # What may not be looked at is 0, and not merely small.
    allowed = layer.may_look(torch.arange(layer.shape[0])).expand(weights.shape)
    assert not weights[~allowed].any()
    for head in range(layer.heads):
        one = stack.weights(0, head).numpy()
        np.testing.assert_allclose(one, expected[head], atol=TOLERANCE, rtol=0)


def test_windows_are_blocks_along_the_diagonal():
    weights = stack_of(WINDOWED).weights(0).numpy()
    np.testing.assert_allclose(weights, windows_one_by_one(WINDOWED), atol=TOLERANCE, rtol=0)
    weights = stack_of(REPORTED_WINDOWS).weights(0).numpy()
    expected = reported_windows_one_by_one(REPORTED_WINDOWS)
    np.testing.assert_allclose(weights, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("inner", "account"),
    [(WINDOWED, windows_one_by_one), (REPORTED_WINDOWS, reported_windows_one_by_one)],
)
def test_arranged_windows_stand_where_their_units_do(inner, account):
    stack = stack_of(ArrangedLayer(inner, PLACES, UNVERIFIED))
    expected = account(inner)[:, PLACES][:, :, PLACES]
    np.testing.assert_allclose(stack.weights(0).numpy(), expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_all_heads_at_once_equal_the_eager_weights(name):
    module = build(name)
    inputs = {"input_ids": token_ids(37)}
    with torch.no_grad():
        expected = copy.deepcopy(module)(**inputs, output_attentions=True).attentions
    stack = viz.capture(viz.wrap_model(module), inputs).stacks["self"]
    out = torch.full((stack.heads(0), 37, 37), torch.nan)
    for layer, batch in enumerate(expected):
        assert stack.weights(layer, out=out) is out
        torch.testing.assert_close(out, batch[0].float(), atol=1e-5, rtol=0)


def test_the_heads_of_a_cross_stack_are_read_at_once():
    config = hf.T5Config(
        vocab_size=97,
        d_model=32,
        d_kv=8,
        d_ff=48,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
    )
    module = hf.T5ForConditionalGeneration(config).eval()
    inputs = {"input_ids": token_ids(19), "decoder_input_ids": token_ids(7)}
    with torch.no_grad():
        expected = copy.deepcopy(module)(**inputs, output_attentions=True)
    trace = viz.capture(viz.wrap_model(module), inputs)
    for name, attentions in (
        ("encoder", expected.encoder_attentions),
        ("decoder", expected.decoder_attentions),
        ("cross", expected.cross_attentions),
    ):
        for layer, batch in enumerate(attentions):
            weights = trace.stacks[name].weights(layer)
            torch.testing.assert_close(weights, batch[0], atol=1e-5, rtol=0)


@cache
def layer_and_account(name: str) -> tuple[Layer, np.ndarray]:
    layer = LAYERS[name]()
    return layer, np.stack([whole(layer, head)[0] for head in range(layer.heads)])


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_rows_and_columns_are_cut_from_the_whole(data):
    name = data.draw(
        st.sampled_from(["padding", "window", "sinks", "holes of each head", "sparse"])
    )
    layer, expected = layer_and_account(name)
    stack = stack_of(layer)
    rows = data.draw(st.lists(st.integers(0, layer.shape[0] - 1), max_size=9))
    columns = data.draw(st.lists(st.integers(0, layer.shape[1] - 1), max_size=9))
    cut = expected[:, rows][:, :, columns]
    weights = stack.weights(0, rows=rows, columns=columns)
    np.testing.assert_allclose(weights.numpy(), cut.reshape(weights.shape), atol=TOLERANCE)
    weights = stack.weights(0, rows=rows)
    np.testing.assert_allclose(weights.numpy(), expected[:, rows], atol=TOLERANCE)


def test_a_layer_too_long_for_one_block_is_read_by_few_heads_at_a_time():
    """Both ways to cut it come into play: more rows and more heads than a block holds."""
    tokens = 1_200
    layer = recorded(tokens, tokens, causal(tokens, CPU), heads=40, key_heads=10, width=4)
    assert 40 * 32 * tokens > BLOCK_NUMBERS
    weights = stack_of(layer).weights(0, rows=range(0, tokens, 3))
    for head in (0, 19, 23, 39):
        expected = whole(layer, head)[0][::3]
        np.testing.assert_allclose(weights[head].numpy(), expected, atol=TOLERANCE, rtol=0)


def test_rows_sum_to_one_or_to_what_a_sink_leaves():
    tokens = 700
    plain = recorded(tokens, tokens, window(tokens, 50))
    sums = stack_of(plain).weights(0).sum(dim=-1)
    torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-5, rtol=0)
    layer = replace(plain, sinks=noise(4))
    sums = stack_of(layer).weights(0).double().sum(dim=-1)
    assert bool((sums < 1).all())
    expected = torch.stack([torch.from_numpy(whole(layer, h)[0]).sum(dim=-1) for h in range(4)])
    torch.testing.assert_close(sums, expected, atol=1e-5, rtol=0)


def test_float16_is_the_float32_weight_rounded_once():
    for layer in (recorded(600, 600, causal(600, CPU)), sparse(300)):
        stack = stack_of(layer)
        half = stack.weights(0, dtype=torch.float16)
        assert half.dtype == torch.float16
        assert torch.equal(half, stack.weights(0).half())
        assert torch.equal(stack.weights(0, 2, dtype=torch.float16), stack.weights(0, 2).half())
        buffer = torch.empty(half.shape, dtype=torch.float16)
        assert torch.equal(stack.weights(0, out=buffer), half)


def test_a_buffer_holds_nothing_of_the_layer_before():
    """Keys outside of a block's run are written too, and so is a buffer that is part of another."""
    tokens = 300
    full_rows = ReportedLayer("noise", noise(4, tokens, tokens).softmax(-1), UNVERIFIED)
    narrow = recorded(tokens, tokens, window(tokens, 5))
    stack = stack_of(full_rows, narrow, LAYERS["padding"]())
    larger = torch.full((4, tokens + 3, 2 * tokens), torch.nan)
    out = larger[:, 1 : tokens + 1, ::2]
    for layer in (0, 1, 2, 1, 0):
        stack.weights(layer, out=out)
        assert torch.equal(out, stack.weights(layer))
    larger[:, 1 : tokens + 1, ::2] = torch.nan
    assert bool(larger.isnan().all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"out": torch.empty(4, 9, 8)},
            r"out is 4 x 9 x 8, torch.float32, on cpu; these .* 4 x 9 x 9",
        ),
        ({"out": torch.empty(9, 9)}, "out is 9 x 9"),
        ({"out": torch.empty(4, 9, 9, device="meta")}, "on meta"),
        ({"out": torch.empty(4, 9, 9, dtype=torch.float64)}, "not as torch.float64"),
        ({"out": torch.empty(4, 9, 9), "dtype": torch.float16}, "torch.float32.*torch.float16"),
        ({"out": torch.empty(4, 1, 9).expand(4, 9, 9)}, "expanded"),
        ({"out": np.empty((4, 9, 9))}, "out is a ndarray"),
        ({"dtype": torch.bfloat16}, "not as torch.bfloat16"),
        ({"dtype": "float16"}, "not as a str"),
        ({"head": 1, "out": torch.empty(4, 9, 9)}, "these weights are 9 x 9"),
        ({"rows": [9]}, "no query 9"),
        ({"columns": [-1]}, "no key -1"),
        ({"head": True}, "head is a bool"),
    ],
)
def test_a_buffer_that_does_not_fit_is_refused_and_said(arguments, message):
    stack = stack_of(recorded(9, 9, causal(9, CPU)))
    with pytest.raises(ShapeError, match=message):
        stack.weights(0, **arguments)


def test_a_buffer_may_come_from_inference_or_want_gradients():
    stack = stack_of(recorded(9, 9, causal(9, CPU)))
    with torch.inference_mode():
        inference = torch.empty(4, 9, 9)
    leaf = torch.zeros(4, 9, 9, requires_grad=True)
    expected = stack.weights(0)
    assert torch.equal(stack.weights(0, out=inference), expected)
    assert torch.equal(stack.weights(0, out=leaf).detach(), expected)
    expected.mul_(2)  # an ordinary tensor, to be changed at will


def test_weights_of_half_types_are_computed_in_float32():
    module = hf.BertModel(hf.BertConfig(**ENCODER)).eval().to(torch.bfloat16)
    stack = viz.capture(viz.wrap_model(module), {"input_ids": token_ids(30)}).stacks["self"]
    for layer in range(stack.layers):
        expected = [whole(stack.record(layer), head)[0] for head in range(4)]
        np.testing.assert_allclose(
            stack.weights(layer).numpy(), np.stack(expected), atol=TOLERANCE, rtol=0
        )
